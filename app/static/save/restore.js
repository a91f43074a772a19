// A view that was written down (a reading file, a link) back onto the screen. What it does not
// say, or says in another shape than a view has, stays as it is.

import { restoreView, viewState } from "./view.js";

const BOXES = { ".lm-map": "map", ".lm-contour": "contour" };
const CHOICES = { ".lm-colours": "colours", ".lm-scale": "scale", ".lm-which": "which",
                  ".lm-kind": "kind", ".lm-beside": "beside" };
const NUMBERS = { ".lm-layer": "layer", ".lm-headsel": "head" };

export function restore(root, state, view) {
  const now = viewState(state);
  const merged = alike(now, view);
  // A choice that the controls do not offer is none.
  for (const [selector, name] of Object.entries({ ...CHOICES, ...NUMBERS })) {
    if (!offers(root.querySelector(selector), merged.map[name])) merged.map[name] = now.map[name];
  }
  if (!(merged.selected in state.pins)) merged.selected = now.selected;
  if (!merged.window) merged.window = now.window;
  restoreView(state, merged);
  showControls(root, state);
}

// The controls as the view has them: they are what the screen reads it from.
export function showControls(root, { view, sort }) {
  const q = (selector) => root.querySelector(selector);
  for (const [selector, name] of Object.entries(BOXES)) q(selector).checked = view[name];
  for (const [selector, name] of Object.entries(CHOICES)) q(selector).value = view[name];
  for (const [selector, name] of Object.entries(NUMBERS)) q(selector).value = view[name] ?? "";
  q(".lm-opacity").value = Math.round(100 * view.opacity);
  q(".lm-sort").value = sort;
}

function offers(select, value) {
  return [...select.options].some((option) => option.value === String(value ?? ""));
}

// `given` where it has the shape of `now`, `now` elsewhere.
function alike(now, given) {
  if (given === undefined) return now;
  if (now === null || given === null) {
    return isScalar(now ?? given) || isWindow(now ?? given) ? given : now;
  }
  if (Array.isArray(now)) {
    const fits = Array.isArray(given) && given.length === now.length;
    return fits ? now.map((value, k) => alike(value, given[k])) : now;
  }
  if (typeof now !== "object") return typeof given === typeof now ? given : now;
  if (typeof given !== "object" || Array.isArray(given)) return now;
  const entries = Object.entries(now).map(([key, value]) => [key, alike(value, given[key])]);
  return Object.fromEntries(entries);
}

function isScalar(value) {
  return ["number", "string", "boolean"].includes(typeof value);
}

function isWindow(value) {
  return Number.isFinite(value?.centre) && Number.isFinite(value?.width);
}
