// The film's side of the screen: two linked views, their window and camera, and what is drawn on
// them. It holds no state of its own but what it computed; `state.view` says what is seen.

import { FilmView } from "./film.js";
import { listenToHands } from "./gestures.js";
import { addBox, addLine, isDrawn, lengthText, noAnnotations, removeLast } from "./annotations.js";
import { Renderer } from "./renderer.js";
import {
  actualSize, apply, describe, fitScale, flipped, inverse, panned, patientSides, toViewport, turned,
  wholeFilm, zoomedAt,
} from "./camera.js";
import { lookText, pointText } from "./readout.js";
import { displayTable, dragged, linkedWindow, presetsOf, spanOf, windowOf } from "./voi.js";

const STEP = 40; // viewport pixels of one press of an arrow key

export class Viewport {
  // tell(text): announces what happened; drawn(): a mark came or went.
  constructor(root, facts, state, { tell, drawn }) {
    Object.assign(this, { root, facts, state, tell, drawn });
    const q = (selector) => root.querySelector(selector);
    this.renderer = new Renderer();
    this.first = new FilmView(q(".lm-first"), q(".lm-first > canvas"), this.renderer);
    this.second = new FilmView(q(".lm-second"), q(".lm-second > canvas"), this.renderer);
    this.maps = { first: null, second: null };
    this.tables = new WeakMap(); // pixels -> {key, table}
    this.draft = null; // {kind, view, from, to} being drawn
    this.cursor = null; // {view, point} of the viewport that the pointer is at
    this.changed = () => {}; // the window, camera or tool did
    this.seen = this.first.size(); // of the first view, when it last changed
    new ResizeObserver(() => this.resized()).observe(this.first.canvas);
    for (const view of [this.first, this.second]) {
      listenToHands(view, {
        tool: () => state.view.tool,
        zoomAt: (v, point, factor) => this.zoomAt(v, point, factor),
        panBy: (v, dx, dy) => this.panBy(v, dx, dy),
        windowBy: (dx, dy) => this.windowBy(dx, dy),
        draw: (...given) => this.draw(...given),
        hover: (...given) => this.hover(...given),
        fit: () => this.fit(),
      });
    }
  }

  // ---- films and maps come and go

  open(film, pixels) {
    this.close();
    this.prepare(film, pixels);
    Object.assign(this.state.view, { window: windowOf(film.presets, 0), invert: false });
    Object.assign(this.state.view.camera, wholeFilm());
  }

  openPrior(film, pixels) {
    if (this.state.prior) this.renderer.drop(this.state.prior.pixels);
    this.prepare(film, pixels);
  }

  prepare(film, pixels) {
    Object.assign(film, { pixels, presets: presetsOf(pixels), span: spanOf(pixels),
                          annotations: noAnnotations(film.boxes) });
  }

  close() {
    const { film, prior } = this.state;
    for (const each of [film, prior].filter(Boolean)) this.renderer.drop(each.pixels);
    this.cursor = this.draft = null;
    this.state.view.window = null;
  }

  // maps: {first, second} as `mapOf` makes them, null where only the film is seen.
  setMaps(maps) {
    this.maps = maps;
    this.refresh();
  }

  refresh() {
    const { film, prior, view } = this.state;
    this.show(this.first, film, this.maps.first);
    this.show(this.second, view.beside === "prior" ? prior : view.beside && film, this.maps.second);
    for (const { viewport } of [this.first, this.second]) {
      viewport.dataset.tool = view.tool;
      viewport.toggleAttribute("data-closer", view.camera.zoom > 1);
    }
    this.changed();
  }

  show(view, film, map) {
    const { look, cursor } = this.texts(view);
    look.textContent = cursor.textContent = "";
    const sides = patientSides(this.state.view.camera, film?.directions ?? "");
    const shown = view.viewport.querySelectorAll(".lm-side");
    shown.forEach((each, k) => { each.textContent = sides[k]; });
    if (!film) return view.show(null);
    const overlay = map && !map.missing
      ? { canvas: map.canvas, segments: map.segments, opacity: this.state.view.opacity } : null;
    const window = this.windowFor(film);
    const point = this.pointOn(view, film);
    const name = film === this.state.prior ? "Prior film" : "";
    look.textContent = lookText(film, window, this.state.view, view.size(), name);
    cursor.textContent = point ? pointText(film, point, map) : "";
    view.show({
      values: film.pixels, table: this.tableFor(film, window), overlay,
      camera: this.state.view.camera,
      annotations: {
        ...film.annotations, spacing: film.spacing,
        finding: this.state.selected, names: this.facts.findings,
        draft: this.draft?.view === view ? this.draft : null,
        cross: this.cursor?.view === view ? null : point,
      },
    });
  }

  // The prior film has values of its own: it follows the window in proportion.
  windowFor(film) {
    const { film: main, view } = this.state;
    return film === main ? view.window : linkedWindow(main, view.window, film);
  }

  tableFor(film, window) {
    const { invert } = this.state.view;
    const key = [window.preset, window.centre, window.width, invert].join();
    const kept = this.tables.get(film.pixels);
    if (kept?.key === key) return kept.table;
    const table = displayTable(film.pixels, film.presets, window, invert);
    this.tables.set(film.pixels, { key, table });
    return table;
  }

  // A film that fits goes on fitting; one that does not keeps its scale.
  resized() {
    const { film, view: { camera } } = this.state, before = this.seen;
    this.seen = this.first.size();
    if (!film) return;
    const [then, now] = [before, this.seen].map((size) => fitScale(camera, film.pixels, size));
    if (camera.zoom !== 1 && then && now) camera.zoom *= then / now;
    this.refresh();
  }

  // ---- window

  usePreset(k) {
    if (!this.state.film?.presets[k]) return;
    this.state.view.window = windowOf(this.state.film.presets, k);
    this.refresh();
    this.tell(`Window: ${this.state.view.window.name}`);
  }

  // Key 1: the file's own windows, one after the other; 2 to 5: ours.
  usePresetKey(key) {
    const { presets } = this.state.film, own = presets.filter((p) => p.own).length;
    const at = this.state.view.window.preset;
    if (key === 1) this.usePreset(at < own && this.isPreset() ? (at + 1) % own : 0);
    else this.usePreset(own + key - 2);
  }

  isPreset() {
    const { film, view } = this.state, { centre, width } = film.presets[view.window.preset];
    return view.window.centre === centre && view.window.width === width;
  }

  windowBy(dx, dy) {
    const { film, view } = this.state;
    const { inverted } = film.pixels.facts;
    view.window = dragged(view.window, dx, dy, inverted !== view.invert, film.span);
    this.refresh();
  }

  invert() {
    this.state.view.invert = !this.state.view.invert;
    this.refresh();
    this.tell(this.state.view.invert ? "Inverted" : "Not inverted");
  }

  // ---- camera

  setCamera(camera) {
    Object.assign(this.state.view.camera, camera);
    this.refresh();
  }

  zoomAt(view, point, factor) {
    const ratio = window.devicePixelRatio || 1;
    this.setCamera(zoomedAt(this.state.view.camera, view.film, view.size(), point, factor, ratio));
  }

  zoomBy(factor) {
    this.zoomAt(this.first, this.first.size().map((side) => side / 2), factor);
  }

  panBy(view, dx, dy) {
    this.setCamera(panned(this.state.view.camera, view.film, view.size(), dx, dy));
  }

  fit() {
    this.setCamera({ zoom: 1, centre: [0.5, 0.5] });
  }

  actual() {
    const { film, view } = this.state;
    const ratio = window.devicePixelRatio || 1;
    this.setCamera(actualSize(view.camera, film.pixels, this.first.size(), ratio));
  }

  turn(by) {
    this.setCamera(turned(this.state.view.camera, by));
    this.tell(describe(this.state.view.camera) || "Upright");
  }

  flip() {
    this.setCamera(flipped(this.state.view.camera));
    this.tell(describe(this.state.view.camera) || "Not flipped");
  }

  reset() {
    const { film, view } = this.state;
    Object.assign(view, { invert: false, window: windowOf(film.presets, 0) });
    this.setCamera(wholeFilm());
    this.tell("View reset");
  }

  // An arrow key with Shift: what a drag with the tool does.
  nudge(x, y) {
    if (this.state.view.tool === "window") this.windowBy((x * STEP) / 2, (y * STEP) / 2);
    else this.panBy(this.first, x * STEP, y * STEP);
  }

  // ---- annotations

  draw(view, kind, phase, point) {
    const film = this.filmOf(view), at = this.filmPoint(view, point);
    if (phase === "start") this.draft = { kind, view, from: at, to: at };
    if (phase === "move" && this.draft) this.draft.to = at;
    if (phase === "end" && this.draft && isDrawn(this.draft.from, at)) {
      if (kind === "measure") {
        addLine(film.annotations, this.draft.from, at);
        this.tell(`Length ${lengthText({ from: this.draft.from, to: at }, film.spacing)}`);
      } else {
        addBox(film.annotations, this.state.selected, this.draft.from, at, film.pixels);
        this.tell(`Box of ${this.facts.findings[this.state.selected]}`);
      }
    }
    if (phase === "end" || phase === "cancel") this.draft = null;
    if (phase === "end") this.drawn();
    this.refresh();
  }

  removeAnnotation() {
    const removed = removeLast(this.state.film.annotations);
    if (!removed) return;
    this.tell(`Last ${removed} removed`);
    this.drawn();
  }

  // ---- texts on the film

  // drawnAnyway: the screen is drawn anew after this.
  hover(view, point, drawnAnyway = false) {
    if (!point && !this.cursor) return;
    this.cursor = point && { view, point };
    if (!drawnAnyway) this.refresh();
  }

  filmOf(view) {
    const { film, prior, view: { beside } } = this.state;
    return view === this.second && beside === "prior" ? prior : film;
  }

  filmPoint(view, point) {
    return apply(inverse(toViewport(this.state.view.camera, view.film, view.size())), point);
  }

  // Where on a view's film the pointer is, or where that of the other view would be; null
  // outside.
  pointOn(view, film) {
    if (!this.cursor?.view.film) return null;
    const { view: at, point } = this.cursor, other = at.film, [x, y] = this.filmPoint(at, point);
    if (!other.at(x, y)) return null;
    return [(x / other.width) * film.pixels.width, (y / other.height) * film.pixels.height];
  }

  texts(view) {
    const [look, cursor] = [".lm-look", ".lm-cursor"].map((s) => view.viewport.querySelector(s));
    return { look, cursor };
  }
}
