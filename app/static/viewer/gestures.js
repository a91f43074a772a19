// What hands do on a film: mouse, pen, fingers and wheel, as commands. The left button and one
// finger do what the chosen tool does, the middle button pans, the right one zooms; two fingers
// zoom and pan. Where fingers come first, the tool is at first to move, and a finger on a film
// that is seen whole scrolls the page (`touch-action` in layout.css).

const OF_BUTTON = { 1: "pan", 2: "zoom" };
const WHEEL = 0.0015, PINCH_WHEEL = 0.012, ZOOM_DRAG = 0.008;
const LINE = 16; // pixels of a wheel that counts in lines

// view: a FilmView. act: {tool(), zoomAt(view, point, factor), panBy(view, dx, dy), windowBy(dx,
// dy), draw(view, kind, phase, point), hover(view, point or null, drawnAnyway), fit()}; points in
// viewport pixels.
export function listenToHands(view, act) {
  const { canvas } = view, pointers = new Map();
  let doing = null, start = null; // what one pointer does, and where it began

  const local = (e) => {
    const box = canvas.getBoundingClientRect();
    return [e.clientX - box.left, e.clientY - box.top];
  };

  canvas.addEventListener("wheel", (e) => {
    if (!view.film) return;
    e.preventDefault();
    const amount = e.deltaY * (e.deltaMode === 1 ? LINE : 1);
    act.zoomAt(view, local(e), Math.exp(-amount * (e.ctrlKey ? PINCH_WHEEL : WHEEL)));
  }, { passive: false });

  canvas.addEventListener("contextmenu", (e) => view.film && e.preventDefault());
  canvas.addEventListener("dblclick", () => ["window", "pan"].includes(act.tool()) && act.fit());

  canvas.addEventListener("pointerdown", (e) => {
    if (!view.film) return;
    if (e.button === 1) e.preventDefault(); // else the page would scroll by itself
    canvas.setPointerCapture(e.pointerId);
    pointers.set(e.pointerId, local(e));
    if (pointers.size > 1) {
      if (isDrawing(doing)) act.draw(view, doing, "cancel", start);
      doing = null;
      return;
    }
    doing = OF_BUTTON[e.button] ?? act.tool();
    start = local(e);
    if (isDrawing(doing)) act.draw(view, doing, "start", start);
  });

  canvas.addEventListener("pointermove", (e) => {
    const before = pointers.get(e.pointerId), now = local(e);
    if (!view.film) return;
    // What a drag does draws the screen anew anyway: once a move is enough.
    act.hover(view, now, Boolean(before && (doing || pointers.size > 1)));
    if (!before) return;
    pointers.set(e.pointerId, now);
    if (pointers.size > 1) return pinch(e.pointerId, before, now);
    return drag(now[0] - before[0], now[1] - before[1], now);
  });

  function drag(dx, dy, now) {
    if (doing === "window") act.windowBy(dx, dy);
    if (doing === "pan") act.panBy(view, dx, dy);
    if (doing === "zoom") act.zoomAt(view, start, Math.exp(-dy * ZOOM_DRAG));
    if (isDrawing(doing)) act.draw(view, doing, "move", now);
  }

  function pinch(id, before, now) {
    const other = [...pointers].find(([key]) => key !== id)[1];
    const span = (p) => Math.hypot(p[0] - other[0], p[1] - other[1]);
    act.panBy(view, (now[0] - before[0]) / 2, (now[1] - before[1]) / 2);
    const middle = [(now[0] + other[0]) / 2, (now[1] + other[1]) / 2];
    act.zoomAt(view, middle, span(now) / Math.max(1, span(before)));
  }

  for (const end of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(end, (e) => {
      if (!pointers.delete(e.pointerId) || pointers.size) return;
      if (isDrawing(doing)) act.draw(view, doing, end === "pointerup" ? "end" : "cancel", local(e));
      doing = null;
    });
  }
  canvas.addEventListener("pointerleave", () => act.hover(view, null));
}

function isDrawing(what) {
  return what === "measure" || what === "box";
}
