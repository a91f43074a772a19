// What the page says to its reader below the film: trouble and hints until they are dismissed,
// confirmations for a few seconds.

const SHOWN = 5000; // ms that a confirmation is seen

export class Notices {
  constructor(root) {
    this.box = root.querySelector(".lm-alert");
    this.live = root.querySelector(".lm-live");
    this.timer = 0;
    this.box.querySelector("button").addEventListener("click", () => this.alert(""));
  }

  // Something went wrong; "" when that is over.
  alert(text, kind = "trouble") {
    this.box.hidden = !text;
    this.box.dataset.kind = kind;
    this.box.querySelector("span").textContent = text;
  }

  // What the reader may do next.
  hint(text) {
    this.alert(text, "hint");
  }

  // What was done.
  tell(text) {
    clearTimeout(this.timer);
    this.live.textContent = text;
    this.live.toggleAttribute("data-shown", Boolean(text));
    this.timer = setTimeout(() => this.live.removeAttribute("data-shown"), SHOWN);
  }
}
