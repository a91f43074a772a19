// The reading: 14 rows with a dot plot, numbers and a three-way pin each.

import { make } from "../dom.js";
import { CHANCE, calibratedText, isChance, namesText, uncalibrated } from "./fitted.js";
import {
  CHANGE_SHOWN, NEGATIVE, POSITIVE, UNKNOWN,
  axisPosition, change, percent, pinCount, points, rowOrder, shown,
} from "../state.js";

const PINS = [
  { state: NEGATIVE, sign: "\u2212", name: "negative" },
  { state: UNKNOWN, sign: "?", name: "unknown" },
  { state: POSITIVE, sign: "+", name: "positive" },
];
const AXIS = [[0.01, "1"], [0.1, "10"], [0.5, ""], [0.9, "90 %"], [0.99, ""]];

export class ReadingTable {
  // act: {select(i), pin(i, state)}
  constructor(root, facts, act) {
    const table = root.querySelector(".lm-table");
    this.root = root;
    this.freeHead = table.querySelector(".lm-freehead");
    this.body = table.querySelector("tbody");
    this.findings = facts.findings;
    this.calibration = facts.calibration;
    this.corrects = Boolean(facts.calibration) && !facts.calibration.keepsRaw;
    this.act = act;
    this.rows = facts.findings.map((name, i) => this.buildRow(name, i, facts.prevalence?.[i]));
    this.body.append(...this.rows.map((r) => r.row));
    this.dimChance(root, facts);
    const axis = table.querySelector(".lm-axis");
    for (const [p, text] of AXIS) axis.append(mark("span", "lm-axislabel", p, text));
    if (this.calibration) this.nameCalibrated(root, table);
    this.listen();
  }

  // A calibration that leaves every probability as it is has no column: it would repeat the raw
  // one.
  nameCalibrated(root, table) {
    root.querySelector(".lm-names").textContent = namesText(this.calibration);
    if (!this.corrects) return;
    const head = make("th", "lm-num lm-calhead", "Calibrated");
    head.scope = "col";
    table.querySelector(".lm-priorhead").before(head);
    root.dataset.calibrated = "1";
  }

  // Findings whose numbers say little are dimmed, and the page says so once.
  dimChance(root, { findings, model }) {
    const names = findings.filter((_, i) => isChance(model.test, i));
    root.querySelector(".lm-chancenote").hidden = !names.length;
    root.querySelector(".lm-chancenote").textContent = `Dimmed: ${CHANCE} (${names.join(", ")}).`;
    this.rows.forEach(({ row, select }, i) => {
      if (!isChance(model.test, i)) return;
      row.dataset.chance = "1";
      select.title = CHANCE;
      select.setAttribute("aria-description", CHANCE);
    });
  }

  buildRow(name, i, prevalence) {
    const row = make("tr", "lm-row");
    row.dataset.finding = i;
    const head = make("th", "lm-name");
    head.scope = "row";
    const select = make("button", "lm-select", name);
    select.type = "button";
    head.append(select, make("span", "lm-pinned", "pinned"));
    const plot = make("td", "lm-plot");
    const track = make("div", "lm-track");
    for (const [p] of AXIS) track.append(mark("i", "lm-grid", p));
    if (prevalence) track.append(mark("i", "lm-tick", prevalence));
    const span = make("i", "lm-span"), hollow = make("i", "lm-dot lm-hollow");
    const dot = make("i", "lm-dot");
    track.append(span, hollow, dot);
    plot.append(track);
    const free = number("lm-free", "free", "\u2013");
    const cond = number("lm-cond", "now", "\u2013");
    const delta = number("lm-delta", "change", "");
    const calibrated = number("lm-cal", "calibrated", "\u2013");
    const prior = number("lm-priorfree", "prior", "");
    const since = number("lm-since", "since prior", "");
    const pin = make("td", "lm-pin");
    const group = make("div", "lm-seg");
    group.setAttribute("role", "radiogroup");
    group.setAttribute("aria-label", name);
    for (const { state, sign, name: word } of PINS) {
      const button = make("button", "", sign);
      button.type = "button";
      button.setAttribute("role", "radio");
      button.setAttribute("aria-label", word);
      button.title = `${name}: ${word}`;
      button.dataset.state = state;
      group.append(button);
    }
    pin.append(group);
    const fitted = this.corrects ? [calibrated] : [];
    row.append(head, plot, free, cond, delta, ...fitted, prior, since, pin);
    return { row, select, span, hollow, dot, free, cond, delta, calibrated, prior, since, group };
  }

  listen() {
    const index = (e) => Number(e.target.closest("tr").dataset.finding);
    this.body.addEventListener("click", (e) => {
      const radio = e.target.closest("[role=radio]");
      if (radio) this.act.pin(index(e), Number(radio.dataset.state));
      else if (e.target.closest("tr")) this.act.select(index(e));
    });
    // Within a pin: arrows move along the three states, as in any radio group.
    this.body.addEventListener("keydown", (e) => {
      const radio = e.target.closest("[role=radio]");
      const step = { ArrowRight: 1, ArrowLeft: -1 }[e.key];
      if (!radio || !step) return;
      e.preventDefault();
      const at = PINS.findIndex((p) => p.state === Number(radio.dataset.state));
      const next = PINS[Math.min(2, Math.max(0, at + step))];
      this.act.pin(index(e), next.state);
      this.focusPin(index(e));
    });
  }

  focusPin(i) {
    this.rows[i].group.querySelector("[aria-checked=true]")?.focus();
  }

  render(state) {
    const pinned = pinCount(state) > 0;
    this.root.toggleAttribute("data-pinned", pinned);
    this.root.toggleAttribute("data-prior", Boolean(state.prior));
    this.freeHead.textContent = pinned ? "Free" : "Probability";
    const order = rowOrder(state);
    const current = [...this.body.children].map((r) => Number(r.dataset.finding));
    if (order.some((finding, k) => finding !== current[k])) this.reorder(order);
    this.rows.forEach((row, i) => this.renderRow(row, i, state));
  }

  reorder(order) {
    const focused = document.activeElement;
    this.body.append(...order.map((i) => this.rows[i].row));
    if (this.body.contains(focused)) focused.focus();
  }

  renderRow(r, i, state) {
    const { reading, pins } = state;
    r.row.classList.toggle("lm-selected", i === state.selected);
    r.select.setAttribute("aria-pressed", i === state.selected);
    r.row.dataset.pin = pins[i];
    for (const button of r.group.children) {
      const on = Number(button.dataset.state) === pins[i];
      button.setAttribute("aria-checked", on);
      button.tabIndex = on ? 0 : -1;
      button.disabled = !state.film;
    }
    this.renderPrior(r, i, state);
    if (!reading) {
      r.free.textContent = r.cond.textContent = r.calibrated.textContent = "\u2013";
      r.delta.textContent = r.calibrated.title = "";
      for (const part of [r.span, r.hollow, r.dot]) part.hidden = true;
      return;
    }
    const free = reading.free[i], now = shown(reading, i), delta = change(reading, i);
    const pinned = delta === null;
    r.free.textContent = percent(free);
    r.free.dataset.label = pinCount(state) ? "free" : "probability";
    r.cond.textContent = pinned ? "pinned" : percent(now);
    r.delta.textContent = pinned || !pinCount(state) ? "" : points(delta);
    r.delta.dataset.sign = r.span.dataset.sign = signOf(delta);
    const a = axisPosition(free), b = axisPosition(now);
    r.hollow.hidden = false;
    r.dot.hidden = pinned;
    r.span.hidden = pinned;
    r.hollow.style.left = `${100 * a}%`;
    r.dot.style.left = `${100 * b}%`;
    r.span.style.left = `${100 * Math.min(a, b)}%`;
    r.span.style.width = `${100 * Math.abs(b - a)}%`;
    if (this.corrects) this.renderFitted(r, i, reading);
  }

  renderFitted(r, i, reading) {
    const none = !this.calibration.youden[i] && reading.pins[i] === UNKNOWN;
    r.calibrated.textContent = calibratedText(reading, i);
    r.calibrated.title = none ? uncalibrated(this.calibration, i) : "";
  }

  // Both films free: what changed between them, whatever is pinned on the newer one.
  renderPrior(r, i, { prior, reading }) {
    const then = prior?.reading.free[i], since = reading && prior ? reading.free[i] - then : null;
    r.prior.textContent = prior ? percent(then) : "";
    r.since.textContent = since === null ? "" : points(since);
    r.since.dataset.sign = signOf(since);
  }
}

function signOf(delta) {
  return delta === null || Math.abs(delta) < CHANGE_SHOWN ? "" : delta > 0 ? "up" : "down";
}

// A cell of figures; its label is seen where the table has no heads.
function number(className, label, text) {
  const cell = make("td", `lm-num ${className}`, text);
  cell.dataset.label = label;
  return cell;
}

function mark(tag, className, p, text) {
  const node = make(tag, className, text);
  node.style.left = `${100 * axisPosition(p)}%`;
  return node;
}
