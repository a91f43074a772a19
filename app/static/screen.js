// Everything on the screen but the film and the table: facts, detail, map and its legend, header.

import { peak } from "./heat.js";
import { KINDS, mapOf } from "./maps.js";
import { NEGATIVE, POSITIVE, change, percent, pinCount, points, shown } from "./state.js";

export class Screen {
  // film, beside: the two views of the film; the second is shown side by side only.
  constructor(root, facts, film, beside) {
    this.q = (selector) => root.querySelector(selector);
    this.facts = facts;
    this.film = film;
    this.beside = beside;
    this.tables = Object.fromEntries(Object.entries(facts.colours).map(([name, base64]) =>
      [name, bytesOf(base64)]));
    this.tables.signed = bytesOf(facts.signed);
    this.renderModel();
    this.fillSelects();
  }

  render(state) {
    this.q(".lm-prompt").hidden = Boolean(state.film);
    const count = pinCount(state);
    this.q(".lm-clear").disabled = !count;
    this.q(".lm-forget").disabled = !state.film;
    this.q(".lm-count").textContent = count ? `${count} pinned` : "nothing pinned";
    this.renderFacts(state);
    this.renderDetail(state);
    this.renderMap(state);
  }

  renderFacts({ film, reading }) {
    const lines = film?.lines ?? [];
    const all = film?.title ? [["Film", film.title], ...lines] : lines;
    this.q(".lm-facts").replaceChildren(...all.flatMap(([name, value]) =>
      [element("dt", name), element("dd", value)]));
    const warnings = [...(film?.warnings ?? []), ...(reading?.warnings ?? [])];
    this.q(".lm-warnings").replaceChildren(...warnings.map((text) => element("li", text)));
  }

  renderDetail(state) {
    const i = state.selected, { reading } = state, { facts } = this;
    if (!reading) return this.q(".lm-detail").replaceChildren();
    const free = percent(reading.free[i]), delta = change(reading, i);
    const known = { [NEGATIVE]: "negative", [POSITIVE]: "positive" }[reading.pins[i]];
    let text = `free ${free}`;
    if (delta === null) {
      text = `pinned ${known} by you; the model's free probability was ${free}`;
    } else if (pinCount(state)) {
      text += `, with pins ${percent(shown(reading, i))} (${points(delta)} points)`;
    }
    const parts = [element("strong", facts.findings[i]), element("span", text)];
    if (facts.prevalence) {
      parts.push(element("span", `in ${percent(facts.prevalence[i])} of the training films`));
    }
    const auc = facts.model.test?.auc[i];
    if (auc) parts.push(element("span", `test AUC ${auc.toFixed(3)}`));
    return this.q(".lm-detail").replaceChildren(...parts);
  }

  renderMap(state) {
    const { view } = state, second = view.beside;
    this.q(".lm-second").hidden = !second || !state.film;
    this.q(".lm-caption2").hidden = !second || !state.film || !view.map;
    this.lay(state, view.kind, this.film, ".lm-first > canvas", ".lm-caption1");
    if (second) this.lay(state, second, this.beside, ".lm-second > canvas", ".lm-caption2");
  }

  // One map over one view of the film, with its name and scale in the caption.
  lay(state, kind, film, canvasSelector, captionSelector) {
    const canvas = this.q(canvasSelector), caption = this.q(captionSelector);
    const on = Boolean(state.reading) && state.view.map;
    if (captionSelector === ".lm-caption1") caption.hidden = !on;
    if (!on) {
      film.setOverlay(null);
      canvas.setAttribute("aria-label", state.film ? "Film without map" : "No film is open");
      return;
    }
    const map = mapOf(kind, state, this.facts, this.tables);
    caption.querySelector(".lm-mapname").textContent = map.missing
      ? `${map.name}: ${map.missing}` : map.name;
    caption.querySelector(".lm-scalebar").hidden = Boolean(map.missing);
    if (map.missing) {
      film.setOverlay(null);
      canvas.setAttribute("aria-label", `Film without map. ${map.name}: ${map.missing}`);
      return;
    }
    film.setOverlay({ canvas: map.canvas, opacity: state.view.opacity, segments: map.segments });
    caption.querySelector(".lm-rampmin").textContent = map.low;
    caption.querySelector(".lm-rampmax").textContent = map.high;
    drawRamp(caption.querySelector(".lm-ramp"), map.table);
    const [px, py] = peak(map.field).map((v) => Math.round(100 * v));
    canvas.setAttribute("aria-label",
      `Film with map. ${map.name}. Strongest at ${px} % from the left, ${py} % from the top.`);
  }

  renderModel() {
    const { model } = this.facts;
    const parts = [`Checkpoint ${model.identity} (${model.source}), block "${model.block}"`];
    if (model.test) {
      const [free, ...known] = model.test.scores;
      parts.push(`mean AUC ${free.mean.toFixed(3)} on ${model.test.images} official test films`
        + known.map((s) => `, ${s.mean.toFixed(3)} with ${s.known} findings known`).join(""));
    } else parts.push("not measured on test films");
    this.q(".lm-model").textContent = parts.join(" \u00b7 ");
  }

  fillSelects() {
    const fill = (selector, options) => this.q(selector).replaceChildren(
      ...options.map(([value, text]) => Object.assign(element("option", text), { value })));
    const { layers, heads } = this.facts.model;
    const numbers = (word, n) => Array.from({ length: n }, (_, k) => [k + 1, `${word} ${k + 1}`]);
    fill(".lm-colours", Object.keys(this.facts.colours).map((name) => [name, name]));
    fill(".lm-kind", KINDS);
    fill(".lm-beside", [["", "none"], ...KINDS]);
    fill(".lm-layer", [["", "last layer"], ...numbers("layer", layers), [0, "rollout"]]);
    fill(".lm-headsel", [["", "all heads"], ...numbers("head", heads)]);
  }
}

function bytesOf(base64) {
  return Uint8Array.from(atob(base64), (ch) => ch.charCodeAt(0));
}

function drawRamp(canvas, table) {
  const context = canvas.getContext("2d");
  const image = context.createImageData(256, 1);
  for (let i = 0; i < 256; i++) {
    image.data.set([table[3 * i], table[3 * i + 1], table[3 * i + 2], 255], 4 * i);
  }
  context.putImageData(image, 0, 0);
}

export function element(tag, text) {
  const node = document.createElement(tag);
  node.textContent = text;
  return node;
}
