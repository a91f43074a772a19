// Films that a reader gives, from the button or dropped. They are sent as bytes and without a
// name, which may be a patient's.

import { fileItem, seemsZip } from "../worklist/sources.js";

const DEMO = "This is a demonstration: it takes no files. Run the program on your own machine to "
  + "read yours.";

export class Files {
  // client: opens films; worklist: takes what is more than one; alert(text).
  constructor(root, demo, client, worklist, alert) {
    Object.assign(this, { root, demo, client, worklist, alert });
    this.role = "film"; // or "prior": what the next file is
    this.input = root.querySelector(".lm-file");
    this.input.addEventListener("change", () => this.chosen());
    this.input.addEventListener("cancel", () => { this.role = "film"; });
    root.addEventListener("dragover", (e) => { e.preventDefault(); root.dataset.drop = "1"; });
    root.addEventListener("dragleave", () => delete root.dataset.drop);
    root.addEventListener("drop", (e) => this.dropped(e));
  }

  choose(role) {
    this.role = role;
    this.input.multiple = role === "film";
    this.input.click();
  }

  chosen() {
    const files = [...this.input.files], { role } = this;
    this.role = "film";
    this.input.value = ""; // the same file may be chosen again
    if (!files.length) return;
    const isMany = files.length > 1 || seemsZip(files[0]);
    if (role === "film" && isMany) this.worklist.addFiles(files, true);
    else this.open(files[0], role);
  }

  dropped(e) {
    e.preventDefault();
    delete this.root.dataset.drop;
    if (!e.dataTransfer.files.length) return;
    if (this.demo) this.alert(DEMO);
    else if (!this.worklist.takes(e)) {
      this.open(e.dataTransfer.files[0], e.target.closest(".lm-wantsprior") ? "prior" : "film");
    }
  }

  open(file, role) {
    this.client.open({ item: fileItem(file) }, { role });
  }
}
