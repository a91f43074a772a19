// The worklist: many films, read one by one behind the open one. The list and the files stay in
// the browser; a file's bytes are sent when it is read, and again when it is opened.

import { csv, save } from "../save/export.js";
import { WorklistPanel } from "./panel.js";
import { isMany, itemsOfDrop, itemsOfFiles } from "./sources.js";
import { FAILED, READ, READING, WAITING, counts, newRow, progressText, resultOf, tableOf }
  from "./rows.js";
import { Refused } from "../api.js";

const AT_ONCE = 2; // one film is sent while the one before is read
const MOST = 5000;
const TOO_MANY = `A worklist holds ${MOST} films here; the rest was left out. For a whole archive: `
  + "python -m lmeran predict FOLDER, on the command line.";

export class Worklist {
  // client: sends files and asks for the reading under pins; show: {tell(text), alert(text),
  // busy(on)}.
  constructor(root, facts, state, client, show) {
    Object.assign(this, { root, facts, state, client, show });
    this.rows = [];
    this.number = 0; // of the last row
    this.stopped = null; // AbortController of the run, null while nothing is read
    this.workers = 0;
    this.adding = 0; // sources that are still being looked through
    this.list = 0; // number of this list: what was begun for an earlier one is void
    this.wanted = null; // the row to be opened next
    this.opening = null; // the row whose film is being fetched
    this.told = 0; // tenths of the list announced
    this.cancelled = false; // by the reader: what is added later waits too
    this.seen = null; // the film of the state, when it was last looked at
    this.eager = null; // the first film after this number that can be read is opened
    this.panel = new WorklistPanel(root, facts, this);
    window.addEventListener("lmeran:step", (e) => this.step(e.detail.step));
  }

  // ---- filling

  // Whether a drop belongs to the list: onto its panel, or more than one film.
  takes(e) {
    const onPanel = Boolean(e.target.closest?.(".lm-worklist"));
    if (!onPanel && !isMany(e.dataTransfer)) return false;
    this.eager = onPanel ? null : this.number;
    this.add(itemsOfDrop(e.dataTransfer));
    return true;
  }

  addFiles(files, eager = false) {
    this.eager = eager ? this.number : null;
    this.add(itemsOfFiles([...files]));
  }

  async add(items) {
    const { list } = this;
    this.adding += 1;
    this.panel.open();
    try {
      for await (const item of items) {
        if (list !== this.list) return;
        if (this.rows.length >= MOST) {
          this.show.alert(TOO_MANY);
          break;
        }
        this.rows.push(newRow(this.number += 1, item));
        this.panel.changed();
        this.start();
      }
    } finally {
      if (list === this.list) this.adding -= 1;
    }
    if (list !== this.list) return;
    this.show.tell(`${this.rows.length} films in the worklist`);
    this.panel.changed();
  }

  // ---- reading, behind what the reader does

  get isRunning() {
    return this.stopped !== null;
  }

  get isLookingThrough() {
    return this.adding > 0;
  }

  // Newly added films are read at once, unless the reader cancelled.
  start() {
    if (!this.cancelled) this.go();
  }

  go() {
    this.cancelled = false;
    this.stopped ??= new AbortController();
    while (this.workers < AT_ONCE && this.next()) this.work(this.stopped);
    if (!this.workers) this.stopped = null;
    this.panel.changed();
  }

  cancel() {
    this.cancelled = true;
    this.stopped?.abort();
    this.stopped = null;
    this.panel.changed();
    this.show.tell("Cancelled");
  }

  next() {
    return this.rows.find((row) => row.state === WAITING);
  }

  async work(run) {
    this.workers += 1;
    let row;
    while (!run.signal.aborted && (row = this.next())) await this.read(row, run);
    this.workers -= 1;
    if (this.workers || this.stopped !== run) {
      // A run that was begun while this one ended had to wait for its place.
      if (this.isRunning && this.stopped !== run) this.go();
      return;
    }
    this.stopped = null;
    this.announce();
    this.panel.changed();
  }

  async read(row, run) {
    row.state = READING;
    this.panel.changed();
    try {
      const body = await this.client.bytesOf(row.item);
      const response = await this.client.api.call("rows", { body, signal: run.signal });
      const answer = await response.json();
      if (row.state !== READ) this.settle(row, "", answer);
    } catch (error) {
      if (run.signal.aborted) {
        if (row.state === READING) row.state = WAITING;
      } else {
        this.failed(row, error);
      }
    }
    this.openFirst();
    this.announce();
    this.panel.changed();
  }

  // Of a file that cannot be read, or of what nobody can help now: then the list waits.
  failed(row, error) {
    if (!(error instanceof Refused)) throw error;
    if (![0, 422].includes(error.status)) {
      if (row.state === READING) row.state = WAITING;
      this.pause(error.message);
    } else if (row.state !== READ) {
      this.settle(row, error.message);
    }
  }

  settle(row, error, answer) {
    Object.assign(row, error ? { state: FAILED, reason: error, result: null }
      : { state: READ, reason: "", result: resultOf(answer) });
  }

  pause(reason) {
    this.cancel();
    this.show.alert(`${reason} Continue in the worklist goes on.`);
  }

  // Progress for those who hear it: every tenth of the list, and its end.
  announce() {
    const now = counts(this.rows), tenths = Math.floor((10 * now.done) / Math.max(1, now.all));
    if (tenths === this.told) return;
    this.told = tenths;
    const ended = now.done === now.all && !this.isLookingThrough;
    this.show.tell(ended ? `Worklist read: ${progressText(now)}` : progressText(now));
  }

  // ---- opening

  openFirst() {
    if (this.eager === null) return;
    const row = this.rows.find(({ number, state }) => number > this.eager && state !== FAILED);
    if (row?.state === READ) this.open(row);
  }

  // The film of a row, in place of the open one. Of several wanted in a hurry the last one.
  async open(row) {
    this.wanted = row;
    this.eager = null;
    this.panel.changed();
    if (this.opening) return;
    this.show.busy(true);
    while (this.wanted) {
      this.opening = this.wanted;
      this.wanted = null;
      await this.fetch(this.opening);
    }
    this.opening = null;
    this.show.busy(false);
    this.panel.changed();
  }

  async fetch(row) {
    const { list } = this, { state } = row;
    if (state === WAITING) row.state = READING;
    const source = { item: row.item, row, title: `${row.number} of the worklist` };
    try {
      const film = await this.client.read(source, row.frame);
      if (list !== this.list) return;
      this.settle(row, "", film);
      if (this.wanted) return;
      this.panel.showFilm();
      await this.client.display(film, source);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      if (row.state === READING) row.state = state;
      if (list === this.list) this.notOpened(row, error);
    }
  }

  notOpened(row, error) {
    if ([0, 422].includes(error.status)) this.settle(row, error.message);
    if (!this.wanted) this.show.alert(this.client.notOpened(row, error));
  }

  // The row whose film is open or about to be.
  get current() {
    return this.wanted ?? this.opening ?? this.rowOf(this.state.film);
  }

  rowOf(film) {
    return this.rows.find((row) => row === film?.source.row) ?? null;
  }

  // The next film (1) or the one before (-1) of the list as it is shown.
  step(by) {
    if (!this.rows.length) return;
    const films = this.panel.rows().filter((row) => row.state !== FAILED);
    const at = films.indexOf(this.current);
    const row = at < 0 ? films.at(by > 0 ? 0 : -1) : films[at + by];
    const end = `This is the ${by > 0 ? "last" : "first"} film of the list`;
    if (row) this.open(row);
    else this.show.tell(films.length ? end : "No film is shown in the list");
  }

  // A film that was open before gets back what its reader had set on it. To be called once it is
  // in the state and before it is seen.
  bringBack() {
    const row = this.rowOf(this.state.film);
    if (!row) return;
    // Another frame is another picture: what was set on the one before does not belong to it.
    if (row.frame !== this.state.film.frame) Object.assign(row, { pins: null, annotations: null });
    if (row.annotations) this.state.film.annotations = row.annotations;
    const { pins } = row;
    if (!pins?.some(Boolean)) return;
    this.state.pins = [...pins];
    this.client.ask();
  }

  // What is set on the open film belongs to its row.
  follow() {
    const { film, pins } = this.state;
    this.panel.renderForget();
    if (film !== this.seen) {
      this.seen = film;
      this.panel.changed();
    }
    const row = this.rowOf(film);
    if (!row) return;
    if (row.frame !== film.frame) Object.assign(row, { frame: film.frame, result: resultOf(film) });
    Object.assign(row, { annotations: film.annotations, seen: true });
    if (String(row.pins) === String(pins)) return;
    row.pins = [...pins];
    this.panel.changed();
  }

  // ---- taking along, and away

  saveTable(withLabels) {
    const table = tableOf(this.panel.rows(), this.facts, withLabels);
    save(new Blob([csv(table)], { type: "text/csv" }), `lmeran-worklist-${Date.now()}.csv`);
  }

  clear() {
    this.stopped?.abort();
    Object.assign(this, { rows: [], number: 0, stopped: null, cancelled: false, adding: 0,
                          wanted: null, told: 0, eager: null });
    this.list += 1;
    this.panel.close();
    this.panel.changed();
  }
}
