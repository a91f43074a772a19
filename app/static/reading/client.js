// What the page asks the server about its film, and what becomes of the answers. An answer is
// shown only if it is of the newest question.

import { Refused } from "../api.js";
import { UNKNOWN, nameOf, rowOrder, shown } from "../state.js";
import { FileTrouble } from "../worklist/zip.js";
import { cellsOf, fetchValues } from "../viewer/values.js";

const WHY_DELAY = 150; // ms without a further pin before the explanation is asked for
const EMPTY = "The file is empty; choose a chest X-ray as DICOM, PNG or JPEG.";

export class Client {
  // show: {opened(), openedPrior(), closed(), alert(text), busy(on), render(), used()}; viewport:
  // a Viewport; maxBytes: a larger file is refused here.
  constructor(root, state, viewport, api, maxBytes, show) {
    Object.assign(this, { root, state, viewport, api, maxBytes, show });
    this.waiting = 0; // timer of the next question why
    this.newest = null; // the film that was answered last
    this.opening = 0; // number of the film that was asked for last
    this.asking = false; // pins are on their way
    this.again = null; // a Promise: the open film is being read again
  }

  // ---- films

  // source: {example: number} or {item: {size, bytes()}}, with {row} of the worklist, the {title}
  // on the screen and, in a study, {boxes} in place of its own and {alone}: nothing of the model
  // is sent. Whether the film came: another one may have been asked for meanwhile.
  async open(source, { frame = 1, role = "film" } = {}) {
    const number = this.opening += 1;
    this.show.busy(true);
    try {
      const reply = await this.read(source, frame, role);
      return number === this.opening && await this.display(reply, source, role);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      if (number === this.opening) this.show.alert(this.notOpened(source, error));
      return false;
    } finally {
      if (number === this.opening) this.show.busy(false);
    }
  }

  // Why a film did not open; where that is the file's fault, also which it was and what is seen.
  notOpened(source, { message, status }) {
    if (!source.item || ![0, 422].includes(status)) return message;
    const { film } = this.state, still = film ? `; still showing ${nameOf(film)}` : "";
    return `${nameOf({ source })} could not be read${still}. ${message}`;
  }

  // The server's answer about a film. Throws Refused, also where the file cannot be sent.
  async read(source, frame = 1, role = "film") {
    const options = `frame=${frame}${role === "prior" ? "&prior=true" : ""}`
      + (source.alone ? "&alone=true" : "");
    const response = source.example === undefined
      ? await this.api.call(`films?${options}`, { body: await this.bytesOf(source.item) })
      : await this.api.call(`examples/${source.example}?${options}`);
    return response.json();
  }

  async bytesOf({ size, bytes, reason }) {
    if (reason) throw new Refused(reason);
    if (size === 0) throw new Refused(EMPTY);
    if (size > this.maxBytes) {
      const limit = this.maxBytes / 2 ** 20;
      throw new Refused(`The file has ${Math.ceil(size / 2 ** 20)} MB and the limit is ${limit} `
        + "MB; export the film alone, or compress it.");
    }
    try {
      return await bytes();
    } catch (error) {
      if (error instanceof FileTrouble) throw new Refused(error.message);
      throw error;
    }
  }

  // A film that was read in place of the open one. Whether it is seen: a newer one may have come.
  async display(reply, source, role = "film") {
    this.newest = reply;
    const pixels = await fetchValues(this.api, reply);
    if (this.newest !== reply) return false;
    const film = { ...withCells(reply), source, title: source.title ?? reply.title,
                   boxes: source.boxes ?? reply.boxes };
    this.show.alert("");
    if (role === "prior") this.openPrior(film, pixels);
    else this.openFilm(film, pixels);
    return true;
  }

  openFilm(film, pixels) {
    const { state } = this;
    this.viewport.open(film, pixels);
    const { reading = null } = film;
    Object.assign(state, { film, prior: null, reading, before: null, why: null });
    state.pins.fill(UNKNOWN);
    state.view.layer = state.view.head = null;
    state.sent += 1; // answers about the film before are late by definition
    state.readingSeq = state.sent;
    state.selected = rowOrder({ ...state, sort: "probability" })[0];
    delete this.root.dataset.pending;
    this.show.used();
    this.show.opened();
    if (state.reading) this.askWhy();
  }

  openPrior(film, pixels) {
    if (!this.state.film) return;
    this.viewport.openPrior(film, pixels);
    this.state.prior = film;
    this.show.openedPrior();
  }

  // What `run(film)` gives of the open film; the film is read again, from what the page holds of
  // it, where the server holds it no longer (it was started anew, or the film was idle too long).
  async withFilm(run) {
    const { film } = this.state;
    let answer;
    try {
      answer = await run(film);
    } catch (error) {
      if (error.status !== 404 || film !== this.state.film) throw error;
      this.again ??= this.readAgain(film).finally(() => { this.again = null; });
      await this.again;
      answer = await run(film);
    }
    if (film === this.state.film) this.show.used();
    return answer;
  }

  async readAgain(film) {
    this.show.busy(true);
    try {
      const { token, cam } = withCells(await this.read(film.source, film.frame));
      Object.assign(film, { token, cam });
    } finally {
      this.show.busy(false);
    }
  }

  forget() {
    const { state } = this;
    this.api.call("session", { method: "DELETE" }).catch(() => {});
    this.newest = null;
    this.opening += 1;
    this.viewport.close();
    Object.assign(state, { film: null, prior: null, reading: null, before: null, why: null });
    state.pins.fill(UNKNOWN);
    delete this.root.dataset.pending;
    this.show.busy(false);
    this.show.closed();
  }

  // ---- pins

  // The reading under the newest pins: of several clicks in a hurry the last ones are sent, once.
  ask() {
    if (!this.state.reading) return;
    this.state.sent += 1;
    this.root.dataset.pending = this.state.sent;
    if (!this.asking) this.sendPins(); // first: it is on its way while the page is drawn
    this.show.render();
  }

  async sendPins() {
    const { state } = this;
    this.asking = true;
    while (state.film && state.readingSeq !== state.sent) {
      const { film, sent } = state;
      try {
        const reading = await this.withFilm(() => this.api.json("pins", this.request()));
        if (film === state.film) this.showReading(withNumbers(reading), sent);
      } catch (error) {
        if (!(error instanceof Refused)) console.error(error);
        if (film === state.film && sent === state.sent) this.takeBack(error.message);
      }
    }
    this.asking = false;
  }

  request() {
    const { film, pins, view } = this.state;
    return { token: film.token, pins: [...pins], layer: view.layer, head: view.head };
  }

  showReading(reading, sent) {
    const { state } = this;
    if (sent !== state.sent) return; // newer pins are sent next
    const same = reading.pins.every((p, i) => p === state.reading.pins[i]);
    if (!same) {
      const values = state.pins.map((_, i) => shown(state.reading, i));
      state.before = { pins: state.reading.pins, values };
    }
    state.reading = reading;
    state.readingSeq = sent;
    delete this.root.dataset.pending;
    this.show.render();
    this.askWhy();
  }

  // The pins the screen shows must be those of the reading it shows.
  takeBack(message) {
    const { state } = this;
    state.pins = [...state.reading.pins];
    state.readingSeq = state.sent;
    delete this.root.dataset.pending;
    this.show.alert(message);
    this.show.render();
  }

  // The explanation is heavier: it is asked for once the pins have rested.
  askWhy() {
    clearTimeout(this.waiting);
    this.waiting = setTimeout(() => this.sendWhy(), WHY_DELAY);
  }

  async sendWhy() {
    const { state } = this, { film, sent } = state;
    if (!film || state.readingSeq !== sent) return;
    try {
      const why = await this.withFilm(() => this.api.json("why", this.request()));
      if (film !== state.film || sent !== state.readingSeq) return;
      state.why = { ...why, sum: cells(why.sum), seq: sent };
      this.show.render();
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      if (film === state.film && sent === state.sent) this.show.alert(error.message);
    }
  }
}

// An answer with its maps as numbers.
function withCells(reply) {
  if (!reply.reading) return reply;
  return { ...reply, cam: cells(reply.cam), reading: withNumbers(reply.reading) };
}

function withNumbers(reading) {
  const { maps } = reading;
  if (!maps) return reading;
  return { ...reading, maps: { ...maps, free: cells(maps.free), pinned: cells(maps.pinned) } };
}

function cells(maps) {
  return maps.map((map) => map && cellsOf(map));
}
