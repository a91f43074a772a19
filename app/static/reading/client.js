// Questions to the server and its answers. An answer is shown only if it is of the newest question.

import { UNKNOWN, rowOrder, shown } from "../state.js";
import { cellsOf, fetchValues } from "../viewer/values.js";

// A question that is asked again behind another one carries that one's number: it comes too late.
export const LATE = -1;
const WHY_DELAY = 150; // ms without a further pin before the explanation is asked for
const LOST = "The film could not be shown; open it again.";

export class Client {
  // show: {opened(), openedPrior(), lost(), closed(), alert(text), busy(on), render()}; viewport: a
  // Viewport.
  constructor(root, state, viewport, send, show) {
    Object.assign(this, { root, state, viewport, send, show });
    this.waiting = 0; // timer of the next question why
    this.newest = null; // token of the film that was answered last
    window.addEventListener("lmeran:reply", (e) => this.receive(e.detail));
  }

  // One request for the newest pins.
  ask() {
    if (!this.state.film) return;
    this.state.sent += 1;
    this.root.dataset.pending = this.state.sent;
    this.show.render();
    this.send("pin", this.request());
  }

  request() {
    const { film, sent, pins, view } = this.state;
    return { token: film.token, seq: sent, pins: [...pins], layer: view.layer, head: view.head };
  }

  // The explanation is heavier: it is asked for once the pins have rested.
  askWhy() {
    clearTimeout(this.waiting);
    this.waiting = setTimeout(() => {
      const { film, readingSeq, sent } = this.state;
      if (film && readingSeq === sent) this.send("explain", this.request());
    }, WHY_DELAY);
  }

  receive(reply) {
    const answers = { film: "film", prior: "prior", reading: "reading", why: "why", forgotten: "forgotten" };
    return this[answers[reply.kind] ?? "failed"](unpacked(reply));
  }

  async film(reply) {
    const pixels = await this.pixelsOf(reply);
    if (!pixels) return;
    const { state } = this;
    this.viewport.open(reply, pixels);
    Object.assign(state, { film: reply, prior: null, reading: reply.reading, before: null, why: null });
    state.pins.fill(UNKNOWN);
    state.view.layer = state.view.head = null;
    state.sent += 1; // answers to requests about the film before are late by definition
    state.readingSeq = state.sent;
    state.selected = rowOrder({ ...state, sort: "probability" })[0];
    delete this.root.dataset.pending;
    this.show.opened();
    this.askWhy();
  }

  async prior(reply) {
    const pixels = await this.pixelsOf(reply);
    if (!pixels || !this.state.film) return;
    this.viewport.openPrior(reply, pixels);
    this.state.prior = reply;
    this.show.openedPrior();
  }

  // The values of a film just answered; null where they are gone or a newer film was answered.
  async pixelsOf(reply) {
    this.newest = reply.token;
    const pixels = await fetchValues(new URL(`lmeran/film/${reply.token}`, document.baseURI), reply);
    if (this.newest !== reply.token) return null;
    this.show.busy(false);
    this.show.alert(pixels ? "" : LOST);
    if (!pixels) this.show.lost();
    return pixels;
  }

  reading(reply) {
    const { state } = this;
    if (reply.token !== state.film?.token || reply.seq !== state.sent) return;
    const same = reply.reading.pins.every((p, i) => p === state.reading.pins[i]);
    if (!same) state.before = state.pins.map((_, i) => shown(state.reading, i));
    state.reading = reply.reading;
    state.readingSeq = reply.seq;
    delete this.root.dataset.pending;
    this.show.render();
    this.askWhy();
  }

  why(reply) {
    const { state } = this;
    if (reply.token !== state.film?.token || reply.seq !== state.readingSeq) return;
    state.why = { ...reply.why, seq: reply.seq };
    this.show.render();
  }

  forgotten() {
    const { state } = this;
    this.newest = null;
    this.viewport.close();
    Object.assign(state, { film: null, prior: null, reading: null, before: null, why: null });
    state.pins.fill(UNKNOWN);
    delete this.root.dataset.pending;
    this.show.closed();
  }

  failed(reply) {
    const { state } = this;
    // Of a question that is no longer the newest one; an answer about a file has no number.
    if (reply.seq !== null && reply.seq !== state.sent) return;
    this.show.busy(false);
    this.show.alert(reply.message);
    // The pins the screen shows must be those of the reading it shows.
    if (state.reading && reply.seq === state.sent) state.pins = [...state.reading.pins];
    delete this.root.dataset.pending;
    this.show.render();
  }
}

// The answer with its maps as numbers.
function unpacked(reply) {
  const all = (maps) => maps.map((map) => map && cellsOf(map));
  const { reading, cam, why } = reply, full = { ...reply };
  if (cam) full.cam = all(cam);
  if (why) full.why = { ...why, sum: all(why.sum) };
  if (reading?.maps) {
    const { free, pinned } = reading.maps;
    full.reading = { ...reading, maps: { ...reading.maps, free: all(free), pinned: all(pinned) } };
  }
  return full;
}
