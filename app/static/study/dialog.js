// What a study shows: the bar with the question, and the dialog before and between its parts.

import { button, make } from "../dom.js";
import { parseStudy } from "./plan.js";

export class StudyDialog {
  constructor(root, study) {
    const [bar, dialog, start] = [".lm-studybar", ".lm-studydialog", ".lm-studystart"]
      .map((selector) => root.querySelector(selector));
    const [reader, plan, films] = start.querySelectorAll("input");
    Object.assign(this, { study, bar, dialog, start, reader, chosen: null });
    this.note = start.querySelector(".lm-studynote");
    plan.addEventListener("change", () => this.choose(plan.files[0]));
    films.addEventListener("change", async () => {
      this.note.textContent = `${await study.addFiles(films.files)} films are here.`;
    });
    start.addEventListener("submit", (e) => {
      e.preventDefault();
      this.begin(this.chosen, reader.value);
    });
  }

  // runs: those that were begun in this browser, as the store has them.
  open(runs, title) {
    const { study } = this;
    const begun = runs.map((run) => {
      const line = make("p", "lm-studyrun", `${run.study.study}, reader ${run.reader}: `);
      line.append(button("Continue", () => this.begin(run.study, run.reader)),
        button("Save answers", () => study.saveAnswers(run)),
        button("Forget answers", () => study.forget(run)));
      return line;
    });
    this.start.hidden = false;
    this.show(title, begun);
    (begun.at(-1)?.querySelector("button") ?? this.reader).focus();
  }

  // Another study than the example.
  async choose(file) {
    try {
      this.chosen = file ? parseStudy(await file.text(), this.study.facts.findings) : null;
      const name = this.chosen?.study ?? "the example study";
      this.start.querySelector("button").textContent = `Begin ${name}`;
    } catch (error) {
      this.note.textContent = error.message;
    }
  }

  async begin(plan, reader) {
    const { study } = this;
    plan ??= await study.client.api.json("study", undefined, { method: "GET" });
    const lacking = study.lacking(plan), count = plan.films.length;
    this.note.textContent = lacking ? `Give ${lacking} of its ${count} films first.`
      : "There are no example films here; give a study.";
    if (lacking || !count) return;
    this.dialog.close();
    study.begin(plan, reader);
  }

  // A pause between two arms: a Promise of the reader's going on.
  announce(arm, washout, days) {
    const rest = washout ? `The study asks for ${washout} days between its parts, so that films `
      + `are forgotten; ${days} have passed. You may close the page and come back.` : "";
    const go = button("Continue", () => this.dialog.close());
    this.start.hidden = true;
    this.show(`Next part: ${arm}`, [make("p", "", rest), go]);
    go.focus();
    return new Promise((resolve) => {
      this.dialog.addEventListener("close", resolve, { once: true });
    });
  }

  show(title, content) {
    this.dialog.querySelector("h2").textContent = title;
    this.dialog.querySelector(".lm-studyparts").replaceChildren(...content);
    if (!this.dialog.open) this.dialog.showModal();
  }

  // ---- while films are read: where the reader is, what is asked, and how it is answered

  wait(at) {
    this.at = at;
    this.ask("The film is being opened.");
  }

  offerAgain(act) {
    const again = button("Try again", act);
    this.ask("The film could not be opened.", again);
    again.focus();
  }

  askQuestion({ kind, keys, text }, finding) {
    const asked = finding ? `${finding}: ${text}` : text, form = make("form");
    if (keys) {
      form.append(...Object.entries(keys).map(([key, value]) =>
        button(`${value} (${key.toUpperCase()})`, () => this.study.answer(value))));
    } else {
      const input = make("input"), number = kind === "confidence";
      input.setAttribute("aria-label", asked);
      if (number) Object.assign(input, { type: "number", min: 0, max: 100, required: true });
      form.append(input, make("button", "", "Enter"));
      form.addEventListener("submit", (e) => {
        e.preventDefault();
        this.study.answer(number ? Number(input.value) : input.value.trim());
      });
    }
    this.ask(asked, form,
      make("span", "lm-quiet", "\u2190 back, Esc stops; answers are kept in this browser"));
    if (keys) document.activeElement?.blur();
    else form.querySelector("input").focus();
  }

  ask(text, ...how) {
    this.bar.replaceChildren(make("span", "lm-quiet", this.at), make("strong", "", text), ...how);
    this.bar.hidden = false;
  }
}
