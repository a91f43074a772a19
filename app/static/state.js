// What is on the screen, as plain data, and the few pure functions that read it.

export const UNKNOWN = 0;
export const NEGATIVE = 1;
export const POSITIVE = 2;

export const CHANGE_SHOWN = 0.0005; // smaller changes of a probability are drawn as none

// kind: the map that is seen first.
export function initialState(findings, kind) {
  return {
    // the server's facts (token, width, height, lines, warnings, title, spacing, values) and,
    // from `viewport.js`: pixels (FilmValues), presets and annotations
    film: null,
    prior: null, // the same of an earlier film beside it
    reading: null, // the newest answer of the server
    readingSeq: 0, // number of the request it answers
    why: null, // the newest explanation, with the number of its request
    before: null, // {pins, values}: pins and shown probabilities before the newest pin
    pins: findings.map(() => UNKNOWN),
    selected: 0,
    sort: "fixed",
    sent: 0, // number of the newest request
    view: {
      map: true, kind, contour: true, opacity: 0.35, colours: "inferno",
      scale: "absolute", which: "pinned", layer: null, head: null,
      beside: "", // what the second view shows, "" for none
      // zoom 1: the whole film fits; centre: point of the film in the middle of the viewport,
      // 0 .. 1; turn: quarter turns clockwise, after the flip of left and right
      camera: { zoom: 1, centre: [0.5, 0.5], turn: 0, flip: false },
      // {preset, name, centre, width, function} in the film's real values; null without a film
      window: null,
      invert: false,
      // what a drag does: window, pan, measure or box
      tool: window.matchMedia("(pointer: coarse)").matches ? "pan" : "window",
    },
  };
}

// What a reader calls a film: its file's name, which this page alone knows, or its title.
export function nameOf(film) {
  return film?.source.item?.label ?? film?.title ?? "";
}

// The probability a reader may see: with pins, or the free one where pinned.
export function shown(reading, i) {
  const p = reading.conditioned[i];
  return p === null ? reading.free[i] : p;
}

export function change(reading, i) {
  const p = reading.conditioned[i];
  return p === null ? null : p - reading.free[i];
}

export function pinCount(state) {
  return state.pins.filter((p) => p !== UNKNOWN).length;
}

export function rowOrder(state) {
  const order = state.pins.map((_, i) => i);
  if (!state.reading || state.sort === "fixed") return order;
  const key = state.sort === "probability"
    ? (i) => -shown(state.reading, i)
    : (i) => -Math.abs(change(state.reading, i) ?? -1);
  return order.sort((a, b) => key(a) - key(b) || a - b);
}

export function percent(p) {
  const x = 100 * p;
  if (x < 0.01) return "<0.01 %";
  if (x > 99.9 && x < 100) return ">99.9 %";
  return `${x.toFixed(x < 1 ? 2 : 1)} %`;
}

export function points(delta) {
  if (Math.abs(delta) < CHANGE_SHOWN / 5) return "0";
  const x = 100 * Math.abs(delta);
  return `${delta < 0 ? "\u2212" : "+"}${x.toFixed(x < 1 ? 2 : 1)}`;
}

// Position of a probability on the log-odds axis, 0 .. 1 from 0.1 % to 99.9 %.
export function axisPosition(p) {
  const ends = Math.log(999);
  const clipped = Math.min(0.999, Math.max(0.001, p));
  return (Math.log(clipped / (1 - clipped)) + ends) / (2 * ends);
}
