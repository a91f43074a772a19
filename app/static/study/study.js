// A reader's way through a study: film by film, question by question, by keys alone. Each film is
// timed, and an arm hides what it hides: in the film-alone arm nothing of the model is asked for.

import { save } from "../save/export.js";
import { itemsOfFiles } from "../worklist/sources.js";
import { StudyDialog } from "./dialog.js";
import { StudyStore } from "./store.js";
import { ARMS, caseOf, numberOf, orderOf, questionsOf } from "./plan.js";

const DAY = 24 * 3600 * 1000;
const NOT_IN_A_STUDY = ["n", "N", "q", "Q", "s", "S", "ArrowUp", "ArrowDown"];
const OF_PINS = ["+", "=", "-", "0", "Backspace"];
const OF_THE_MODEL = ["m", "M", "c", "C", "x", "X"];

export class Study {
  // act: {select(i), alert(text), tell(text), clear()}; clear: away with films that are open.
  constructor(root, facts, state, client, act) {
    Object.assign(this, { root, facts, state, client, act });
    this.store = new StudyStore();
    this.run = null; // {id, study, reader, begun}; null while no study is done
    this.files = new Map(); // the films of the reader's own by hash and by name
    this.dialog = new StudyDialog(root, this);
    this.bar = this.dialog.bar;
    window.addEventListener("keydown", (e) => this.key(e), true);
    this.ready = this.store.open().then(() => this.dialog.offerRuns(), () => {
      this.dialog.refuse("This browser keeps nothing (a private window?), so no study can be done.");
    });
  }

  // The films of a study, given as files. They stay in memory: after a reload they are given again.
  async addFiles(files) {
    for await (const item of itemsOfFiles([...files])) {
      if (item.reason) continue;
      const body = await item.bytes(), data = body instanceof Blob ? await body.arrayBuffer() : body;
      const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", data));
      const hash = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
      this.files.set(hash, item).set(item.label.split("/").at(-1), item);
    }
  }

  lacking(study) {
    return study.films.filter((film) => film.example === undefined && !this.fileOf(film)).length;
  }

  fileOf(film) {
    return this.files.get(film.sha256) ?? this.files.get(film.name);
  }

  async begin(study, reader) {
    const id = `${study.study}|${reader}`, known = (await this.store.runs()).find((r) => r.id === id);
    if (!known) await this.store.saveRun({ id, study, reader, begun: Date.now() });
    await this.resume(known ?? { id, study, reader, begun: Date.now() });
  }

  async resume(run) {
    this.act.clear();
    this.run = run;
    this.order = orderOf(run.study, run.reader);
    const kept = new Map((await this.store.items(run.id)).map((item) => [item.number, item]));
    this.items = this.order.map(({ arm, film }, number) => kept.get(number)
      ?? { run: run.id, number, arm, case: caseOf(film), seconds: 0, answers: [], done: 0 });
    await this.next();
  }

  // The first film that is not done; a new arm is announced, with the washout the study wants.
  async next() {
    const at = this.items.findIndex((item) => !item.done);
    this.item = this.items[at];
    if (!this.item) return this.finish();
    const before = this.items[at - 1];
    if (before && before.arm !== this.item.arm && !this.item.answers.length) {
      const days = Math.floor((Date.now() - before.done) / DAY);
      await this.dialog.announce(ARMS[this.item.arm], this.run.study.washout_days ?? 0, days);
    }
    return this.show();
  }

  async show() {
    const { item, run } = this, { film } = this.order[item.number];
    this.root.dataset.study = item.arm;
    this.questions = questionsOf(run.study, item.arm);
    this.dialog.wait(item.number, this.items.length, ARMS[item.arm]);
    const source = film.example === undefined ? { item: this.fileOf(film) } : { example: film.example };
    const title = `Film ${item.number + 1} of ${this.items.length}`;
    const shown = source.item || film.example !== undefined
      ? await this.client.open({ ...source, title, boxes: [], alone: item.arm === "film" })
      : this.act.alert("This film of the study was not given; stop, and give the films once more.");
    if (!shown || this.item !== item) return;
    this.since = performance.now();
    this.ask();
  }

  // The question that is next: after the answers that are there.
  get question() {
    return this.item && this.questions[this.item.answers.length];
  }

  ask() {
    const number = this.question.finding ? numberOf(this.question.finding, this.facts.findings) : -1;
    if (number >= 0) this.act.select(number);
    this.dialog.ask(this.question, this.facts.findings[number]);
  }

  async answer(value) {
    const { item, question } = this, now = performance.now();
    if (!question || !this.since) return;
    item.seconds += (now - this.since) / 1000;
    this.since = now;
    const map = question.kind === "plausible" ? { map: this.state.view.kind } : {};
    item.answers.push({ question: question.kind, finding: question.finding, value, ...map });
    const written = () => this.store.saveItem(item);
    if (item.answers.length < this.questions.length) {
      this.ask(); // first: keys of the next answer may be on their way
      return written();
    }
    Object.assign(item, { done: Date.now() });
    this.since = 0;
    await written();
    return this.next();
  }

  // The question before, whose answer is taken back; of this film only.
  async back() {
    if (!this.since || !this.item.answers.pop()) return;
    await this.store.saveItem(this.item);
    this.ask();
  }

  key(e) {
    if (!this.run || this.dialog.isOpen || e.ctrlKey || e.metaKey || e.altKey) return;
    const { question } = this, typing = e.target.matches?.(".lm-studybar input");
    const choice = !typing && question?.keys?.[e.key.toLowerCase()];
    const { arm } = this.item ?? {};
    const blocked = NOT_IN_A_STUDY.includes(e.key) || (arm !== "pins" && OF_PINS.includes(e.key))
      || (arm === "film" && OF_THE_MODEL.includes(e.key));
    let act = null;
    if (choice) act = () => this.answer(choice);
    else if (e.key === "Escape") act = () => this.stop();
    else if (e.key === "ArrowLeft" && !e.shiftKey && !(typing && e.target.value)) act = () => this.back();
    else if (typing || !blocked) return;
    e.preventDefault();
    e.stopPropagation();
    if (!e.repeat) act?.();
  }

  // All answers as a file, with the study they belong to.
  saveAnswers() {
    const { study, reader } = this.run;
    const items = this.items.filter((item) => item.answers.length)
      .map(({ run, ...item }) => ({ ...item, seconds: Math.round(10 * item.seconds) / 10 }));
    const model = this.facts.model.identity;
    save(new Blob([JSON.stringify({ study, reader, model, items }, null, 1)],
      { type: "application/json" }), `lmeran-answers-${reader}.json`);
  }

  async forget() {
    await this.store.forget(this.run.id);
    this.stop();
  }

  finish() {
    this.leave();
    this.dialog.finish();
  }

  leave() {
    delete this.root.dataset.study;
    this.since = 0;
    this.item = null;
    this.bar.hidden = true;
    this.act.clear();
  }

  stop() {
    this.leave();
    this.run = null;
    this.dialog.offerRuns();
  }
}
