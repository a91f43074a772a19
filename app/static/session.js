// What is held for this reader and for how long: the dialog that says so, the warning before an
// unused film is dropped, the word after it, and the same for a program that answers no more.

const WARN_SECONDS = 300; // before the end; less where films are held for a short time only
const PATIENCE = 15000; // ms that a question may stay unanswered before the program is asked why
const SIGNED_OUT = "You are signed out; reload the page to sign in again. What you see stays until then.";
const SILENT = "The program does not answer. If it was stopped, start it again and reload the page; "
  + "what you see stays until then.";

export class Session {
  constructor(root, facts, state) {
    Object.assign(this, { root, facts: facts.session, state });
    this.contact = Date.now(); // when the program last heard of the film
    this.gone = false; // it holds the film no more
    this.question = { number: undefined, since: 0, said: false };
    this.dialog = root.querySelector(".lm-session");
    const { idleSeconds } = this.facts;
    this.warnSeconds = Math.min(WARN_SECONDS, idleSeconds / 3);
    window.addEventListener("lmeran:reply", (e) => this.heard(e.detail));
    // Who only looks at the film is using it: the program hears so now and then.
    for (const type of ["pointerdown", "keydown", "wheel"]) {
      root.addEventListener(type, () => this.active(), { passive: true });
    }
    root.querySelector(".lm-idle button").addEventListener("click", () => this.keep());
    root.querySelector(".lm-about").addEventListener("click", () => this.open());
    setInterval(() => this.check(), Math.min(5000, idleSeconds * 50));
    root.toggleAttribute("data-demo", this.facts.demo);
    if (this.facts.demo) root.querySelector(".lm-beside option[value=prior]").remove();
  }

  heard(reply) {
    const { film } = this.state;
    if (reply.kind === "film" || reply.kind === "forgotten") this.gone = false;
    if (reply.kind === "film" || reply.token === film?.token) this.used();
    this.check();
  }

  used() {
    this.contact = Date.now();
  }

  // Seconds until the film is dropped.
  left() {
    return this.facts.idleSeconds - (Date.now() - this.contact) / 1000;
  }

  active() {
    const quiet = this.facts.idleSeconds - this.left();
    if (this.state.film && !this.gone && quiet > this.facts.idleSeconds / 6) this.keep();
  }

  // Asks the program for what it holds, which keeps it. null where it holds nothing or is silent.
  async keep() {
    const { film } = this.state;
    if (!film) return null;
    this.used(); // not once more while this is under way
    try {
      const response = await fetch(new URL(`lmeran/held/${film.token}`, document.baseURI));
      if (film !== this.state.film) return null;
      if (response.ok) return await response.json();
      if (response.status === 401) this.unanswered(SIGNED_OUT);
      else this.gone = true;
    } catch {
      this.unanswered(SILENT);
    } finally {
      this.check();
    }
    return null;
  }

  // As an answer would say it: the pins on the screen go back to those of the reading it shows.
  unanswered(message) {
    const seq = this.root.dataset.pending ? this.state.sent : null;
    window.dispatchEvent(new CustomEvent("lmeran:reply", { detail: { kind: "error", message, seq } }));
  }

  check() {
    this.checkQuestion();
    const box = this.root.querySelector(".lm-idle"), left = this.left();
    if (this.state.film && left <= 0) this.gone = true;
    const late = this.state.film && (this.gone || left < this.warnSeconds);
    box.hidden = !late;
    box.querySelector("button").hidden = this.gone;
    if (!late) return;
    const text = this.gone ? this.goneText() : `This film is dropped in ${inWords(left)} unless it is used.`;
    const line = box.querySelector("span");
    if (line.textContent !== text) line.textContent = text;
  }

  goneText() {
    const why = this.left() <= 0 ? ` after ${inWords(this.facts.idleSeconds)} without use` : "";
    return `The program has dropped this film${why}. What you see stays on this screen; open the film again `
      + "to pin, save or ask why.";
  }

  // A question that is not answered: is the program there, and are we still let in?
  checkQuestion() {
    const { question } = this, number = this.root.dataset.pending;
    if (number !== question.number) Object.assign(question, { number, since: Date.now(), said: false });
    if (!number || question.said || Date.now() - question.since < PATIENCE) return;
    question.said = true;
    this.keep();
  }

  // ---- the dialog

  async open() {
    this.fill(null);
    this.dialog.showModal();
    this.fill(this.gone ? null : await this.keep());
  }

  // held: {films, bytes} as the program says, null where it holds none.
  fill(held) {
    const { demo, user, idleSeconds, maxBytes, maxPixels, filmsPerMinute } = this.facts;
    const free = demo ? "pins are not counted" : "pins and rows of a worklist are not counted";
    const often = filmsPerMinute ? `${filmsPerMinute} films a minute; ${free}` : "any number of films";
    const lines = [
      ["Held now", held ? heldText(held) : "No film."],
      ["Where", "In the memory of this program. A file is on disk only while it is read, under a name made up "
        + "for it, and never longer."],
      ...(demo ? [] : [["Worklist", "Files and names stay in your browser. A file is sent to be read, in memory "
        + "only, and nothing of it is kept."]]),
      ["How long", `Until you press Forget film or leave the page, or for ${inWords(idleSeconds)} without use.`],
      ["Limits", demo ? `Bundled films only, ${often}.`
        : `${maxBytes / 2 ** 20} MB and ${maxPixels / 1e6} million pixels a film; ${often}.`],
      ["Never kept", "Names of files or patients, other attributes that tell who, what you pin, what was read. "
        + "None of it is logged, and no other host hears of it."],
      ["Signing in", user ? "Is asked here, and again after 12 hours without use." : "Is not asked here."],
    ];
    this.dialog.querySelector("dl").replaceChildren(...lines.flatMap(([name, text]) =>
      [["dt", name], ["dd", text]].map(([tag, words]) =>
        Object.assign(document.createElement(tag), { textContent: words }))));
    this.dialog.querySelector(".lm-signout").hidden = !user;
  }
}

function heldText({ films, bytes }) {
  return `${films === 1 ? "One film" : `${films} films`}, ${Math.max(1, Math.round(bytes / 2 ** 20))} MB of memory.`;
}

function inWords(seconds) {
  const whole = Math.max(1, seconds > 90 ? Math.round(seconds / 60) : Math.ceil(seconds));
  return `${whole} ${seconds > 90 ? "minute" : "second"}${whole === 1 ? "" : "s"}`;
}
