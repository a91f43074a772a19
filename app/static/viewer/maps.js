// The maps a reader can lay over the film: what each shows, its name, and its scale in words.

import { contour, paint, paintSigned, upsample } from "./overlay.js";
import { UNKNOWN, pinCount, shown } from "../state.js";

export const KINDS = [
  ["attention", "attention"],
  ["moved", "attention moved"],
  ["cam", "exact CAM"],
  ["sum", "image + label"],
];

// What may stand in the second view.
export const BESIDE = [
  ["", "nothing"],
  ["film", "film alone"],
  ["free", "attention, free"],
  ...KINDS,
  ["prior", "prior film"],
];

// {name, values, grid, field, canvas, segments, table, low, high, say} of one kind for the selected
// finding, or {name, missing} with the reason in words where there is no such map. say(value): the
// value of a place in words.
export function mapOf(kind, state, facts, tables) {
  const { reading, view, selected: i } = state;
  const maker = { attention, moved, cam, sum, free: (given) => attention(given, "free") }[kind];
  const made = maker({ reading, view, i, state, facts, tables });
  return { ...made, name: `${facts.findings[i]}: ${made.name}` };
}

function attention({ reading, view, i, state, facts, tables }, wanted = view.which) {
  const { maps } = reading;
  if (!maps) return { name: "attention", missing: "this model has no attention" };
  const pinned = isUntrained(reading, i, facts);
  const which = pinned ? "free" : wanted;
  const values = maps[which][i], maximum = Math.max(...values);
  const p = which === "free" ? reading.free[i] : shown(reading, i);
  const absolute = view.scale === "absolute";
  const toShare = absolute
    ? (a) => Math.min(1, (p * a * maps.tokens) / facts.fullScale)
    : (a) => (maximum > 0 ? a / maximum : 0);
  const grid = facts.model.grid, field = upsample(values, grid), table = tables[view.colours];
  let reader = "reading with pins";
  if (pinned && wanted === "pinned") reader = "pinned: free map shown";
  else if (which === "free") reader = "free reading";
  else if (!pinCount(state)) reader = "free reading (no pins)";
  return {
    name: `attention of the label branch, ${layerName(maps)}, ${reader}`,
    values,
    grid,
    field,
    canvas: paint(field, toShare, table),
    segments: view.contour && maximum > 0 ? contour(field, facts.contour * maximum) : [],
    table,
    low: "0",
    high: absolute
      ? `${facts.fullScale} (absolute: probability x attention over its even share)`
      : `${maximum.toFixed(3)} of its attention (relative: own maximum)`,
    say: (a) => `attention ${short(a)}, ${(a * maps.tokens).toFixed(2)} x its even share`,
  };
}

function moved(given) {
  const { reading, view, i, state, facts, tables } = given, { maps } = reading;
  const name = "attention moved by the pins (with pins minus free)";
  if (!maps) return { name, missing: "this model has no attention" };
  if (!pinCount(state)) return { name, missing: "nothing is pinned, so nothing moved" };
  if (isUntrained(reading, i, facts)) return attention(given);
  const values = maps.pinned[i].map((a, k) => (a - maps.free[i][k]) * maps.tokens);
  return signed(`${name}, ${layerName(maps)}`, values, facts.movedFullScale,
    "even shares of attention", { view, facts, tables });
}

// The last layer's attention of a pinned finding feeds nothing but its own output, which training
// never judges; the layers before it feed the other findings. A rollout holds the last layer.
function isUntrained({ pins, maps }, i, facts) {
  return pins[i] !== UNKNOWN && (maps.layer === 0 || maps.layer === facts.model.layers);
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
  const grid = facts.model.grid, field = upsample(values, grid);
  const words = absolute ? "absolute" : "relative: own maximum";
  return {
    name,
    values,
    grid,
    field,
    canvas: paintSigned(field, full, tables.signed),
    segments: [],
    table: tables.signed,
    low: `\u2212${short(full)}`,
    high: `+${short(full)} ${unit} (${words})`,
    say: (v) => `map ${v < 0 ? "\u2212" : "+"}${short(Math.abs(v))} ${unit.split(";")[0]}`,
  };
}

function layerName(maps) {
  const heads = maps.head === null ? "mean of heads" : `head ${maps.head}`;
  return `${maps.layer === 0 ? "rollout over all layers" : `layer ${maps.layer}`}, ${heads}`;
}

function short(x) {
  return x >= 1 ? String(+x.toFixed(2)) : x.toPrecision(2);
}
