// The two lines of text on a film: how it is shown, and what is under the pointer.

import { sample } from "./overlay.js";
import { describe, fitScale } from "./camera.js";

// window: centre and width in real values; viewport: its size in CSS pixels; title: said before.
export function lookText(film, { name, centre, width }, { camera, invert }, viewport, title) {
  const ratio = window.devicePixelRatio || 1;
  const scale = fitScale(camera, film.pixels, viewport) * camera.zoom * ratio;
  return [title, `C ${plain(centre)} W ${plain(width)}`, name, `zoom ${(100 * scale).toFixed(0)} %`,
    describe(camera), invert ? "inverted" : ""].filter(Boolean).join(" \u00b7 ");
}

// Position, value and the map's value at a point of the film in film pixels.
export function pointText(film, [x, y], map) {
  const found = film.pixels.at(x, y);
  if (!found) return "";
  const parts = [`x ${Math.floor(x)}, y ${Math.floor(y)}`, valueText(found, film.values)];
  if (map && !map.missing) {
    const [u, v] = [x / film.pixels.width, y / film.pixels.height];
    parts.push(map.say(sample(map.values, map.grid, u, v)));
  }
  return parts.join(" \u00b7 ");
}

function valueText({ value, padding }, { unit }) {
  return padding ? "padding" : `value ${plain(value)}${unit ? ` ${unit}` : ""}`;
}

// Whole numbers as they are, others to about four figures.
function plain(x) {
  if (Number.isInteger(x)) return String(x);
  return String(+(Math.abs(x) < 1000 ? x.toPrecision(4) : x.toFixed(1)));
}
