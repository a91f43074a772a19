// One view of a film: the film through its grays, the map over it, annotations and texts over
// both.
// It draws what `show` was given; what the hand does goes to `gestures.js`.

import { apply, inverse, toDevice } from "./camera.js";
import { drawAnnotations } from "./annotations.js";

export class FilmView {
  // renderer: shared by all views.
  constructor(viewport, canvas, renderer) {
    Object.assign(this, { viewport, canvas, renderer });
    this.context = canvas.getContext("2d");
    this.shown = null; // {values, table, camera, overlay, annotations}
    this.frame = 0;
    new ResizeObserver(() => this.schedule()).observe(canvas);
  }

  // values: FilmValues, null for an empty viewport; table: gray of each code; camera: see
  // `state.js`; overlay: null or {canvas, opacity, segments}; annotations: what `drawAnnotations`
  // draws.
  show(shown) {
    this.shown = shown;
    this.schedule();
  }

  get film() {
    return this.shown?.values ?? null;
  }

  size() {
    return [this.canvas.clientWidth, this.canvas.clientHeight];
  }

  schedule() {
    if (!this.frame) this.frame = requestAnimationFrame(() => this.draw());
  }

  draw() {
    this.frame = 0;
    const ratio = window.devicePixelRatio || 1, c = this.context;
    const [width, height] = this.size().map((side) => Math.max(1, Math.round(side * ratio)));
    if (this.canvas.width !== width) this.canvas.width = width;
    if (this.canvas.height !== height) this.canvas.height = height;
    c.setTransform(1, 0, 0, 1, 0, 0);
    c.clearRect(0, 0, width, height);
    if (!this.film) return;
    const { values, table, camera, overlay, annotations } = this.shown;
    const matrix = toDevice(camera, values, this.size(), ratio);
    const painted = this.renderer.paint(values, table, inverse(matrix), width, height);
    c.drawImage(painted, 0, 0, width, height, 0, 0, width, height);
    if (overlay) drawOverlay(c, matrix, values, overlay, ratio);
    if (annotations) drawAnnotations(c, matrix, values, annotations, ratio);
  }
}

function drawOverlay(c, matrix, { width, height }, { canvas, opacity, segments }, ratio) {
  c.save();
  c.setTransform(...matrix);
  c.globalAlpha = opacity;
  c.imageSmoothingQuality = "medium"; // the map is smooth already
  c.drawImage(canvas, 0, 0, width, height);
  c.restore();
  if (!segments.length) return;
  c.beginPath();
  for (const [x0, y0, x1, y1] of segments) {
    c.moveTo(...apply(matrix, [x0 * width, y0 * height]));
    c.lineTo(...apply(matrix, [x1 * width, y1 * height]));
  }
  for (const [thickness, colour] of [[3, "rgba(0,0,0,.55)"], [1.25, "rgba(255,255,255,.9)"]]) {
    c.lineWidth = thickness * ratio;
    c.strokeStyle = colour;
    c.stroke();
  }
}
