// How a map agrees with true boxes: overlap at the contour's threshold, and whether it points
// into them. On a raster of the film's shape, bilinear between cell centres, as on the server.

import { upsample } from "./overlay.js";

const SIDE = 768; // pixels of the raster's longer side

// values: a map over grid x grid cells; boxes: {left, top, right, bottom} as shares of the film's
// sides, taken together; level: share of the map's own maximum. {iou, pointed, peak: [u, v]},
// null where the map has no positive value.
function agreement(values, grid, boxes, level, film) {
  const scale = SIDE / Math.max(film.width, film.height);
  const width = Math.max(1, Math.round(film.width * scale));
  const height = Math.max(1, Math.round(film.height * scale));
  const field = upsample(values, grid, width, height);
  let best = 0;
  for (let i = 1; i < field.length; i++) if (field[i] > field[best]) best = i;
  if (!(field[best] > 0)) return null;
  const peak = [((best % width) + 0.5) / width, (Math.floor(best / width) + 0.5) / height];
  const boxed = cover(boxes, width, height), threshold = level * field[best];
  let both = 0, either = 0;
  for (let i = 0; i < field.length; i++) {
    const found = field[i] >= threshold;
    both += found && boxed[i];
    either += found || boxed[i];
  }
  return { iou: both / either, pointed: Boolean(boxed[best]), peak };
}

// The rectangle, in shares of the film's sides, round the part of a map that holds its maximum
// and lies at or above `level` of it: what the contour at the peak encloses. null without one.
export function regionAroundPeak(values, grid, level, side = 96) {
  const field = upsample(values, grid, side);
  const peak = field.indexOf(Math.max(...field)), threshold = level * field[peak];
  if (!(field[peak] > 0)) return null;
  const seen = new Set([peak]), columns = [], rows = [];
  for (const k of seen) { // grows while it is walked
    const x = k % side, y = Math.floor(k / side);
    columns.push(x);
    rows.push(y);
    const beside = [x > 0 && k - 1, x < side - 1 && k + 1, y > 0 && k - side,
                    y < side - 1 && k + side];
    for (const next of beside) {
      if (next !== false && field[next] >= threshold) seen.add(next);
    }
  }
  return { left: Math.min(...columns) / side, right: (Math.max(...columns) + 1) / side,
           top: Math.min(...rows) / side, bottom: (Math.max(...rows) + 1) / side };
}

// Which pixels of the raster have their centre in a box.
function cover(boxes, width, height) {
  const covered = new Uint8Array(width * height);
  for (const { left, top, right, bottom } of boxes) {
    const from = Math.max(0, Math.ceil(left * width - 0.5)), to = Math.ceil(right * width - 0.5);
    const first = Math.max(0, Math.ceil(top * height - 0.5));
    for (let y = first; y < Math.min(height, bottom * height - 0.5); y++) {
      covered.fill(1, y * width + from, y * width + Math.min(width, to));
    }
  }
  return covered;
}

// The result in words, for the selected finding's boxes.
export function localisationText(name, boxes, map, level, film) {
  if (!boxes.length) return "";
  const whose = boxes.some((box) => box.by === "reader") ? "drawn here" : "known";
  const what = `${name}: ${boxes.length === 1 ? "box" : `${boxes.length} boxes`} ${whose}`;
  if (!map || map.missing) return `${what}; no map is shown to compare`;
  const found = agreement(map.values, map.grid, boxes, level, film);
  if (!found) return `${what}; the map has no positive value to compare`;
  const peak = found.pointed ? "its peak lies inside" : "its peak lies outside";
  return `${what}. The map at ${level} of its maximum: IoU ${found.iou.toFixed(2)}, ${peak}`;
}
