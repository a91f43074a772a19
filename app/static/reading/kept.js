// Pins over a reload of the page: in this tab's session storage, which the browser drops with the
// tab. A picture is known by the digest of its pixels; nothing else of a film is kept.

import { pinCount } from "../state.js";

const KEPT = "lmeran-pins";

export class KeptPins {
  constructor(root, state) {
    Object.assign(this, { root, state });
    this.before = stored(); // {last: {image, example}, pins: {image: 14 states}} before the reload
    this.now = { ...this.before, pins: { ...this.before.pins } };
    this.seen = null; // the pins that were written last
  }

  // The film that was pinned last before the reload; null where none is.
  get last() {
    const { last, pins } = this.before;
    return pins[last?.image] ? last : null;
  }

  // The pins that the open film had before the reload, once; null without any.
  take() {
    const { film, pins } = this.state, kept = this.before.pins[film.image];
    delete this.before.pins[film.image];
    const isFree = !pinCount(this.state) && !this.root.dataset.study;
    return kept?.length === pins.length && isFree ? kept : null;
  }

  // The pins on the screen are those to be kept.
  follow() {
    const { film, pins } = this.state;
    if (!film?.image || pins === this.seen || this.root.dataset.study) return;
    this.seen = pins;
    const { image, source: { example } } = film, kept = this.now.pins;
    if (pinCount(this.state)) kept[image] = [...pins];
    else if (kept[image]) delete kept[image];
    else return;
    this.now.last = { image, example };
    write(this.now);
  }

  forget() {
    this.before.pins = {};
    this.now = { last: null, pins: {} };
    write(this.now);
  }
}

function stored() {
  try {
    return JSON.parse(window.sessionStorage.getItem(KEPT)) ?? { last: null, pins: {} };
  } catch {
    return { last: null, pins: {} }; // a browser that keeps nothing for this page
  }
}

function write(kept) {
  try {
    if (Object.keys(kept.pins).length) window.sessionStorage.setItem(KEPT, JSON.stringify(kept));
    else window.sessionStorage.removeItem(KEPT);
  } catch {
    // The pins last as long as the page.
  }
}
