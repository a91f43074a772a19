// A file of several frames: which one is read, and another one in its place. Nothing of the file is
// kept at the server: the browser sends it again, as a worklist's film is sent.

import { LATE } from "./reading/client.js";
import { Interrupted } from "./worklist/client.js";
import { itemsOfFiles } from "./worklist/sources.js";

export class Frames {
  // worklist: its uploads sends files; send: an event of the page; show: {alert(text), busy(on)}.
  constructor(root, state, worklist, send, show) {
    Object.assign(this, { root, state, worklist, send, show });
    this.source = null; // where the open film comes from: {file} or {example}
    this.coming = null; // the same of the film that was asked for last
    this.underWay = false; // another frame is
    this.shown = null; // token of the film whose frame the field shows
    const q = (selector) => root.querySelector(`.lm-frames ${selector}`);
    [this.before, this.field, this.after] = ["button", "input", "label + button"].map(q);
    this.field.addEventListener("change", () => this.open(Math.round(Number(this.field.value))));
    this.before.addEventListener("click", () => this.open(state.film.frame - 1));
    this.after.addEventListener("click", () => this.open(state.film.frame + 1));
    window.addEventListener("lmeran:reply", ({ detail: { kind } }) => {
      if (kind === "error") this.lost();
    });
  }

  // A film was asked for; `opened` says that it is there.
  asked(source) {
    this.coming = source;
  }

  // Not at the answer: until its pixels are here, the film before is the one that is open.
  opened() {
    this.source = this.coming;
    this.coming = null; // the next film may come from the worklist, which has its own source
    this.settle();
  }

  // What was asked for does not come.
  lost() {
    this.coming = null;
    this.settle();
  }

  forget() {
    this.source = this.coming = null;
  }

  render() {
    const { film } = this.state, box = this.root.querySelector(".lm-frames");
    box.hidden = !(film?.frames > 1 && (this.source || this.worklist.rowOf(film)));
    if (box.hidden) return;
    const { frame, frames, token } = film;
    // Not while a number is being typed.
    if (this.shown !== token) this.field.value = frame;
    this.shown = token;
    Object.assign(this.field, { max: frames, disabled: this.underWay });
    box.querySelector("span").textContent = `of ${frames}`;
    this.before.disabled = this.underWay || frame === 1;
    this.after.disabled = this.underWay || frame === frames;
  }

  settle() {
    this.underWay = false;
    this.shown = null;
    this.render();
  }

  async open(wanted) {
    const { film } = this.state, frame = Math.min(film.frames, Math.max(1, wanted || film.frame));
    if (this.underWay) return undefined;
    if (frame === film.frame) return this.settle();
    this.underWay = true;
    this.render();
    this.show.busy(true);
    const row = this.worklist.rowOf(film);
    this.coming = row ? null : this.source;
    if (!row && this.source.example !== undefined) {
      return this.send("example", { example: this.source.example, frame, seq: LATE });
    }
    const { film: opened, error } = await this.ask(frame, row?.item ?? await itemOf(this.source.file));
    if (this.state.film !== film) return this.settle();
    if (error) {
      this.show.busy(false);
      this.show.alert(error);
      return this.settle();
    }
    // Another frame is another picture: what was set on the one before does not belong to it.
    if (row) Object.assign(row, { token: opened.token, pins: null, annotations: null });
    const detail = { ...opened, title: film.title };
    return window.dispatchEvent(new CustomEvent("lmeran:reply", { detail }));
  }

  async ask(frame, item) {
    try {
      return await this.worklist.uploads.send(`open?frame=${frame}`, item);
    } catch (error) {
      if (error instanceof Interrupted) return { error: error.message };
      throw error;
    }
  }
}

async function itemOf(file) {
  for await (const item of itemsOfFiles([file])) return item;
  return null;
}
