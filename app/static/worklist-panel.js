// The worklist on the screen: its head, and of its rows only those that are seen.

import { FAILED, counts, listed, pinsOf, pinsText, progressText, rowLabel, rowText } from "./worklist-rows.js";

const ROW = 62; // pixels of a row's height, as in worklist.css
const BEYOND = 4; // rows drawn above and below those that are seen
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
    this.nodes = new Map(); // row -> {node, key} of those that are seen
    this.frame = 0;
    this.fill();
    this.listen();
    new ResizeObserver(() => this.renderRows()).observe(this.q("list"));
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
    const above = all.filter(([i]) => calibration?.youden[i]).map(([i, name]) => [`above:${i}`, name]);
    this.q("sort").append(...options([["order", "as added"], ["highest", "highest finding"],
                                      ["failed", "failures first"]]),
      group("Raw free probability of", all));
    this.q("filter").append(...options([["all", "all films"], ["warned", "with a warning"],
                                        ["failed", "cannot be read"], ["pinned", "with pins"]]));
    if (above.length) this.q("filter").append(group("Raw reaches the Youden point of", above));
    this.q("folder").hidden = !("webkitdirectory" in document.createElement("input"));
  }

  listen() {
    const on = (name, event, run) => this.q(name).addEventListener(event, run), { list } = this;
    on("toggle", "click", () => this.toggle());
    on("close", "click", () => this.toggle());
    on("stop", "click", () => (list.isRunning ? list.cancel() : list.go()));
    on("add", "click", () => this.choose({ multiple: true }));
    on("folder", "click", () => this.choose({ webkitdirectory: true }));
    on("clear", "click", () => list.clear());
    on("save", "click", () => list.saveTable(this.q("names").checked));
    on("next", "click", () => list.step(1));
    on("previous", "click", () => list.step(-1));
    on("sort", "change", (e) => this.look({ sort: isNaN(e.target.value) ? e.target.value : Number(e.target.value) }));
    on("filter", "change", (e) => this.look({ filter: e.target.value }));
    on("text", "input", (e) => this.look({ text: e.target.value }));
    on("list", "scroll", () => this.changed());
    on("list", "keydown", (e) => this.key(e));
    on("list", "click", (e) => e.detail < 2 && this.openAt(e.target.closest("[role=option]")));
    this.panel.addEventListener("keydown", (e) => {
      if (e.key !== "Escape") return;
      e.stopPropagation();
      this.toggle();
    });
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
    const page = Math.max(1, Math.floor(this.q("list").clientHeight / ROW) - 1);
    const by = MOVES[e.key] ?? { PageDown: page, PageUp: -page }[e.key];
    if (by === undefined && !["Enter", " "].includes(e.key)) return;
    e.preventDefault();
    e.stopPropagation(); // these keys move among findings elsewhere
    const at = this.shown.indexOf(this.active);
    if (by === undefined) {
      if (at >= 0) this.list.open(this.active);
      return;
    }
    const last = this.shown.length - 1;
    this.active = this.shown[Math.min(last, Math.max(0, at < 0 ? 0 : at + by))] ?? null;
    this.reveal(this.active);
    this.changed();
  }

  openAt(node) {
    const row = node && this.shown.find(({ number }) => number === Number(node.dataset.number));
    if (!row) return;
    this.active = row;
    this.list.open(row);
  }

  reveal(row) {
    const at = this.shown.indexOf(row), box = this.q("list");
    if (at < 0) return;
    if (at * ROW < box.scrollTop) box.scrollTop = at * ROW;
    const below = (at + 1) * ROW - box.clientHeight;
    if (below > box.scrollTop) box.scrollTop = below;
  }

  // ---- drawing

  changed() {
    this.frame ||= requestAnimationFrame(() => this.render());
  }

  render() {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    const { rows } = this.list, before = this.place();
    this.shown = this.rows();
    this.keepPlace(before);
    const { current } = this.list;
    if (current && current !== this.current) {
      this.active = current;
      this.reveal(current);
    }
    this.current = current;
    this.renderHead(rows);
    this.renderRows();
  }

  // While rows move about the one that the reader is at stays where it is seen.
  place() {
    const at = this.shown.indexOf(this.active), top = at * ROW - this.q("list").scrollTop;
    return at >= 0 && top > -ROW && top < this.q("list").clientHeight ? top : null;
  }

  keepPlace(top) {
    this.q("room").style.height = `${this.shown.length * ROW}px`;
    const at = this.shown.indexOf(this.active);
    if (top !== null && at >= 0 && this.q("list").scrollTop) this.q("list").scrollTop = at * ROW - top;
  }

  renderHead(rows) {
    const { list, shown } = this, now = counts(rows), none = !rows.length;
    this.root.toggleAttribute("data-list", !none);
    const progress = none ? "" : progressText(now);
    this.q("count").textContent = list.isLookingThrough && none ? "looking through the files" : progress;
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
    const some = shown.length === rows.length ? `${rows.length}` : `${shown.length} of ${rows.length}`;
    this.q("some").textContent = `${some} shown`;
    this.renderWalk(now);
    this.renderForget();
    const toggle = this.q("toggle");
    toggle.setAttribute("aria-expanded", this.isOpen);
    toggle.setAttribute("aria-label", none ? "Worklist" : `Worklist, ${progress}`);
    toggle.dataset.state = none ? "" : now.done < now.all ? "running" : "done";
  }

  renderWalk({ all }) {
    const at = this.shown.indexOf(this.current);
    this.q("walk").hidden = !all;
    this.q("at").textContent = at < 0 ? `\u2013 of ${this.shown.length}` : `${at + 1} of ${this.shown.length}`;
  }

  // The button that forgets the open film forgets the list with it.
  renderForget() {
    const button = this.root.querySelector(".lm-forget"), any = this.list.rows.length > 0;
    button.textContent = any ? "Forget all" : "Forget film";
    button.disabled = !any && !this.list.state.film;
  }

  renderRows() {
    const box = this.q("list"), first = Math.max(0, Math.floor(box.scrollTop / ROW) - BEYOND);
    const seen = this.shown.slice(first, Math.ceil((box.scrollTop + box.clientHeight) / ROW) + BEYOND);
    for (const [row, { node }] of this.nodes) {
      if (seen.includes(row)) continue;
      node.remove();
      this.nodes.delete(row);
    }
    seen.forEach((row, k) => this.renderRow(row, first + k));
    const active = this.nodes.get(this.active)?.node;
    if (active) box.setAttribute("aria-activedescendant", active.id);
    else box.removeAttribute("aria-activedescendant");
  }

  renderRow(row, at) {
    const label = rowLabel(row, this.view.sort, this.facts.findings), open = row === this.current;
    const key = [label, row.state, open, row === this.active, Boolean(row.result)].join();
    let held = this.nodes.get(row);
    if (held?.key !== key) {
      const node = this.build(row, label, open);
      if (held) held.node.replaceWith(node);
      else this.q("room").append(node);
      held = { node, key };
      this.nodes.set(row, held);
    }
    held.node.style.top = `${at * ROW}px`;
    held.node.setAttribute("aria-posinset", at + 1);
    held.node.setAttribute("aria-setsize", this.shown.length);
  }

  build(row, label, open) {
    const node = make("div", "lm-wlrow"), { result } = row, failed = row.state === FAILED;
    node.id = `lm-wlrow-${row.number}`;
    Object.assign(node.dataset, { number: row.number, state: row.state });
    node.setAttribute("role", "option");
    node.setAttribute("aria-selected", open);
    node.setAttribute("aria-label", label);
    node.classList.toggle("lm-wlactive", row === this.active);
    if (result) node.append(Object.assign(make("img", "lm-wlthumb"), { src: result.thumbnail, alt: "" }));
    else if (!failed) node.append(make("span", "lm-wlthumb"));
    const top = make("span", "lm-wltop"), cut = row.label.lastIndexOf("/") + 1;
    top.append(make("b", "", row.number), make("span", "lm-wldir", row.label.slice(0, cut)),
      make("span", "lm-wlname", row.label.slice(cut)));
    const text = make("span", "lm-wlsays", rowText(row, this.view.sort, this.facts.findings));
    top.title = row.label;
    text.title = row.reason;
    const marks = make("span", "lm-wlmarks");
    if (result?.unlike) marks.append(chip("unlike training", "warn"));
    if (result && result.warnings.length > Number(result.unlike)) marks.append(chip("warning", "warn"));
    if (pinsOf(row)) marks.append(chip(pinsText(row), "pin"));
    const body = make("span", "lm-wlbody");
    body.append(top, text, marks);
    node.append(body);
    if (result?.warnings.length) marks.title = result.warnings.join(" ");
    return node;
  }
}

function chip(text, kind) {
  return make("span", `lm-wlchip lm-wl${kind}`, text);
}

function options(pairs) {
  return pairs.map(([value, text]) => Object.assign(make("option", "", text), { value }));
}

function group(label, pairs) {
  const node = Object.assign(document.createElement("optgroup"), { label });
  node.append(...options(pairs));
  return node;
}

function make(tag, className, text) {
  const node = document.createElement(tag);
  node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}
