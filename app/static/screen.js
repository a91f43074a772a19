// Everything on the screen but the film and the table: facts, detail, map and its legend, header.

import { colourScale, contour, paint, peak, upsample } from "./heat.js";
import { NEGATIVE, POSITIVE, change, percent, pinCount, points, shown } from "./state.js";

export class Screen {
  constructor(root, facts, film) {
    this.q = (selector) => root.querySelector(selector);
    this.facts = facts;
    this.film = film;
    this.tables = Object.fromEntries(Object.entries(facts.colours).map(([name, base64]) =>
      [name, Uint8Array.from(atob(base64), (ch) => ch.charCodeAt(0))]));
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
    const maps = state.reading?.maps, { view, selected: i } = state, { facts } = this;
    const canvas = this.q(".lm-stage > canvas");
    this.q(".lm-caption").hidden = !maps || !view.map;
    if (!maps || !view.map) {
      this.film.setOverlay(null);
      canvas.setAttribute("aria-label", state.film ? "Film without map" : "No film is open");
      return;
    }
    const values = maps[view.which][i], maximum = Math.max(...values);
    const p = view.which === "free" ? state.reading.free[i] : shown(state.reading, i);
    const toShare = colourScale(view.scale, p, maps.tokens, facts.fullScale, maximum);
    const field = upsample(values, facts.model.grid), table = this.tables[view.colours];
    const segments = view.contour && maximum > 0 ? contour(field, facts.contour * maximum) : [];
    this.film.setOverlay({ canvas: paint(field, toShare, table), opacity: view.opacity, segments });

    const name = `${facts.findings[i]}: ${mapName(state)}`;
    this.q(".lm-mapname").textContent = name;
    this.q(".lm-rampmax").textContent = view.scale === "absolute"
      ? `${facts.fullScale} (absolute: probability x attention over its even share)`
      : `${maximum.toFixed(3)} of its attention (relative: own maximum)`;
    drawRamp(this.q(".lm-ramp"), table);
    const [px, py] = peak(field).map((v) => Math.round(100 * v));
    canvas.setAttribute("aria-label",
      `Film with map. ${name}. Strongest at ${px} % from the left, ${py} % from the top.`);
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
    const numbers = (n) => Array.from({ length: n }, (_, k) => [k + 1, String(k + 1)]);
    fill(".lm-colours", Object.keys(this.tables).map((name) => [name, name]));
    fill(".lm-layer", [["", "last"], ...numbers(layers)]);
    fill(".lm-headsel", [["", "mean"], ...numbers(heads)]);
  }
}

function mapName(state) {
  const { maps } = state.reading;
  const heads = maps.head === null ? "mean of heads" : `head ${maps.head}`;
  let which = "reading with pins";
  if (state.view.which === "free") which = "free reading";
  else if (!pinCount(state)) which = "free reading (no pins)";
  return `attention of the label branch, layer ${maps.layer}, ${heads}, ${which}`;
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
