// The maps a reader can lay over the film: what each shows, its name, and its scale in words.

import { contour, paint, paintSigned, upsample } from "./heat.js";
import { pinCount, shown } from "./state.js";

export const KINDS = [
  ["attention", "attention"],
  ["moved", "attention moved"],
  ["cam", "exact CAM"],
  ["sum", "image + label"],
];

// {name, field, canvas, segments, table, low, high} of one kind for the selected finding, or
// {name, missing} with the reason in words where there is no such map.
export function mapOf(kind, state, facts, tables) {
  const { reading, view, selected: i } = state;
  const maker = { attention, moved, cam, sum }[kind];
  const made = maker({ reading, view, i, state, facts, tables });
  return { ...made, name: `${facts.findings[i]}: ${made.name}` };
}

function attention({ reading, view, i, state, facts, tables }) {
  const { maps } = reading;
  if (!maps) return { name: "attention", missing: "this model has no attention" };
  const values = maps[view.which][i], maximum = Math.max(...values);
  const p = view.which === "free" ? reading.free[i] : shown(reading, i);
  const absolute = view.scale === "absolute";
  const toShare = absolute
    ? (a) => Math.min(1, (p * a * maps.tokens) / facts.fullScale)
    : (a) => (maximum > 0 ? a / maximum : 0);
  const field = upsample(values, facts.model.grid), table = tables[view.colours];
  let which = "reading with pins";
  if (view.which === "free") which = "free reading";
  else if (!pinCount(state)) which = "free reading (no pins)";
  return {
    name: `attention of the label branch, ${layerName(maps)}, ${which}`,
    field,
    canvas: paint(field, toShare, table),
    segments: view.contour && maximum > 0 ? contour(field, facts.contour * maximum) : [],
    table,
    low: "0",
    high: absolute
      ? `${facts.fullScale} (absolute: probability x attention over its even share)`
      : `${maximum.toFixed(3)} of its attention (relative: own maximum)`,
  };
}

function moved({ reading, view, i, state, facts, tables }) {
  const { maps } = reading;
  const name = "attention moved by the pins (with pins minus free)";
  if (!maps) return { name, missing: "this model has no attention" };
  if (!pinCount(state)) return { name, missing: "nothing is pinned, so nothing moved" };
  const values = maps.pinned[i].map((a, k) => (a - maps.free[i][k]) * maps.tokens);
  return signed(`${name}, ${layerName(maps)}`, values, facts.movedFullScale,
    "even shares of attention", { view, facts, tables });
}

function cam({ view, i, state, facts, tables }) {
  return signed("image part, exact class activation map", state.film.cam[i], facts.camFullScale,
    "logits; its mean is the image part", { view, facts, tables });
}

function sum({ view, i, state, facts, tables }) {
  const name = "image part (exact) plus label branch (attention-weighted, not exact)";
  if (state.reading.conditioned[i] === null) return { name, missing: "this finding is pinned" };
  const values = state.why?.sum[i];
  if (!values) return { name, missing: "being computed" };
  return signed(name, values, facts.camFullScale, "logits", { view, facts, tables });
}

// Signed maps: white is zero. The absolute scale is the same for every film and finding.
function signed(name, values, fullScale, unit, { view, facts, tables }) {
  const largest = Math.max(...values.map(Math.abs));
  const absolute = view.scale === "absolute";
  const full = absolute ? fullScale : largest || 1;
  const field = upsample(values, facts.model.grid);
  const words = absolute ? "absolute" : "relative: own maximum";
  return {
    name,
    field,
    canvas: paintSigned(field, full, tables.signed),
    segments: [],
    table: tables.signed,
    low: `\u2212${short(full)}`,
    high: `+${short(full)} ${unit} (${words})`,
  };
}

function layerName(maps) {
  const heads = maps.head === null ? "mean of heads" : `head ${maps.head}`;
  return `${maps.layer === 0 ? "rollout over all layers" : `layer ${maps.layer}`}, ${heads}`;
}

function short(x) {
  return x >= 1 ? String(+x.toFixed(2)) : x.toPrecision(2);
}
