// What this viewer is, what it holds for this reader and for how long: the dialog that says so,
// the warning before an unused film is dropped, and the word after it.

import { make, terms } from "./dom.js";

const WARN_SECONDS = 300; // before the end; less where films are held for a short time only

export class Session {
  constructor(root, facts, state, api) {
    Object.assign(this, { root, facts: facts.session, model: facts.model, state, api });
    this.contact = Date.now(); // when the program last heard of the film
    this.gone = false; // it holds the film no more
    this.dialog = root.querySelector(".lm-session");
    const { idleSeconds } = this.facts;
    this.warnSeconds = Math.min(WARN_SECONDS, idleSeconds / 3);
    // Who only looks at the film is using it: the program hears so now and then.
    for (const type of ["pointerdown", "keydown", "wheel"]) {
      root.addEventListener(type, () => this.active(), { passive: true });
    }
    root.querySelector(".lm-idle button").addEventListener("click", () => this.keep());
    root.querySelector(".lm-about").addEventListener("click", () => this.open());
    setInterval(() => this.check(), Math.min(5000, idleSeconds * 50));
    root.toggleAttribute("data-demo", this.facts.demo);
    if (this.facts.demo) root.querySelector(".lm-beside option[value=prior]").remove();
  }

  // The program has answered about the open film.
  used() {
    this.contact = Date.now();
    this.gone = false;
    this.check();
  }

  // Seconds until the film is dropped.
  left() {
    return this.facts.idleSeconds - (Date.now() - this.contact) / 1000;
  }

  active() {
    const quiet = this.facts.idleSeconds - this.left();
    if (this.state.film && !this.gone && quiet > this.facts.idleSeconds / 6) this.keep();
  }

  // Asks the program for what it holds, which keeps it. null where it holds nothing.
  async keep() {
    const { film } = this.state;
    if (!film) return null;
    this.contact = Date.now(); // not once more while this is under way
    let held = null;
    try {
      held = await this.api.json("session", undefined, { method: "GET" });
    } catch {
      if (film === this.state.film) this.gone = true;
    }
    this.check();
    return film === this.state.film ? held : null;
  }

  check() {
    const box = this.root.querySelector(".lm-idle"), left = this.left();
    if (this.state.film && left <= 0) this.gone = true;
    const late = this.state.film && (this.gone || left < this.warnSeconds);
    box.hidden = !late;
    box.querySelector("button").hidden = this.gone;
    if (!late) return;
    const text = this.gone ? this.goneText()
      : `This film is dropped in ${inWords(left)} unless it is used.`;
    const line = box.querySelector("span");
    if (line.textContent !== text) line.textContent = text;
  }

  goneText() {
    const why = this.left() <= 0 ? ` after ${inWords(this.facts.idleSeconds)} without use` : "";
    return `The program has dropped this film${why}. What you see stays on this screen; the next `
      + "pin sends the film once more.";
  }

  // ---- the dialog

  async open() {
    this.fill(null);
    this.dialog.showModal();
    this.fill(this.gone ? null : await this.keep());
  }

  // held: {films, bytes} as the program says, null where it holds none.
  fill(held) {
    const { demo, user, idleSeconds, maxBytes, maxPixels, filmsPerMinute } = this.facts;
    const free = demo ? "pins are not counted" : "pins and rows of a worklist are not counted";
    const often = filmsPerMinute
      ? `${filmsPerMinute} films a minute; ${free}` : "any number of films";
    const lines = [
      ["Model", modelText(this.model)],
      ["Held now", held ? heldText(held) : "No film."],
      ["Where", "In the memory of this program, and never on its disk. This page keeps which file "
        + "it was, so that the film can be read again if the program is started anew."],
      ...(demo ? [] : [["Worklist", "Files and names stay in your browser. A file is sent to be "
        + "read, in memory only, and nothing of it is kept."]]),
      ["How long", "Until you press Forget film or leave the page, or for "
        + `${inWords(idleSeconds)} without use.`],
      ["Limits", demo ? `Bundled films only, ${often}.`
        : `${maxBytes / 2 ** 20} MB and ${maxPixels / 1e6} million pixels a film; ${often}.`],
      ["Never kept", "Names of files or patients, other attributes that tell who, what was read. "
        + "None of it is logged, and no other host hears of it."],
      ["Browser", "Keeps the look and, until this tab is closed or Forget film is pressed, your "
        + "pins, with a digest of each film in place of a name: they come back after a reload."],
      ["Signing in", user ? "Is asked by the browser, until it is closed." : "Is not asked here."],
      ["For programs", "/predict and /explain answer gradio_client and HTTP; "
        + `Client("${document.baseURI.split("#")[0]}").view_api() prints `, apiLink()],
    ];
    this.dialog.querySelector("dl").replaceChildren(...terms(lines));
  }
}

function apiLink() {
  const href = new URL("gradio_api/info", document.baseURI);
  const link = make("a", "", "their description");
  return Object.assign(link, { href, target: "_blank", rel: "noopener" });
}

function modelText({ identity, source, block, test }) {
  const checkpoint = `Checkpoint ${identity} (${source}), block "${block}"`;
  if (!test) return `${checkpoint}; not measured on test films.`;
  const [free, ...known] = test.scores;
  return `${checkpoint}; mean AUC ${free.mean.toFixed(3)} on ${test.images} official test films`
    + `${known.map((s) => `, ${s.mean.toFixed(3)} with ${s.known} findings known`).join("")}.`;
}

function heldText({ films, bytes }) {
  const megabytes = Math.max(1, Math.round(bytes / 2 ** 20));
  return `${films === 1 ? "One film" : `${films} films`}, ${megabytes} MB of memory.`;
}

function inWords(seconds) {
  const whole = Math.max(1, seconds > 90 ? Math.round(seconds / 60) : Math.ceil(seconds));
  return `${whole} ${seconds > 90 ? "minute" : "second"}${whole === 1 ? "" : "s"}`;
}
