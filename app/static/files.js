// Files that a reader gives: from the button or dropped, through Gradio's own upload, which hands
// them to the server and starts the event. A film's own name may name a patient: it is not sent.

import { seemsZip } from "./worklist/sources.js";

const DEMO = "This is a demonstration: it takes no files. Run the program on your own machine to read yours.";

// Why an upload was refused, by status; see `app/security.py`. Gradio only tells its own button.
const REFUSED = {
  401: "You are signed out; reload the page to sign in again. What you see stays until then.",
  429: "Too many films in a short time; try again in a minute. What you have open stays.",
};
const LOST = "The file was not taken; try it again, or reload the page.";

export class Files {
  // show: {busy(on), alert(text)}; facts.maxBytes: a larger file is refused here; worklist: takes what
  // is more than one film.
  constructor(root, { maxBytes, session }, show, worklist) {
    Object.assign(this, { root, maxBytes, show, demo: session.demo, worklist });
    this.role = "film"; // or "prior": what the next file is
    document.addEventListener("change", (e) => e.target === input() && this.chosen(e), true);
    document.addEventListener("cancel", (e) => { if (e.target === input()) this.role = "film"; }, true);
    // Gradio's own button only carries the file: the page has one for those who look and hear.
    const carrier = document.querySelector("#lm-upload");
    if (carrier) Object.assign(carrier, { ariaHidden: "true", tabIndex: -1 });
    new PerformanceObserver((list) => list.getEntries().forEach((sent) => this.answered(sent)))
      .observe({ type: "resource" });
    const stage = root.querySelector(".lm-left");
    stage.addEventListener("dragover", (e) => { e.preventDefault(); root.dataset.drop = "1"; });
    stage.addEventListener("dragleave", () => delete root.dataset.drop);
    stage.addEventListener("drop", (e) => this.dropped(e));
  }

  answered({ name, responseStatus }) {
    if (!(responseStatus >= 400) || !new URL(name).pathname.endsWith("/gradio_api/upload")) return;
    this.show.busy(false);
    this.show.alert(REFUSED[responseStatus] ?? LOST);
  }

  choose(role) {
    this.role = role;
    input().multiple = role === "film";
    input().click();
  }

  dropped(e) {
    e.preventDefault();
    delete this.root.dataset.drop;
    if (!e.dataTransfer.files.length) return;
    if (this.demo) return void this.show.alert(DEMO);
    if (this.worklist.takes(e)) return;
    this.role = e.target.closest(".lm-wantsprior") ? "prior" : "film";
    put(input(), e.dataTransfer.files[0]);
    input().dispatchEvent(new Event("change", { bubbles: true }));
  }

  chosen(e) {
    if (!e.target.files.length) return;
    const role = this.role;
    this.role = "film";
    const [first, ...others] = e.target.files;
    if (role === "film" && (others.length || seemsZip(first))) {
      e.stopImmediatePropagation();
      this.worklist.addFiles(e.target.files);
      e.target.value = "";
      return;
    }
    if (first.size <= this.maxBytes) {
      if (role === "film") this.frames?.asked({ file: first });
      put(e.target, new File([first], freshName(role)));
      this.show.busy(true);
      return;
    }
    // Gradio would only refuse it after sending all of it.
    e.stopImmediatePropagation();
    e.target.value = "";
    this.show.alert(`The file is larger than the limit of ${this.maxBytes / 2 ** 20} MB; `
      + "export the film alone, or compress it.");
  }
}

function input() {
  return document.querySelector("input[type=file]");
}

function put(target, file) {
  const carrier = new DataTransfer();
  carrier.items.add(file);
  target.files = carrier.files;
}

function freshName(role) {
  const digits = Array.from(crypto.getRandomValues(new Uint8Array(18)),
    (byte) => byte.toString(16).padStart(2, "0")).join("");
  return `${role}-${digits}`;
}
