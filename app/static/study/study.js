// A reader's way through a study: film by film, question by question, by keys alone. Each film is
// timed, and an arm hides what it hides: in the film-alone arm nothing of the model is asked for.

import { KEYS } from "../controls/keys.js";
import { save } from "../save/export.js";
import { itemsOfFiles } from "../worklist/sources.js";
import { StudyDialog } from "./dialog.js";
import { ARMS, caseOf, numberOf, orderOf, questionsOf } from "./plan.js";
import { StudyStore } from "./store.js";

const DAY = 24 * 3600 * 1000;
const BLOCKED = { film: ["Film", "Finding", "Map"], model: ["Film", "Finding"], pins: ["Film"] };

export class Study {
  // act: {select(i), alert(text), clear()}; clear: away with the films that are open.
  constructor(root, facts, state, client, act) {
    Object.assign(this, { root, facts, state, client, act });
    this.item = null; // the film that is asked about; null while no study is done
    this.files = new Map(); // films that the reader gave, by hash and by name
    this.store = new StudyStore();
    this.dialog = new StudyDialog(root, this);
    window.addEventListener("keydown", (e) => this.key(e), true);
    // What was begun is offered as the page opens: after a crash one key goes on.
    this.ready = this.store.open();
    this.ready.then(() => this.open(""), () => {}); // a private window: said when asked for
  }

  // title: of the dialog; without one it is shown only where a study was begun and not finished.
  async open(title = "Study") {
    if (this.item) return;
    try {
      await this.ready;
      const runs = await this.store.runs();
      if (title || runs.some(unanswered)) this.dialog.open(runs, title || "Study");
    } catch {
      this.act.alert("This browser keeps nothing (a private window?); no study can be done here.");
    }
  }

  // Films of a study that are the reader's own. They stay in memory: not through a reload.
  async addFiles(files) {
    let count = 0;
    for await (const item of itemsOfFiles([...files])) {
      if (item.reason) continue;
      const data = await new Response(await item.bytes()).arrayBuffer();
      const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", data));
      const hash = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
      this.files.set(hash, item).set(item.label.split("/").at(-1), item);
      count += 1;
    }
    return count;
  }

  // label: shown in place of the file's name, which may say what is on the film.
  sourceOf(film, label) {
    if (film.example !== undefined) return { example: film.example };
    const item = this.files.get(film.sha256) ?? this.files.get(film.name);
    return item && { item: { ...item, label } };
  }

  lacking({ films }) {
    return films.filter((film) => !this.sourceOf(film)).length;
  }

  // From the first film without all answers; also a study that was begun before.
  async begin(study, reader) {
    const run = `${study.study}|${reader}`;
    this.run = (await this.store.runs()).find((kept) => kept.run === run)
      ?? { run, study, reader, items: orderOf(study, reader).map(({ arm, film }) =>
        ({ arm, case: caseOf(film), seconds: 0, answers: [], done: 0 })) };
    await this.store.save(this.run);
    this.act.clear();
    await this.next();
  }

  // A new arm is announced, with the washout that the study wants before it.
  async next() {
    const { study, items } = this.run, item = this.item = unanswered(this.run);
    if (!item) return this.stop("All films are answered");
    const number = items.indexOf(item), before = items[number - 1], { arm } = item;
    if (before && before.arm !== arm && !item.answers.length) {
      const days = Math.floor((Date.now() - before.done) / DAY);
      await this.dialog.announce(ARMS[arm], study.washout_days ?? 0, days);
    }
    this.root.dataset.study = arm;
    this.questions = questionsOf(study, arm);
    const title = `Film ${number + 1} of ${items.length}`;
    this.dialog.wait(`${title}, ${ARMS[arm]}`);
    const film = study.films.find((one) => caseOf(one) === item.case);
    const opened = await this.client.open(
      { ...this.sourceOf(film, title), title, boxes: [], alone: arm === "film" });
    if (this.item !== item) return null;
    if (!opened) return this.dialog.offerAgain(() => this.next());
    this.since = performance.now();
    return this.ask();
  }

  get question() {
    return this.since ? this.questions[this.item.answers.length] : undefined;
  }

  ask() {
    const number = numberOf(this.question.finding, this.facts.findings);
    if (number >= 0) this.act.select(number);
    this.dialog.askQuestion(this.question, this.facts.findings[number]);
  }

  // The next question is asked before anything is awaited: keys of its answer may be on their way.
  async answer(value) {
    const { item, question } = this;
    if (!question) return;
    const { kind, finding } = question, now = performance.now();
    const map = kind === "plausible" ? { map: this.state.view.kind } : {};
    item.answers.push({ question: kind, finding, value, ...map });
    item.seconds += (now - this.since) / 1000;
    this.since = now;
    const last = !this.question;
    if (last) {
      item.done = Date.now();
      this.since = 0;
    } else this.ask();
    await this.store.save(this.run);
    if (last) await this.next(); // whichever of the answers is kept first
  }

  // The question before, whose answer is taken back; of this film only.
  async back() {
    if (!this.question || !this.item.answers.pop()) return;
    this.ask();
    await this.store.save(this.run);
  }

  key(e) {
    if (!this.item || this.dialog.dialog.open || e.ctrlKey || e.metaKey || e.altKey) return;
    const typing = e.target.matches?.(".lm-studybar input");
    const choice = this.question?.keys?.[e.key.toLowerCase()];
    let act = null;
    if (e.key === "Escape") act = () => this.stop();
    else if (e.key === "ArrowLeft" && !e.shiftKey && !(typing && e.target.value)) {
      act = () => this.back();
    } else if (choice) act = () => this.answer(choice);
    else if (typing || !BLOCKED[this.item.arm].includes(groupOf(e.key))) return;
    e.preventDefault();
    e.stopPropagation();
    if (!e.repeat) act?.();
  }

  // A reader's answers as a file, with the study they belong to.
  saveAnswers({ study, reader, items }) {
    const answers = { study, reader, model: this.facts.model.identity, items };
    save(new Blob([JSON.stringify(answers, null, 1)], { type: "application/json" }),
      `lmeran-answers-${reader}.json`);
  }

  async forget(run) {
    await this.store.forget(run);
    await this.open();
  }

  // Where a reader may go on later, or save what was answered.
  stop(title = "Study") {
    delete this.root.dataset.study;
    Object.assign(this, { item: null, since: 0 });
    this.dialog.bar.hidden = true;
    this.act.clear();
    return this.open(title);
  }
}

// The film that is next to be answered, if any.
function unanswered({ items }) {
  return items.find((item) => !item.done);
}

// Of the list of keys.
function groupOf(key) {
  return KEYS.find(({ keys, ctrl }) => !ctrl && keys.includes(key))?.group;
}
