// What a study shows: the bar with the question, and the dialog to begin, go on, pause and end.

import { parseStudy } from "./plan.js";

const KEPT = "Your answers, their times and the study file are kept in this browser until you press "
  + "Forget answers, also through a reload or a restart of the program. Films are not kept, and no "
  + "answer is sent anywhere: Save answers gives them to you as a file.";
const ASKED = { present: "present?", confidence: "how sure are you?", plausible: "is the map plausible?",
                comment: "Anything to note?" };
const READER = "[A-Za-z0-9_-]{1,32}";

export class StudyDialog {
  constructor(root, study) {
    Object.assign(this, { study, chosen: null });
    this.bar = make("section", "lm-studybar");
    this.bar.setAttribute("aria-label", "Study");
    this.bar.hidden = true;
    root.querySelector(".lm-main").before(this.bar);
    this.dialog = make("dialog", "lm-help lm-studydialog");
    this.dialog.setAttribute("aria-label", "Study");
    root.append(this.dialog);
  }

  get isOpen() {
    return this.dialog.open;
  }

  // ---- before and after

  open() {
    if (this.study.run) return;
    this.start();
  }

  // Runs that were not finished are offered as the page opens: after a crash one key goes on.
  async offerRuns() {
    const runs = await this.study.store.runs();
    if (runs.length) await this.start(runs);
  }

  async start(runs) {
    await this.study.ready;
    const form = make("form"), reader = make("input");
    const own = (runs ?? await this.study.store.runs()).map((run) => this.lineOf(run));
    Object.assign(reader, { name: "reader", required: true, pattern: READER, maxLength: 32,
      autocomplete: "off", title: "Letters, digits, - and _; not your name" });
    const label = make("label", "", "Reader code ");
    label.append(reader);
    const begin = make("button", "lm-primary", "Begin the example study");
    const name = make("p", "lm-quiet", "Six questions' worth of keys: Y, N, P, digits and Enter; \u2190 goes "
      + "back, Esc stops.");
    form.append(label, begin, this.input("Another study\u2026", ".json", false, async ([file]) => {
      try {
        this.chosen = parseStudy(await file.text(), this.study.facts.findings);
        begin.textContent = `Begin ${this.chosen.study}`;
        name.textContent = this.filmsText();
      } catch (error) {
        name.textContent = error.message;
      }
    }), this.films(name), name);
    form.addEventListener("submit", async (e) => {
      e.preventDefault();
      this.chosen ??= await this.study.client.api.json("study", undefined, { method: "GET" });
      if (this.study.lacking(this.chosen)) {
        name.textContent = this.filmsText();
        return;
      }
      this.dialog.close();
      this.study.begin(this.chosen, reader.value);
    });
    this.show("Study", make("p", "", KEPT), ...own, form);
    (own[0]?.querySelector("button") ?? reader).focus();
  }

  filmsText() {
    const lacking = this.chosen ? this.study.lacking(this.chosen) : 0;
    return lacking ? `Give the study's films: ${lacking} of ${this.chosen.films.length} are not here yet.`
      : "All films of the study are here.";
  }

  films(note) {
    return this.input("Films\u2026", "", true, async (files) => {
      note.textContent = "The films are being looked at.";
      await this.study.addFiles(files);
      note.textContent = this.filmsText();
    });
  }

  // A button for files: the browser's own, which keys reach.
  input(text, accept, multiple, take) {
    const label = make("label", "lm-studyfile", `${text} `), input = make("input");
    Object.assign(input, { type: "file", accept, multiple });
    input.addEventListener("change", () => input.files.length && take(input.files));
    label.append(input);
    return label;
  }

  lineOf(run) {
    const line = make("p", "lm-studyrun", `${run.study.study}, reader ${run.reader} `);
    const lacking = this.study.lacking(run.study);
    const go = make("button", "lm-primary", "Continue");
    go.disabled = lacking > 0;
    go.addEventListener("click", () => {
      this.dialog.close();
      this.study.resume(run);
    });
    line.append(go);
    if (lacking) {
      const note = make("span", "lm-quiet", " Give its films to go on.");
      line.append(this.input("Films\u2026", "", true, async (files) => {
        await this.study.addFiles(files);
        go.disabled = this.study.lacking(run.study) > 0;
      }), note);
    }
    return line;
  }

  // A pause between two arms: a Promise of the reader's going on.
  announce(arm, washout, days) {
    const rest = washout ? `The study asks for ${washout} days between its parts, so that films are `
      + `forgotten; ${days} have passed since the part before. You may close the page and come back.` : "";
    return new Promise((resolve) => {
      const go = make("button", "lm-primary", "Continue");
      go.addEventListener("click", () => this.dialog.close());
      this.dialog.addEventListener("close", resolve, { once: true });
      this.show(`Next part: ${arm}`, make("p", "", rest), go);
      go.focus();
    });
  }

  finish() {
    const keep = make("button", "lm-primary", "Save answers"), away = make("button", "", "Forget answers");
    keep.addEventListener("click", () => this.study.saveAnswers());
    away.addEventListener("click", () => {
      this.dialog.close();
      this.study.forget();
    });
    this.dialog.addEventListener("close", () => { this.study.run = null; }, { once: true });
    this.show("All films are answered", make("p", "", KEPT), keep, away);
    keep.focus();
  }

  refuse(text) {
    this.show("Study", make("p", "", text));
  }

  show(title, ...content) {
    const head = make("div", "lm-helphead"), close = make("form");
    close.method = "dialog";
    close.append(make("button", "", "Close"));
    head.append(make("h2", "", title), close);
    this.dialog.replaceChildren(head, ...content);
    if (!this.dialog.open) this.dialog.showModal();
  }

  // ---- while films are read

  wait(number, count, arm) {
    this.at = make("span", "lm-studyat", `Film ${number + 1} of ${count}, ${arm}`);
    this.bar.replaceChildren(this.at, make("strong", "", "The film is being opened."));
    this.bar.hidden = false;
  }

  ask({ kind, keys, text }, finding) {
    const asked = finding ? `${finding}: ${ASKED[kind]}` : ASKED[kind];
    const answer = keys ? this.choices(keys) : this.field(kind, text, asked);
    this.bar.replaceChildren(this.at, make("strong", "", asked), answer,
      make("span", "lm-quiet", "\u2190 back, Esc stops; answers are kept in this browser"));
    answer.querySelector("input")?.focus();
    if (keys) document.activeElement?.blur();
  }

  choices(keys) {
    const box = make("span", "lm-studychoices");
    for (const [key, value] of Object.entries(keys)) {
      const button = make("button", "", `${value[0].toUpperCase()}${value.slice(1)} `);
      button.type = "button";
      button.append(make("kbd", "", key.toUpperCase()));
      button.addEventListener("click", () => this.study.answer(value));
      box.append(button);
    }
    return box;
  }

  // A number from 0 to 100, or words.
  field(kind, text, label) {
    const form = make("form", "lm-studychoices"), input = make("input");
    input.setAttribute("aria-label", label);
    input.placeholder = text;
    if (kind === "confidence") Object.assign(input, { type: "number", min: 0, max: 100, required: true });
    form.append(input, make("button", "", "Enter"));
    form.addEventListener("submit", (e) => {
      e.preventDefault();
      this.study.answer(kind === "confidence" ? Number(input.value) : input.value.trim());
    });
    return form;
  }
}

function make(tag, className = "", text = "") {
  const node = document.createElement(tag);
  node.className = className;
  node.textContent = text;
  return node;
}
