// The rows of the worklist as a list to move in: of hundreds only those that are seen are drawn.

import { make } from "../dom.js";
import { FAILED, pinsOf, pinsText, rowLabel, rowText } from "./rows.js";

const ROW = 62; // pixels of a row's height, as in worklist.css
const BEYOND = 4; // rows drawn above and below those that are seen

export class RowList {
  // box: the list that scrolls; room: in it, as high as all rows together.
  constructor(box, room, findings) {
    Object.assign(this, { box, room, findings });
    this.nodes = new Map(); // row -> {node, key} of those that are drawn
  }

  // How many rows a page has.
  get page() {
    return Math.max(1, Math.floor(this.box.clientHeight / ROW) - 1);
  }

  reveal(at) {
    const { box } = this;
    if (at < 0) return;
    if (at * ROW < box.scrollTop) box.scrollTop = at * ROW;
    const below = (at + 1) * ROW - box.clientHeight;
    if (below > box.scrollTop) box.scrollTop = below;
  }

  // The list has another order or length. The row that the reader is at, if it is seen, stays
  // where it is seen.
  moved(before, now, count) {
    const { box } = this, top = before * ROW - box.scrollTop;
    this.room.style.height = `${count * ROW}px`;
    const isSeen = before >= 0 && top > -ROW && top < box.clientHeight;
    if (isSeen && now >= 0 && now !== before && box.scrollTop) box.scrollTop = now * ROW - top;
  }

  // view: {active, current, sort}: the row that the keys are at, the one whose film is open, and
  // what the list is sorted by.
  render(shown, view) {
    const { box } = this, first = Math.max(0, Math.floor(box.scrollTop / ROW) - BEYOND);
    const last = Math.ceil((box.scrollTop + box.clientHeight) / ROW) + BEYOND;
    const seen = new Set(shown.slice(first, last));
    for (const [row, { node }] of this.nodes) {
      if (seen.has(row)) continue;
      node.remove();
      this.nodes.delete(row);
    }
    [...seen].forEach((row, k) => this.renderRow(row, first + k, shown.length, view));
    const active = this.nodes.get(view.active)?.node;
    if (active) box.setAttribute("aria-activedescendant", active.id);
    else box.removeAttribute("aria-activedescendant");
  }

  renderRow(row, at, count, view) {
    const label = rowLabel(row, view.sort, this.findings);
    const { current, active } = view;
    const key = [label, row.state, row === current, row === active, Boolean(row.result)].join();
    let held = this.nodes.get(row);
    if (held?.key !== key) {
      const node = this.build(row, label, view);
      if (held) held.node.replaceWith(node);
      else this.room.append(node);
      held = { node, key };
      this.nodes.set(row, held);
    }
    held.node.style.top = `${at * ROW}px`;
    held.node.setAttribute("aria-posinset", at + 1);
    held.node.setAttribute("aria-setsize", count);
  }

  build(row, label, { active, current, sort }) {
    const node = make("div", "lm-wlrow"), { result } = row, failed = row.state === FAILED;
    node.id = `lm-wlrow-${row.number}`;
    Object.assign(node.dataset, { number: row.number, state: row.state });
    node.setAttribute("role", "option");
    node.setAttribute("aria-selected", row === current);
    node.setAttribute("aria-label", label);
    node.classList.toggle("lm-wlactive", row === active);
    const thumbnail = make(result ? "img" : "span", "lm-wlthumb");
    if (result) Object.assign(thumbnail, { src: result.thumbnail, alt: "" });
    if (result || !failed) node.append(thumbnail);
    const top = make("span", "lm-wltop"), cut = row.label.lastIndexOf("/") + 1;
    top.append(make("b", "", row.number), make("span", "lm-wlseen", row.seen ? "\u2713" : ""),
      make("span", "lm-wldir", row.label.slice(0, cut)),
      make("span", "lm-wlname", row.label.slice(cut)));
    const text = make("span", "lm-wlsays", rowText(row, sort, this.findings));
    top.title = row.seen ? `${row.label} (opened)` : row.label;
    text.title = row.reason;
    const marks = make("span", "lm-wlmarks");
    if (pinsOf(row)) marks.append(chip(pinsText(row), "pin"));
    if (row.frame > 1) marks.append(chip(`frame ${row.frame}`, "frame"));
    if (result?.unlike) marks.append(chip("unlike training", "warn"));
    if (result?.warnings.length > Number(result?.unlike)) marks.append(chip("warning", "warn"));
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
