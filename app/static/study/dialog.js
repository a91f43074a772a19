// What a study shows: the bar with the question, and the dialog before and between its parts.

import { parseStudy } from "./plan.js";

const KEPT = "Your answers, their times and the study file are kept in this browser until you "
  + "press Forget answers, also through a reload or a restart of the program. Films are not kept, "
  + "and no answer is sent anywhere: Save answers gives them to you as a file.";
const KEYS = "Keys answer: Y, N, P, digits and Enter. \u2190 goes back, Esc stops.";

export class StudyDialog {
  constructor(root, study) {
    this.study = study;
    this.bar = make("section", "lm-studybar");
    this.bar.hidden = true;
    root.querySelector(".lm-main").before(this.bar);
    this.dialog = make("dialog", "lm-help lm-studydialog");
    for (const part of [this.bar, this.dialog]) part.setAttribute("aria-label", "Study");
    root.append(this.dialog);
  }

  // runs: those that were begun in this browser: {study, reader}.
  start(runs, title) {
    const { study } = this, form = make("form"), label = make("label", "", "Reader code ");
    const reader = make("input"), note = make("p", "lm-quiet", KEYS);
    let chosen = null; // another study than the example
    const begin = make("button", "lm-primary", "Begin the example study");
    const go = async (plan, code) => {
      plan ??= await study.client.api.json("study", undefined, { method: "GET" });
      const lacking = study.lacking(plan), count = plan.films.length;
      note.textContent = lacking ? `Give ${lacking} of its ${count} films first.`
        : "There are no example films here; give a study.";
      if (lacking || !count) return;
      this.dialog.close();
      study.begin(plan, code);
    };
    Object.assign(reader, { required: true, pattern: "[A-Za-z0-9_\\-]{1,32}", autocomplete: "off",
                            title: "Letters, digits, - and _; not your name" });
    label.append(reader);
    form.append(label, begin, files("Another study", false, async ([file]) => {
      try {
        chosen = parseStudy(await file.text(), study.facts.findings);
        begin.textContent = `Begin ${chosen.study}`;
      } catch (error) {
        note.textContent = error.message;
      }
    }), files("Its films", true, async (given) => {
      note.textContent = `${await study.addFiles(given)} films are here.`;
    }), note);
    form.addEventListener("submit", (e) => {
      e.preventDefault();
      go(chosen, reader.value);
    });
    const begun = runs.map((run) => {
      const line = make("p", "lm-studyrun", `${run.study.study}, reader ${run.reader}: `);
      line.append(button("Continue", () => go(run.study, run.reader)),
        button("Save answers", () => study.saveAnswers(run)),
        button("Forget answers", () => study.forget(run)));
      return line;
    });
    this.show(title, make("p", "", KEPT), ...begun, form);
    (begun.at(-1)?.querySelector("button") ?? reader).focus();
  }

  // A pause between two arms: a Promise of the reader's going on.
  announce(arm, washout, days) {
    const rest = washout ? `The study asks for ${washout} days between its parts, so that films `
      + `are forgotten; ${days} have passed. You may close the page and come back.` : "";
    const go = button("Continue", () => this.dialog.close());
    this.show(`Next part: ${arm}`, make("p", "", rest), go);
    go.focus();
    return new Promise((resolve) => {
      this.dialog.addEventListener("close", resolve, { once: true });
    });
  }

  show(title, ...content) {
    const head = make("div", "lm-helphead");
    head.append(make("h2", "", title), button("Close", () => this.dialog.close()));
    this.dialog.replaceChildren(head, ...content);
    if (!this.dialog.open) this.dialog.showModal();
  }

  // ---- while films are read

  wait(at) {
    this.at = make("span", "lm-quiet", at);
    this.bar.replaceChildren(this.at, make("strong", "", "The film is being opened."));
    this.bar.hidden = false;
  }

  offerAgain(act) {
    const again = button("Try again", act);
    this.bar.replaceChildren(this.at, make("strong", "", "The film could not be opened."), again);
    again.focus();
  }

  ask({ kind, keys, text }, finding) {
    const asked = finding ? `${finding}: ${text}` : text, form = make("form");
    if (keys) {
      form.append(...Object.entries(keys).map(([key, value]) =>
        button(`${value} (${key.toUpperCase()})`, () => this.study.answer(value))));
    } else {
      form.append(this.field(form, kind, asked), make("button", "", "Enter"));
    }
    this.bar.replaceChildren(this.at, make("strong", "", asked), form,
      make("span", "lm-quiet", "\u2190 back, Esc stops; answers are kept in this browser"));
    if (keys) document.activeElement?.blur();
    else form.querySelector("input").focus();
  }

  // A number from 0 to 100, or words.
  field(form, kind, label) {
    const input = make("input");
    input.setAttribute("aria-label", label);
    const number = kind === "confidence";
    if (number) Object.assign(input, { type: "number", min: 0, max: 100, required: true });
    form.addEventListener("submit", (e) => {
      e.preventDefault();
      this.study.answer(number ? Number(input.value) : input.value.trim());
    });
    return input;
  }
}

// A button for files is the browser's own, which keys reach.
function files(text, multiple, take) {
  const label = make("label", "", `${text} `), input = make("input");
  Object.assign(input, { type: "file", multiple });
  input.addEventListener("change", () => input.files.length && take(input.files));
  label.append(input);
  return label;
}

function button(text, act) {
  const node = make("button", "", text);
  node.type = "button";
  node.addEventListener("click", act);
  return node;
}

function make(tag, className = "", text = "") {
  return Object.assign(document.createElement(tag), { className, textContent: text });
}
