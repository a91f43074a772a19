// The worklist on the screen: what the reader chooses there, and what is said of the whole list.

import { make, options } from "../dom.js";
import { RowList } from "./list.js";
import { counts, listed, pinsOf, progressText } from "./rows.js";

const MOVES = { ArrowDown: 1, ArrowUp: -1, Home: -Infinity, End: Infinity };

export class WorklistPanel {
  // list: a Worklist, which is told what the reader wants.
  constructor(root, facts, list) {
    Object.assign(this, { root, facts, list });
    this.q = (name) => root.querySelector(`.lm-wl${name}`);
    this.panel = root.querySelector(".lm-worklist");
    this.view = { sort: "order", filter: "all", text: "" };
    this.shown = []; // rows as sorted and filtered
    this.active = null; // the row that the keys are at
    this.current = null; // the row whose film is open, when last drawn
    this.drawn = new RowList(this.q("list"), this.q("room"), facts.findings);
    this.frame = 0;
    this.isSure = false; // the reader has pressed Clear and will lose pins
    this.fill();
    this.listen();
    new ResizeObserver(() => this.changed()).observe(this.q("list"));
    this.render();
  }

  rows() {
    return listed(this.list.rows, this.view);
  }

  // ---- open and closed

  get isOpen() {
    return !this.panel.hidden;
  }

  open() {
    if (this.facts.session.demo) return; // it takes no files
    this.panel.hidden = false;
    this.root.dataset.worklist = "1";
    this.changed();
  }

  close() {
    this.panel.hidden = true;
    delete this.root.dataset.worklist;
    this.changed();
  }

  toggle() {
    if (this.isOpen) {
      const within = this.panel.contains(document.activeElement);
      this.close();
      if (within) this.q("toggle").focus();
    } else {
      this.open();
      this.q("list").focus();
    }
  }

  // Where the list lies over the film, it makes way for a film that was opened.
  showFilm() {
    if (getComputedStyle(this.panel).position === "fixed") this.close();
  }

  // ---- controls

  fill() {
    const { findings, calibration } = this.facts;
    const all = findings.map((name, i) => [i, name]);
    const above = all.filter(([i]) => calibration?.youden[i])
      .map(([i, name]) => [`above:${i}`, name]);
    this.q("sort").append(...options([["order", "as added"], ["highest", "highest finding"],
                                      ["failed", "failures first"]]),
      group("Raw free probability of", all));
    this.q("filter").append(...options([["all", "all films"], ["warned", "with a warning"],
                                        ["failed", "cannot be read"], ["pinned", "with pins"],
                                        ["unseen", "not opened yet"]]));
    if (above.length) this.q("filter").append(group("Above the balanced threshold of", above));
    this.q("folder").hidden = !("webkitdirectory" in document.createElement("input"));
  }

  listen() {
    const on = (name, event, run) => this.q(name).addEventListener(event, run), { list } = this;
    on("toggle", "click", () => this.toggle());
    on("close", "click", () => this.toggle());
    on("stop", "click", () => (list.isRunning ? list.cancel() : list.go()));
    on("add", "click", () => this.choose({ multiple: true }));
    on("folder", "click", () => this.choose({ webkitdirectory: true }));
    on("clear", "click", () => this.clear());
    on("clear", "blur", () => this.sure(false));
    on("save", "click", () => list.saveTable(this.q("names").checked));
    on("next", "click", () => list.step(1));
    on("previous", "click", () => list.step(-1));
    on("sort", "change", ({ target: { value } }) =>
      this.look({ sort: isNaN(value) ? value : Number(value) }));
    on("filter", "change", (e) => this.look({ filter: e.target.value }));
    on("text", "input", (e) => this.look({ text: e.target.value }));
    on("list", "scroll", () => this.changed());
    on("list", "keydown", (e) => this.key(e));
    on("list", "click", (e) => e.detail < 2 && this.openAt(e.target.closest("[role=option]")));
    this.panel.addEventListener("keydown", (e) => {
      if (e.key !== "Escape" || e.target.value && e.target === this.q("text")) return;
      e.stopPropagation();
      this.toggle();
    });
  }

  // Pins are the reader's own work: they go only when asked for twice.
  clear() {
    const pinned = this.list.rows.some(pinsOf);
    if (!pinned || this.isSure) this.list.clear();
    else this.list.show.tell("There are pins on films of this list; press again to clear it");
    this.sure(pinned && !this.isSure);
  }

  sure(on) {
    this.isSure = on;
    this.q("clear").textContent = on ? "Clear, with pins?" : "Clear";
  }

  choose(how) {
    const input = Object.assign(document.createElement("input"), { type: "file", ...how });
    input.addEventListener("change", () => this.list.addFiles(input.files));
    input.click();
  }

  look(change) {
    Object.assign(this.view, change);
    this.q("list").scrollTop = 0;
    this.changed();
  }

  // ---- keys and clicks in the list

  key(e) {
    const { page } = this.drawn, by = MOVES[e.key] ?? { PageDown: page, PageUp: -page }[e.key];
    if (by === undefined && !["Enter", " "].includes(e.key)) return;
    e.preventDefault();
    e.stopPropagation(); // these keys move among findings elsewhere
    const at = this.shown.indexOf(this.active);
    if (by === undefined) {
      if (at >= 0) this.list.open(this.active);
      return;
    }
    const last = this.shown.length - 1;
    const next = Math.min(last, Math.max(0, at < 0 ? 0 : at + by));
    this.active = this.shown[next] ?? null;
    this.drawn.reveal(next);
    this.changed();
  }

  openAt(node) {
    const row = node && this.shown.find(({ number }) => number === Number(node.dataset.number));
    if (!row) return;
    this.active = row;
    this.list.open(row);
  }

  // ---- drawing

  changed() {
    this.frame ||= requestAnimationFrame(() => this.render());
  }

  render() {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    const { rows, current } = this.list, before = this.shown.indexOf(this.active);
    this.shown = this.rows();
    this.drawn.moved(before, this.shown.indexOf(this.active), this.shown.length);
    this.renderHead(rows);
    if (current && current !== this.current) {
      this.active = current;
      this.drawn.reveal(this.shown.indexOf(current));
    }
    this.current = current;
    this.renderWalk();
    this.drawn.render(this.shown, { active: this.active, current, sort: this.view.sort });
  }

  renderHead(rows) {
    const { list, shown } = this, now = counts(rows), none = !rows.length;
    this.root.toggleAttribute("data-list", !none);
    const progress = none ? "" : progressText(now);
    const looking = list.isLookingThrough && none;
    this.q("count").textContent = looking ? "looking through the files" : progress;
    const bar = this.q("bar"), share = none ? 0 : now.done / now.all;
    bar.hidden = none || share === 1;
    bar.setAttribute("aria-valuenow", Math.round(100 * share));
    bar.setAttribute("aria-valuetext", progress);
    this.root.style.setProperty("--lm-wldone", `${100 * share}%`);
    this.q("stop").textContent = list.isRunning ? "Cancel" : "Continue";
    this.q("stop").hidden = now.done === now.all;
    for (const name of ["clear", "save", "sort", "filter", "text"]) this.q(name).disabled = none;
    this.q("empty").hidden = !none;
    this.q("nothing").hidden = none || shown.length > 0;
    this.q("list").hidden = !shown.length;
    this.q("foot").hidden = none;
    const of = shown.length === rows.length ? "" : ` of ${rows.length}`;
    this.q("some").textContent = `${shown.length}${of} shown`;
    this.renderForget();
    const toggle = this.q("toggle");
    toggle.setAttribute("aria-expanded", this.isOpen);
    toggle.setAttribute("aria-label", none ? "Worklist" : `Worklist, ${progress}`);
    toggle.dataset.state = none ? "" : now.done < now.all ? "running" : "done";
  }

  renderWalk() {
    const at = this.shown.indexOf(this.current);
    this.q("walk").hidden = !this.list.rows.length;
    this.q("at").textContent = `${at < 0 ? "\u2013" : at + 1} of ${this.shown.length}`;
  }

  // The button that forgets the open film forgets the list with it.
  renderForget() {
    const button = this.root.querySelector(".lm-forget"), any = this.list.rows.length > 0;
    button.textContent = any ? "Forget all" : "Forget film";
    button.disabled = !any && !this.list.state.film;
  }
}

function group(label, pairs) {
  const node = Object.assign(make("optgroup"), { label });
  node.append(...options(pairs));
  return node;
}

