// The panel that says why: decomposition, influence, what to look at next, attention. It follows
// the selected finding and keeps what it showed until the newer answer is there.

import { button, make } from "../dom.js";
import { saveButtons, tableOf } from "../save/export.js";
import { shareSentence } from "./pins.js";
import { diverging, matrix, palette, shares, waterfall } from "./plots.js";
import { NEGATIVE, POSITIVE, percent, points } from "../state.js";

export const TABS = [
  ["decomposition", "Why"],
  ["influence", "Influence"],
  ["next", "What next"],
  ["attention", "Attention"],
];
const INFLUENCE_FULL = 0.2; // change of a probability that gets full colour

export class WhyPanel {
  // act: {pin(i, state), select(i)}
  constructor(root, facts, act) {
    this.root = root;
    this.facts = facts;
    this.act = act;
    this.tab = "decomposition";
    this.sign = "positive";
    this.body = root.querySelector(".lm-whybody");
    this.bar = root.querySelector(".lm-tabs");
    for (const [id, text] of TABS) {
      const tab = button(text, () => this.open(id), { role: "tab" });
      tab.dataset.tab = id;
      this.bar.append(tab);
    }
    this.bar.addEventListener("keydown", (e) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[e.key];
      if (!step) return;
      e.preventDefault();
      e.stopPropagation();
      const at = TABS.findIndex(([id]) => id === this.tab) + step;
      this.open(TABS[(at + TABS.length) % TABS.length][0]);
      this.bar.querySelector("[aria-selected=true]").focus();
    });
  }

  open(tab) {
    this.tab = tab;
    this.render(this.state);
  }

  render(state) {
    this.state = state;
    const { why } = state;
    this.root.hidden = !state.film;
    this.root.classList.toggle("lm-stale", Boolean(why) && why.seq !== state.readingSeq);
    for (const tab of this.bar.children) {
      const on = tab.dataset.tab === this.tab;
      tab.setAttribute("aria-selected", on);
      tab.tabIndex = on ? 0 : -1;
    }
    if (!why) {
      this.body.replaceChildren(make("p", "lm-quiet", state.film ? "Being computed." : ""));
      return;
    }
    this.colours = palette(this.root);
    const parts = this[this.tab](why);
    this.body.replaceChildren(...parts.filter(Boolean));
  }

  // ---- why this number

  decomposition(why) {
    const i = this.state.selected, name = this.facts.findings[i], entry = why.findings[i];
    const remarks = why.flags.length ? make("ul", "lm-flags") : null, parts = entry.decomposition;
    remarks?.append(...why.flags.map((f) => make("li", "", f.text)));
    const rows = [
      { name: "bias", value: parts.bias },
      { name: "image part", value: parts.image },
      { name: "label branch, free", value: parts.label_free },
      { name: "free", value: parts.free_logit, total: true },
    ];
    const pins = Object.entries(entry.per_pin ?? {});
    for (const [pin, value] of pins) {
      rows.push({ name: `${this.label(pin)} ${why.pins[pin]}`, value,
                  error: entry.per_pin_error?.[pin] });
    }
    if (pins.length) rows.push({ name: "with pins", value: parts.logit, total: true });
    for (const row of rows) {
      row.text = row.total ? `${signedText(row.value)} = ${percent(sigmoid(row.value))}`
        : signedText(row.value);
      if (row.error) row.text += ` \u00b1${row.error.toFixed(2)}`;
    }
    const label = `Decomposition of ${name} in logits: `
      + rows.map((r) => `${r.name} ${signedText(r.value)}`).join(", ");
    const figure = waterfall(rows, label, this.colours);
    const table = [["part", "logits"], ...rows.map((r) => [r.name, r.value])];
    const shapley = entry.method === "exact"
      ? "A pin's bar is its mean effect over every order of pinning (its Shapley value)."
      : "A pin's bar is its mean effect over some orders of pinning (a sampled Shapley value), "
        + "with its standard error.";
    return [
      heading(name, saveButtons(figure, table, `decomposition-${name}`)),
      make("p", "lm-lead", shareSentence(entry, Object.keys(why.pins))),
      make("p", "lm-quiet", "The bars are in log-odds, a scale of probability on which the parts "
        + `of the number add up. ${pins.length ? shapley : ""}`),
      figure,
      this.alone(why, i),
      remarks,
    ];
  }

  // What counting labels makes of the pins, without a model of how findings go together on a
  // film.
  alone(why, i) {
    const prior = why.label_only, pinned = Object.keys(why.pins).length > 0;
    if (!prior || prior.probabilities[i] === null) return null;
    const alone = percent(prior.probabilities[i]), counted = percent(prior.counted[i]);
    const model = percent(why.findings[i].conditioned), box = make("p", "lm-quiet lm-alone");
    const lead = pinned
      ? `Counting alone: ${counted}; this model: ${model}; pins without the film: ${alone}.`
      : `Nothing pinned, without this image: ${alone}.`;
    const fitted = prior.weight_fitted ? "fitted on validation films" : "not fitted";
    const how = ` Counting moves the free log-odds by ${prior.weight} (${fitted}) of what labels `
      + "alone say.";
    box.append(make("strong", "", lead), `${pinned ? how : ""} ${prior.description}`);
    return box;
  }

  // ---- what would move what

  influence(why) {
    const names = this.facts.findings, values = why.influence[this.sign];
    const pick = make("span", "lm-pick");
    for (const sign of ["positive", "negative"]) {
      const choose = () => { this.sign = sign; this.render(this.state); };
      pick.append(button(`if ${sign}`, choose, { ariaPressed: sign === this.sign }));
    }
    const title = (r, c, v) => (v === null ? `${names[r]}, ${names[c]}: none`
      : `${names[r]} ${this.sign} moves ${names[c]} by ${points(v)} points`
        + ` (in the training films they go together ${this.liftText(r, c)})`);
    const label = `Influence matrix: change of each finding's probability if a row's finding is `
      + `pinned ${this.sign}. The numbers are in the table below.`;
    const figure = matrix(values, names, label, diverging(this.colours, INFLUENCE_FULL), title,
      this.colours);
    figure.classList.add("lm-clickable");
    figure.addEventListener("click", (e) => {
      if (e.target.dataset.row === undefined) return;
      const row = Number(e.target.dataset.row);
      if (values[row].every((v) => v === null)) return;
      this.act.pin(row, this.sign === "positive" ? POSITIVE : NEGATIVE);
    });
    const table = [["pinned", ...names], ...values.map((row, r) => [names[r],
      ...row.map((v) => (v === null ? null : +v.toFixed(4)))])];
    return [
      heading(`What pinning a row's finding ${this.sign} would move, in points`, pick,
        saveButtons(figure, table, `influence-${this.sign}`)),
      make("p", "lm-quiet", "On this film, given the present pins. Hover for the number, click a "
        + "row to pin it. Orange up, blue down; full colour at 20 points."),
      figure,
      tableOf(table),
      ...this.liftFigure(),
    ];
  }

  liftFigure() {
    const { lift, findings } = this.facts;
    if (!lift) return [];
    const log = (v) => (v === null ? null : Math.log2(Math.max(v, 0.1)));
    const logs = lift.map((row) => row.map(log));
    const label = "Co-occurrence in the training films: how often two findings go together over "
      + "chance. The numbers are in the table below.";
    const figure = matrix(logs, findings, label, diverging(this.colours, 3),
      (r, c) => `${findings[r]} and ${findings[c]} go together ${this.liftText(r, c)}`,
      this.colours);
    const table = [["", ...findings], ...lift.map((row, r) => [findings[r], ...row])];
    return [
      heading("How often they go together in the training films",
        saveButtons(figure, table, "co-occurrence-lift")),
      make("p", "lm-quiet", "Above chance orange, below blue; full colour at 8 times."),
      figure,
      tableOf(table),
    ];
  }

  liftText(r, c) {
    const v = this.facts.lift?.[r][c] ?? null;
    return v === null ? "too rarely to say" : `${v.toFixed(1)} times as often as chance`;
  }

  // ---- what to look at next

  next(why) {
    const rows = why.next.slice(0, 6);
    const most = Math.max(...rows.map((r) => r.value), 1e-9);
    const box = make("ol", "lm-next");
    for (const row of rows) {
      const name = this.label(row.finding), i = this.facts.findings.indexOf(name);
      const line = make("li"), bar = make("i"), track = make("span", "lm-nextbar");
      bar.style.width = `${(100 * row.value) / most}%`;
      track.append(bar);
      const tenths = (share) => (100 * share).toFixed(1);
      line.append(button(name, () => this.act.select(i)), track,
        make("span", "", `${tenths(row.value)} points`),
        make("span", "lm-quiet", `${tenths(row.if_positive)} if positive, `
          + `${tenths(row.if_negative)} if negative`));
      box.append(line);
    }
    const table = [["finding", "expected change", "probability", "if positive", "if negative"],
      ...why.next.map((r) => [r.finding, r.value, r.probability, r.if_positive, r.if_negative])];
    return [
      heading("Which finding to settle next", saveButtons(null, table, "next-finding")),
      make("p", "lm-quiet", "By expected change: how far all other probabilities would move in "
        + "sum, weighing positive and negative by the present probability."),
      box,
    ];
  }

  // ---- where the token looks

  attention(why) {
    const i = this.state.selected, names = this.facts.findings;
    if (!why.attention || !why.label_matrix) {
      return [make("p", "lm-quiet", "This model has no attention.")];
    }
    const lead = make("p", "lm-quiet", "Each finding looks at the film and at the other findings, "
      + "in steps (layers) of several looks each (heads): here is how much of its attention goes "
      + "where.");
    const { layer, head } = why.split, split = why.attention[this.key(i)];
    const where = `layer ${layer}, ${head === null ? "mean of heads" : `head ${head}`}`;
    const parts = [lead];
    if (split) {
      const others = Object.entries(split.labels).sort((a, b) => b[1] - a[1]);
      const bars = [{ name: "image", value: split.image }, { name: "own label", value: split.own },
        ...others.map(([name, value]) => ({ name: this.label(name), value }))];
      const label = `Attention of ${names[i]}: `
        + bars.map((b) => `${b.name} ${(100 * b.value).toFixed(1)} %`).join(", ");
      const table = [["on", "share"], ...bars.map((b) => [b.name, +b.value.toFixed(5)])];
      const figure = shares(bars, label, this.colours);
      parts.push(heading(`${names[i]}: where its token's attention goes (${where})`,
        saveButtons(figure, table, `attention-${names[i]}`)), figure, tableOf(table));
    } else {
      parts.push(make("p", "lm-quiet", `${names[i]} is pinned; choose a finding that is not.`));
    }
    const label = "Attention of each label token (row) on each label token (column). The numbers "
      + "are in the table below.";
    const rows = why.label_matrix.map((row) => row ?? names.map(() => null));
    const most = Math.max(...rows.flat());
    const figure = matrix(rows, names, label, diverging(this.colours, most || 1),
      (r, c, v) => (v === null ? `${names[r]} is pinned`
        : `${names[r]} on ${names[c]}: ${(100 * v).toFixed(2)} % of its attention`),
      this.colours);
    const table = [["from", ...names], ...rows.map((row, r) => [names[r], ...row])];
    parts.push(heading(`Label to label (${where})`, saveButtons(figure, table, "label-attention")),
      make("p", "lm-quiet", `Full colour at ${(100 * most).toFixed(1)} % of a token's attention.`),
      figure, tableOf(table));
    return parts;
  }

  label(finding) { return finding.replaceAll("_", " "); }

  key(i) { return this.facts.findings[i].replaceAll(" ", "_"); }
}

function sigmoid(x) { return 1 / (1 + Math.exp(-x)); }

function signedText(x) { return `${x < 0 ? "\u2212" : "+"}${Math.abs(x).toFixed(2)}`; }

function heading(text, ...tools) {
  const box = make("div", "lm-figurehead");
  box.append(make("h3", "", text), ...tools);
  return box;
}

