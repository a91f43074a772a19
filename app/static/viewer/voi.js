// Values to gray: window and level on the film's real values, by the formulas of DICOM PS3.3
// C.11.2, and the presets. The same as `lmeran/imaging/window.py`.

import { numbersOf } from "./values.js";

// Ours, as shares of the film's pixels from dark to bright as shown: a radiograph's values have
// no fixed meaning (no Hounsfield units), so its own distribution has to stand in.
const OURS = [
  { name: "Full range", from: 0, to: 1 },
  { name: "Lung", from: 0.01, to: 0.7 },
  { name: "Soft tissue", from: 0.2, to: 0.995 },
  { name: "Bone", from: 0.45, to: 0.999 },
];

// {name, words, own, voi, centre, width} each: the file's own first, then ours.
export function presetsOf(values) {
  const own = values.facts.vois.map((voi) => ({
    name: voi.name, words: "", own: true, voi: withTable(voi), ...extent(voi),
  }));
  const ours = OURS.map(({ name, from, to }) => {
    const [low, high] = rangeOf(values, from, to);
    const voi = { kind: "ramp", name, low, high };
    const words = `${+(100 * from).toFixed(2)} to ${+(100 * to).toFixed(2)} %`;
    return { name, words, own: false, voi, ...extent(voi) };
  });
  return [...own, ...ours];
}

export function windowOf(presets, k) {
  const { name, centre, width, voi } = presets[k];
  return { preset: k, name, centre, width, function: functionOf(voi) };
}

// The window of a second film that follows the first one's: the same preset, moved in proportion,
// because the values of two devices do not compare.
export function linkedWindow(main, window, film) {
  const own = (presets) => presets.filter((p) => p.own).length;
  const base = main.presets[window.preset];
  const k = base.own ? 0 : window.preset - own(main.presets) + own(film.presets);
  const { width, centre } = film.presets[k];
  const sign = main.pixels.facts.inverted === film.pixels.facts.inverted ? 1 : -1;
  const moved = (sign * (window.centre - base.centre)) / base.width;
  return { ...windowOf(film.presets, k), centre: centre + moved * width,
           width: (window.width / base.width) * width };
}

// Gray 0 .. 255 of every code, as it is shown. window: {preset, centre, width}.
export function displayTable(values, presets, window, invert) {
  const { real, facts } = values, gray = curve(presets[window.preset].voi, window);
  const turned = facts.inverted !== invert;
  const table = new Uint8Array(65536);
  for (let code = 0; code < real.length; code++) {
    const share = gray(real[code]);
    table[code] = roundToEven((turned ? 1 - share : share) * 255);
  }
  if (facts.padding) table.fill(0, facts.padding[0], facts.padding[1] + 1);
  return table;
}

// A drag by (dx, dy) pixels: right widens, down darkens, both in proportion to the window.
export function dragged(window, dx, dy, inverted, most) {
  const width = Math.min(most * 8, Math.max(most / 4096, window.width * Math.exp(dx / 220)));
  const step = (dy / 260) * window.width * (inverted ? -1 : 1);
  return { ...window, width, centre: window.centre + step };
}

// The whole range of the film's values, for limits and steps.
export function spanOf(values) {
  const [low, high] = rangeOf(values, 0, 1);
  return Math.max(high - low, 1e-6);
}

function rangeOf(values, from, to) {
  const at = (share) => values.percentile(values.facts.inverted ? 1 - share : share);
  const [a, b] = [at(from), at(to)];
  const low = Math.min(a, b), high = Math.max(a, b);
  return high > low ? [low, high] : [low, low + 1];
}

function extent(voi) {
  if (voi.kind === "window") return { centre: voi.centre, width: voi.width };
  if (voi.kind === "ramp") return { centre: (voi.low + voi.high) / 2, width: voi.high - voi.low };
  const count = atob(voi.entries).length / 2;
  return { centre: voi.first + count / 2, width: count };
}

function functionOf(voi) {
  return { window: voi.function, ramp: "LINEAR_EXACT", table: "TABLE" }[voi.kind];
}

function withTable(voi) {
  return voi.kind === "table" ? { ...voi, table: numbersOf(voi.entries) } : voi;
}

// The curve of a VOI at another centre and width, from real values to 0 .. 1.
function curve(voi, { centre, width }) {
  if (voi.kind === "table") return tableCurve(voi, centre, width);
  if (functionOf(voi) === "SIGMOID") {
    return (x) => 1 / (1 + Math.exp(Math.min(700, Math.max(-700, (-4 * (x - centre)) / width))));
  }
  // Only LINEAR has the half pixel and the one less: it counts values, the others measure.
  const counts = functionOf(voi) === "LINEAR";
  const middle = counts ? centre - 0.5 : centre, wide = counts ? width - 1 : width;
  if (wide <= 0) return (x) => (x > middle ? 1 : 0);
  return (x) => Math.min(1, Math.max(0, (x - middle) / wide + 0.5));
}

// A table keeps its shape: moving the window stretches and shifts the values it is looked up by.
function tableCurve({ first, white, table }, centre, width) {
  const last = table.length - 1;
  return (x) => {
    const place = ((x - (centre - width / 2)) / width) * table.length + first;
    const index = Math.min(last, Math.max(0, roundToEven(place) - first));
    return table[index] / white;
  };
}

function roundToEven(x) {
  const rounded = Math.round(x);
  return rounded - x === 0.5 && rounded % 2 ? rounded - 1 : rounded;
}
