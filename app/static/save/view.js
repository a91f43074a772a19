// The view as plain data: what a saved picture or a reading file needs to show the same screen.

const OF_THE_MAP = ["map", "kind", "beside", "contour", "opacity", "colours", "scale", "which",
                    "layer", "head"];

// window: null or {centre, width, ...} in the film's real values; invert; zoom (1: the whole film
// fits), centre (point of the film in the middle of the viewport, 0 .. 1), turn (quarter turns
// clockwise, after the flip), flip (left and right); selected: number of the finding; sort; map:
// what is laid over the film (layer null: last, 0: rollout; head null: mean of all).
export function viewState({ selected, sort, view }) {
  return structuredClone({
    window: view.window,
    invert: view.invert,
    ...view.camera,
    selected,
    sort,
    map: Object.fromEntries(OF_THE_MAP.map((name) => [name, view[name]])),
  });
}

// The same view on this state, of the same film; the screen is to be rendered afterwards. A
// window or camera that no film can be shown in is left as it was.
export function restoreView(state, { window, invert, selected, sort, map, ...camera }) {
  Object.assign(state, { selected, sort });
  Object.assign(state.view, structuredClone({ invert, ...map }));
  if (isWindow(window, state.film)) state.view.window = structuredClone(window);
  if (isCamera(camera)) Object.assign(state.view.camera, structuredClone(camera));
}

function isWindow(window, film) {
  return Boolean(film?.presets[window?.preset]) && Number.isFinite(window.centre)
    && window.width > 0;
}

function isCamera({ zoom, centre, turn, flip }) {
  return zoom > 0 && Number.isFinite(zoom) && centre.every((v) => v >= 0 && v <= 1)
    && [0, 1, 2, 3].includes(turn) && typeof flip === "boolean";
}
