// What a reader draws on a film: lengths and boxes. Lengths are kept in film pixels, boxes as
// shares of the film's sides, so that both stay with the film however it is shown.

import { apply } from "./camera.js";

const LENGTH = "#ffd866", TRUTH = "#78dce8", HALO = "rgba(0,0,0,.75)";
const FONT = "12.5px system-ui, 'Segoe UI', 'Liberation Sans', Arial, sans-serif";
const SMALLEST = 4; // film pixels: what is smaller was a click

export function noAnnotations(boxes = []) {
  return { lines: [], boxes: boxes.map((box) => ({ ...box, by: "file" })), order: [] };
}

export function isDrawn([x0, y0], [x1, y1]) {
  return Math.hypot(x1 - x0, y1 - y0) >= SMALLEST;
}

export function addLine(annotations, from, to) {
  annotations.lines.push({ from, to });
  annotations.order.push("lines");
}

// A box between two corners in film pixels, of one finding, kept within the film.
export function addBox(annotations, finding, [x0, y0], [x1, y1], { width, height }) {
  const share = (v, side) => Math.min(1, Math.max(0, v / side));
  annotations.boxes.push({
    finding, by: "reader",
    left: share(Math.min(x0, x1), width), right: share(Math.max(x0, x1), width),
    top: share(Math.min(y0, y1), height), bottom: share(Math.max(y0, y1), height),
  });
  annotations.order.push("boxes");
}

// What the reader drew last goes; boxes that came with the film stay. Says what it was.
export function removeLast(annotations) {
  const kind = annotations.order.pop();
  if (!kind) return "";
  annotations[kind].pop();
  return kind === "lines" ? "length" : "box";
}

// {value, unit, source} of a line: in mm where the file states the size of a pixel, else in
// pixels.
export function lengthOf({ from, to }, spacing) {
  const dx = to[0] - from[0], dy = to[1] - from[1];
  if (!spacing) return { value: Math.hypot(dx, dy), unit: "px", source: "" };
  const value = Math.hypot(dx * spacing.column_mm, dy * spacing.row_mm);
  return { value, unit: "mm", source: spacing.source };
}

export function lengthText(line, spacing) {
  const { value, unit, source } = lengthOf(line, spacing);
  return `${value.toFixed(1)} ${unit}${source ? ` (${source})` : ""}`;
}

// annotations: {lines, boxes, spacing, finding (the selected one), draft: {kind, from, to} or
// null, cross: a point of the film or null}. matrix: film pixels to device pixels.
export function drawAnnotations(c, matrix, film, annotations, ratio) {
  const { lines, boxes, spacing, finding, names, draft, cross } = annotations;
  c.save();
  c.setTransform(1, 0, 0, 1, 0, 0);
  const draw = { c, ratio, at: (point) => apply(matrix, point) };
  for (const box of boxes) {
    const isSelected = box.finding === finding, isOwn = box.by === "reader";
    drawBox(draw, corners(box, film), names[box.finding], isSelected, isOwn);
  }
  for (const line of lines) drawLine(draw, line, lengthText(line, spacing));
  if (draft?.kind === "measure") drawLine(draw, draft, lengthText(draft, spacing));
  if (draft?.kind === "box") drawBox(draw, [draft.from, draft.to], names[finding], true, true);
  if (cross) drawCross(draw, cross);
  c.restore();
}

function corners({ left, top, right, bottom }, { width, height }) {
  return [[left * width, top * height], [right * width, bottom * height]];
}

function drawLine(draw, { from, to }, text) {
  const a = draw.at(from), b = draw.at(to);
  stroke(draw, LENGTH, () => {
    draw.c.moveTo(...a);
    draw.c.lineTo(...b);
    for (const end of [a, b]) {
      draw.c.moveTo(end[0] + 3 * draw.ratio, end[1]);
      draw.c.arc(...end, 3 * draw.ratio, 0, 7);
    }
  });
  const right = a[0] > b[0] ? a : b;
  label(draw, text, right[0] + 8 * draw.ratio, right[1], LENGTH);
}

// Boxes of the selected finding stand out; the reader's own are dashed.
function drawBox(draw, [first, second], name, selected, dashed) {
  const [x0, y0] = draw.at(first), [x1, y1] = draw.at(second);
  const left = Math.min(x0, x1), top = Math.min(y0, y1);
  draw.c.globalAlpha = selected ? 1 : 0.45;
  stroke(draw, TRUTH, () => draw.c.rect(left, top, Math.abs(x1 - x0), Math.abs(y1 - y0)), dashed);
  label(draw, name, left, top - 9 * draw.ratio, TRUTH);
  draw.c.globalAlpha = 1;
}

function drawCross(draw, point) {
  const [x, y] = draw.at(point), arm = 7 * draw.ratio, gap = 2 * draw.ratio;
  stroke(draw, "#fff", () => {
    for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
      draw.c.moveTo(x + gap * dx, y + gap * dy);
      draw.c.lineTo(x + arm * dx, y + arm * dy);
    }
  });
}

function stroke({ c, ratio }, colour, path, dashed = false) {
  c.beginPath();
  path();
  c.setLineDash([]);
  for (const [width, style] of [[3.5, HALO], [1.5, colour]]) {
    c.lineWidth = width * ratio;
    c.strokeStyle = style;
    if (style === colour && dashed) c.setLineDash([6 * ratio, 4 * ratio]);
    c.stroke();
  }
  c.setLineDash([]);
}

function label({ c, ratio }, text, x, y, colour) {
  c.font = FONT.replace("12.5px", `${12.5 * ratio}px`);
  const wide = c.measureText(text).width;
  const left = Math.max(2, Math.min(x, c.canvas.width - wide - 4 * ratio));
  const middle = Math.max(8 * ratio, y);
  c.textBaseline = "middle";
  c.lineJoin = "round";
  c.lineWidth = 3.5 * ratio;
  c.strokeStyle = HALO;
  c.strokeText(text, left, middle);
  c.fillStyle = colour;
  c.fillText(text, left, middle);
}
