// The maps a reader can lay over the film: what each shows, its name, its scale and how far to
// trust it in words.

import { contour, paint, paintSigned, signedTable, upsample } from "./overlay.js";
import { UNKNOWN, pinCount, shown } from "../state.js";

export const KINDS = [
  ["cam", "image evidence"],
  ["attention", "attention"],
  ["moved", "attention moved"],
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

const FLOOR = 0.4; // share of the scale below which the film is left clear, as the contour's level

// One sentence on how far to trust each kind.
const TRUST = {
  cam: "Exact: the parts of the film that raise the image's share of this number; pins do not "
    + "change it.",
  attention: "Where the label looked on the film, which is not evidence for the finding.",
  moved: "Where the pins made the label look more, and less; not evidence for the finding.",
  sum: "An estimate: the image's share is exact, the label's is spread as its attention lies.",
};

// {name, trust, values, grid, field, canvas, segments, table, low, high, say} of one kind for the
// selected finding, or {name, trust, missing} with the reason in words where there is no such
// map. say(value): the value of a place in words.
export function mapOf(kind, state, facts, tables) {
  const { reading, view, selected: i } = state;
  const maker = { attention, moved, cam, sum, free: (given) => attention(given, "free") }[kind];
  const made = maker({ reading, view, i, state, facts, tables });
  const of = kind === "free" ? "attention" : kind;
  const trust = trustOf(of, facts.model.maps);
  return { ...made, name: `${facts.findings[i]}: ${made.name}`, trust };
}

function trustOf(kind, { boxes, measured }) {
  const found = measured[kind];
  if (!found) return `${TRUST[kind]} Not measured against boxes here.`;
  const [inside, overlap] = [found.pointing, found.IoU].map((share) => Math.round(100 * share));
  return `${TRUST[kind]} Its peak lay inside ${inside} % of ${boxes} boxes on test films, its `
    + `contour overlapped them by ${overlap} %.`;
}

function attention({ reading, view, i, state, facts, tables }, wanted = view.which) {
  const { maps } = reading;
  if (!maps) return { name: "attention", missing: "this model has no attention" };
  const pinned = isUntrained(reading, i, facts);
  const which = pinned ? "free" : wanted;
  const p = which === "free" ? reading.free[i] : shown(reading, i);
  let reader = "reading with pins";
  if (pinned && wanted === "pinned") reader = "pinned: free map shown";
  else if (which === "free") reader = "free reading";
  else if (!pinCount(state)) reader = "free reading (no pins)";
  return positive(`attention of the label branch, ${layerName(maps)}, ${reader}`, maps[which][i], {
    weight: p * maps.tokens,
    fullScale: facts.fullScale,
    unit: "probability x attention over its even share",
    say: (a) => `attention ${short(a)}, ${(a * maps.tokens).toFixed(2)} x its even share`,
  }, { view, facts, tables });
}

function moved(given) {
  const { reading, view, i, state, facts, tables } = given, { maps } = reading;
  const name = "attention moved by the pins (with pins minus free)";
  if (!maps) return { name, missing: "this model has no attention" };
  if (!pinCount(state)) return { name, missing: "nothing is pinned, so nothing moved" };
  if (isUntrained(reading, i, facts)) return attention(given);
  const values = maps.pinned[i].map((a, k) => (a - maps.free[i][k]) * maps.tokens);
  return signed(`${name}, ${layerName(maps)}`, values, { view, facts, tables });
}

// The last layer's attention of a pinned finding feeds nothing but its own output, which training
// never judges; the layers before it feed the other findings. A rollout holds the last layer.
function isUntrained({ pins, maps }, i, facts) {
  return pins[i] !== UNKNOWN && (maps.layer === 0 || maps.layer === facts.model.layers);
}

function cam({ view, i, state, facts, tables }) {
  const given = { view, facts, tables };
  return evidence("image part, exact class activation map", state.film.cam[i], given);
}

function sum({ view, i, state, facts, tables }) {
  const name = "image part (exact) plus label branch (attention-weighted, not exact)";
  if (state.reading.conditioned[i] === null) return { name, missing: "this finding is pinned" };
  const values = state.why?.sum[i];
  if (!values) return { name, missing: "being computed" };
  return evidence(name, values, { view, facts, tables });
}

// Logits that a whole film like the place would give. What speaks against the finding stays
// clear.
function evidence(name, values, given) {
  return positive(name, values, {
    weight: 1, fullScale: given.facts.camFullScale, unit: "logits for it", say: sayLogits,
  }, given);
}

function sayLogits(v) {
  return `map ${sign(v)}${short(Math.abs(v))} logits`;
}

// A map of what lies above zero. The absolute scale is the same for every film and finding, and
// ends higher where a map goes beyond it, so that its peak is seen.
function positive(name, values, { weight, fullScale, unit, say }, { view, facts, tables }) {
  const largest = weight * Math.max(...values, 0), table = tables[view.colours];
  const { full, words } = scaleOf(view, largest, fullScale);
  const drawn = laid(name, values, table, view, facts);
  const canvas = paint(drawn.field, (v) => (weight * v) / full, FLOOR, table);
  return { ...drawn, canvas, low: "0", high: `${short(full)} ${unit} (${words})`, say };
}

function signed(name, values, { view, facts, tables }) {
  const largest = Math.max(...values.map(Math.abs)), unit = "even shares of attention";
  const { full, words } = scaleOf(view, largest, facts.movedFullScale);
  const table = signedTable(tables.signed, tables[view.colours]);
  const drawn = laid(name, values, table, view, facts);
  return {
    ...drawn,
    canvas: paintSigned(drawn.field, full, FLOOR, table),
    low: `\u2212${short(full)}`,
    high: `+${short(full)} ${unit} (${words})`,
    say: (v) => `map ${sign(v)}${short(Math.abs(v))} ${unit}`,
  };
}

function laid(name, values, table, view, facts) {
  const { grid } = facts.model, field = upsample(values, grid), most = Math.max(...values);
  const segments = view.contour && most > 0 ? contour(field, facts.contour * most) : [];
  return { name, values, grid, field, segments, table };
}

// {full, words}: the value that gets full colour, and what is said of the scale.
function scaleOf({ scale }, largest, fullScale) {
  const absolute = scale === "absolute";
  const beyond = largest > fullScale ? ", up to this map's peak" : "";
  const full = absolute ? Math.max(fullScale, largest) : largest || 1;
  const kind = absolute ? `absolute${beyond}` : "relative: own maximum";
  return { full, words: `${kind}; clear below ${Math.round(100 * FLOOR)} % of it` };
}

function layerName(maps) {
  const heads = maps.head === null ? "mean of heads" : `head ${maps.head}`;
  return `${maps.layer === 0 ? "rollout over all layers" : `layer ${maps.layer}`}, ${heads}`;
}

function sign(v) {
  return v < 0 ? "\u2212" : "+";
}

function short(x) {
  return x >= 1 ? String(+x.toFixed(2)) : x.toPrecision(2);
}
