// The film on its canvas: zoom, pan, and the map blended over it. No round trip for any of it.

const ZOOM_MOST = 16;

export class FilmView {
  // shared: zoom, centre, turn and flip of `state.js`, shared by the views that are linked.
  constructor(stage, canvas, shared) {
    this.stage = stage;
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.bitmap = null;
    this.overlay = null; // {canvas, opacity, segments}
    this.invert = false;
    this.shared = shared;
    this.pointers = new Map();
    this.frame = 0;
    this.linked = null; // the other view of the same place
    new ResizeObserver(() => this.schedule()).observe(stage);
    this.listen();
  }

  setFilm(bitmap) {
    this.bitmap = bitmap;
    this.overlay = null;
    this.fit();
  }

  setOverlay(overlay) {
    this.overlay = overlay;
    this.schedule();
  }

  setInvert(on) {
    this.invert = on;
    this.schedule();
  }

  fit() {
    this.place(1, [0.5, 0.5]);
  }

  schedule() {
    if (!this.frame) this.frame = requestAnimationFrame(() => this.draw());
  }

  // Left, top, width, height of the film in CSS pixels of the stage.
  rectangle() {
    const w = this.stage.clientWidth, h = this.stage.clientHeight;
    const scale = Math.min(w / this.bitmap.width, h / this.bitmap.height) * this.shared.zoom;
    const fw = this.bitmap.width * scale, fh = this.bitmap.height * scale;
    return [w / 2 - this.shared.centre[0] * fw, h / 2 - this.shared.centre[1] * fh, fw, fh];
  }

  draw() {
    this.frame = 0;
    const ratio = window.devicePixelRatio || 1;
    const w = this.stage.clientWidth, h = this.stage.clientHeight;
    const pw = Math.round(w * ratio), ph = Math.round(h * ratio);
    if (this.canvas.width !== pw) this.canvas.width = pw;
    if (this.canvas.height !== ph) this.canvas.height = ph;
    const c = this.context;
    c.setTransform(ratio, 0, 0, ratio, 0, 0);
    c.clearRect(0, 0, w, h);
    if (!this.bitmap) return;
    const [x, y, fw, fh] = this.rectangle();
    c.imageSmoothingEnabled = true;
    c.imageSmoothingQuality = "high";
    c.filter = this.invert ? "invert(1)" : "none";
    c.drawImage(this.bitmap, x, y, fw, fh);
    c.filter = "none";
    if (this.overlay) this.drawOverlay(c, x, y, fw, fh);
  }

  drawOverlay(c, x, y, fw, fh) {
    c.globalAlpha = this.overlay.opacity;
    c.drawImage(this.overlay.canvas, x, y, fw, fh);
    c.globalAlpha = 1;
    if (!this.overlay.segments.length) return;
    for (const [width, colour] of [[3, "rgba(0,0,0,.55)"], [1.25, "rgba(255,255,255,.9)"]]) {
      c.beginPath();
      for (const [x0, y0, x1, y1] of this.overlay.segments) {
        c.moveTo(x + x0 * fw, y + y0 * fh);
        c.lineTo(x + x1 * fw, y + y1 * fh);
      }
      c.lineWidth = width;
      c.strokeStyle = colour;
      c.stroke();
    }
  }

  // Zoom by a factor, keeping the point of the film under (px, py) where it is.
  zoomAt(px, py, factor) {
    if (!this.bitmap) return;
    const [x, y, fw, fh] = this.rectangle();
    const u = (px - x) / fw, v = (py - y) / fh;
    const zoom = Math.min(ZOOM_MOST, Math.max(1, this.shared.zoom * factor));
    const grown = zoom / this.shared.zoom;
    const w = this.stage.clientWidth, h = this.stage.clientHeight;
    this.shared.zoom = zoom;
    this.shared.centre = zoom === 1
      ? [0.5, 0.5]
      : [u + (w / 2 - px) / (fw * grown), v + (h / 2 - py) / (fh * grown)];
    this.keepInView();
  }

  pan(dx, dy) {
    const [, , fw, fh] = this.rectangle();
    this.shared.centre = [this.shared.centre[0] - dx / fw, this.shared.centre[1] - dy / fh];
    this.keepInView();
  }

  keepInView() {
    this.place(this.shared.zoom, this.shared.centre.map((v) => Math.min(1, Math.max(0, v))));
  }

  place(zoom, centre) {
    Object.assign(this.shared, { zoom, centre });
    this.schedule();
    this.linked?.schedule();
  }

  listen() {
    const stage = this.stage;
    const local = (e) => {
      const box = stage.getBoundingClientRect();
      return [e.clientX - box.left, e.clientY - box.top];
    };
    stage.addEventListener("wheel", (e) => {
      if (!this.bitmap) return;
      e.preventDefault();
      this.zoomAt(...local(e), Math.exp(-e.deltaY * 0.0015));
    }, { passive: false });
    stage.addEventListener("dblclick", () => this.fit());
    this.canvas.addEventListener("pointerdown", (e) => {
      if (!this.bitmap) return;
      this.canvas.setPointerCapture(e.pointerId);
      this.pointers.set(e.pointerId, local(e));
    });
    this.canvas.addEventListener("pointermove", (e) => this.drag(e, local(e)));
    for (const end of ["pointerup", "pointercancel"]) {
      this.canvas.addEventListener(end, (e) => this.pointers.delete(e.pointerId));
    }
  }

  drag(e, now) {
    const before = this.pointers.get(e.pointerId);
    if (!before || !this.bitmap) return;
    this.pointers.set(e.pointerId, now);
    if (this.pointers.size === 1) {
      this.pan(now[0] - before[0], now[1] - before[1]);
      return;
    }
    const other = [...this.pointers].find(([id]) => id !== e.pointerId)[1];
    const span = (p) => Math.hypot(p[0] - other[0], p[1] - other[1]);
    const middle = [(now[0] + other[0]) / 2, (now[1] + other[1]) / 2];
    this.zoomAt(...middle, span(now) / Math.max(1, span(before)));
  }
}
