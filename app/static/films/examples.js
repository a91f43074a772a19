// The films on offer: a strip of them over the film, one of them open at first, and the pin to
// try.

import { address } from "../api.js";
import { button, make } from "../dom.js";
import { POSITIVE, pinCount } from "../state.js";

export class Examples {
  // act: {open(source), pin(i, state)}
  constructor(root, facts, state, act) {
    Object.assign(this, { root, state, act, films: facts.examples, findings: facts.findings });
    const q = (selector) => root.querySelector(selector);
    [this.button, this.strip, this.suggestion] = [".lm-offer", ".lm-examples", ".lm-try"].map(q);
    this.button.hidden = root.querySelector(".lm-promptoffer").hidden = !this.films.length;
    this.strip.replaceChildren(...this.films.map((film, k) => this.thumbnail(film, k)));
    this.button.addEventListener("click", () => this.unfold(!root.hasAttribute("data-offer")));
    this.strip.addEventListener("keydown", (e) => {
      if (e.key !== "Escape") return;
      this.unfold(false);
      this.button.focus();
    });
    this.suggestion.addEventListener("click", () => {
      const { finding, state: value } = this.pin;
      act.pin(finding, value);
    });
  }

  // The film that was open before, or the first one with a pin to try; a link is about a film
  // of the reader's own.
  openFirst(before) {
    const k = before ?? this.films.findIndex(({ pin }) => pin);
    if (k in this.films && (k === before || !window.location.hash)) this.act.open({ example: k });
  }

  // The pin to try on the open film, null without one; it would tell the reader of a study too
  // much.
  get pin() {
    if (this.root.dataset.study) return null;
    return this.films[this.state.film?.source.example]?.pin ?? null;
  }

  render() {
    const { pin } = this, folds = Boolean(this.state.film);
    this.button.disabled = !folds; // without a film the strip is there anyway
    this.suggestion.hidden = !pin || pinCount(this.state) > 0;
    if (!pin) return;
    const word = pin.state === POSITIVE ? "present" : "absent";
    this.suggestion.textContent = `Try: ${this.findings[pin.finding]} is ${word}`;
  }

  unfold(on) {
    this.root.toggleAttribute("data-offer", on);
    this.button.setAttribute("aria-expanded", on);
  }

  thumbnail({ title }, k) {
    const node = button("", () => {
      this.unfold(false);
      this.act.open({ example: k });
    }, { title });
    const image = Object.assign(make("img"), { src: address(`example/${k}`), alt: "" });
    node.append(image, make("span", "", title));
    return node;
  }
}
