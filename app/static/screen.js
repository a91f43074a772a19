// Everything on the screen but the film and the table: facts, detail, map and its legend.

import { make, options, terms } from "./dom.js";
import { detailTexts, gateSentences } from "./reading/fitted.js";
import { movedSentence } from "./reading/pins.js";
import { peak } from "./viewer/overlay.js";
import { BESIDE, KINDS, mapOf } from "./viewer/maps.js";
import { UNKNOWN, nameOf, percent, pinCount } from "./state.js";
import { localisationText } from "./viewer/localisation.js";

export class Screen {
  // viewport: shows the maps that are made here.
  constructor(root, facts, viewport) {
    this.root = root;
    this.q = (selector) => root.querySelector(selector);
    this.facts = facts;
    this.viewport = viewport;
    this.tables = Object.fromEntries(Object.entries(facts.colours).map(([name, base64]) =>
      [name, bytesOf(base64)]));
    this.tables.signed = bytesOf(facts.signed);
    this.fillSelects();
  }

  render(state) {
    this.q(".lm-prompt").hidden = Boolean(state.film);
    const count = pinCount(state);
    this.q(".lm-clear").hidden = !count;
    this.q(".lm-count").textContent = count ? `${count} pinned` : "nothing pinned";
    this.renderFacts(state);
    this.renderDetail(state);
    this.renderPayoff(state);
    this.renderMap(state);
  }

  renderFacts({ film, prior, reading }) {
    const lines = film?.lines ?? [];
    const isTitled = film?.title && film.title !== nameOf(film);
    const all = isTitled ? [["Film", film.title], ...lines] : lines;
    for (const [view, shown] of [[".lm-first", film], [".lm-second", prior]]) {
      const label = this.q(`${view} .lm-filmname`);
      label.textContent = label.title = nameOf(shown);
    }
    this.q(".lm-facts").replaceChildren(...all.map(([name, value]) => {
      const pair = make("div"); // name and value stay on one line
      pair.append(...terms([[name, value]]));
      return pair;
    }));
    const warnings = [...(film?.warnings ?? []), ...(reading?.warnings ?? [])];
    this.q(".lm-warnings").replaceChildren(...warnings.map((text) => make("li", "", text)));
    const unlike = gateSentences(film, prior);
    this.q(".lm-gate").hidden = !unlike.length;
    this.q(".lm-gate").textContent = unlike.join(" ");
    this.root.toggleAttribute("data-unlike", Boolean(film?.gate && !film.gate.accepted));
  }

  renderDetail(state) {
    const texts = state.reading ? detailTexts(this.facts, state) : [];
    this.q(".lm-detail").replaceChildren(
      ...(state.reading ? [make("strong", "", this.facts.findings[state.selected])] : []),
      ...texts.map((text) => make("span", "", text)));
  }

  // What the newest pin did. The same words are not announced twice.
  renderPayoff({ reading, before }) {
    const line = this.q(".lm-payoff p");
    const moved = reading ? movedSentence(this.facts.findings, before, reading) : "";
    const none = reading ? "Nothing is pinned: these numbers are of the image alone." : "";
    const text = moved || none;
    if (line.textContent !== text) line.textContent = text;
    line.title = moved ? "Percentage points since before this pin" : "";
    line.parentNode.toggleAttribute("data-moved", Boolean(moved));
    this.q(".lm-change").hidden = !moved || !reading.maps || !reading.pins.some(Boolean);
  }

  renderMap(state) {
    const { film, prior, view } = state, beside = film ? view.beside : "";
    this.q(".lm-second").hidden = !beside;
    this.q(".lm-second").classList.toggle("lm-wantsprior", beside === "prior");
    this.q(".lm-priorprompt").hidden = beside !== "prior" || Boolean(prior);
    const first = film && this.lay(state, view.kind, ".lm-first > canvas", ".lm-caption1");
    this.q(".lm-caption1").hidden = !film;
    this.q(".lm-caption2").hidden = !beside;
    const second = beside && this.lay(this.stateBeside(state), this.kindBeside(view),
      ".lm-second > canvas", ".lm-caption2");
    this.viewport.setMaps({ first: first || null, second: second || null });
    this.q(".lm-trust").textContent = first?.trust ?? "";
    this.renderTruth(state, first);
  }

  // The second view's map, and the state it is of: the prior film is read free.
  kindBeside({ kind, beside }) {
    if (beside !== "prior") return beside;
    return kind === "cam" ? "cam" : "free";
  }

  stateBeside(state) {
    const { prior, view } = state;
    if (view.beside !== "prior") return state;
    return { ...state, film: prior, reading: prior?.reading ?? null, why: null,
             pins: state.pins.map(() => UNKNOWN) };
  }

  // The map of one view, with its name and scale in the caption; null where there is none.
  lay(state, kind, canvasSelector, captionSelector) {
    const { film, reading, view, selected } = state;
    const canvas = this.q(canvasSelector), caption = this.q(captionSelector);
    const prior = film && film === state.prior ? "Prior film" : "Film";
    const hasMap = reading && view.map && kind !== "film";
    const map = hasMap ? mapOf(kind, state, this.facts, this.tables) : null;
    let text = map ? map.name : `${prior} without map`;
    if (map?.missing) text = `${map.name}: ${map.missing}`;
    if (!film) text = "No film is open";
    if (prior === "Prior film") text = `${prior}, free ${percent(reading.free[selected])}. ${text}`;
    caption.querySelector(".lm-mapname").textContent = text;
    const drawn = map && !map.missing;
    caption.querySelector(".lm-scalebar").hidden = !drawn;
    let label = film ? `${prior} without map. ${text}` : text;
    if (drawn) {
      caption.querySelector(".lm-rampmin").textContent = map.low;
      caption.querySelector(".lm-rampmax").textContent = map.high;
      drawRamp(caption.querySelector(".lm-ramp"), map.table);
      const [px, py] = peak(map.field).map((v) => Math.round(100 * v));
      const at = `Strongest at ${px} % from the left, ${py} % from the top.`;
      label = `${prior} with map. ${text}. ${at}`;
    }
    canvas.setAttribute("aria-label", label);
    return map;
  }

  renderTruth({ film, selected }, map) {
    const boxes = film ? film.annotations.boxes.filter((box) => box.finding === selected) : [];
    const seen = map && [map.missing, [...map.values ?? []]];
    const shown = JSON.stringify([film?.token, selected, boxes, seen]);
    if (shown === this.compared) return; // most changes leave the map as it is
    this.compared = shown;
    const text = film
      ? localisationText(this.facts.findings[selected], boxes, map, this.facts.contour, film) : "";
    this.q(".lm-truth").textContent = text;
    this.q(".lm-truth").hidden = !text;
  }

  fillSelects() {
    const fill = (selector, pairs) => this.q(selector).replaceChildren(...options(pairs));
    const { layers, heads } = this.facts.model;
    const numbers = (word, n) => Array.from({ length: n }, (_, k) => [k + 1, `${word} ${k + 1}`]);
    fill(".lm-colours", Object.keys(this.facts.colours).map((name) => [name, name]));
    fill(".lm-kind", KINDS);
    this.q(".lm-kind").value = this.facts.model.maps.opens;
    fill(".lm-beside", BESIDE);
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
