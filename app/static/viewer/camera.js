// Where the film lies on its viewport: pure functions on a camera {zoom, centre, turn, flip} (see
// `state.js`), a film {width, height, aspect} and a viewport [width, height] in CSS pixels.
// aspect: the height of a film pixel over its width.
// A matrix [a, b, c, d, e, f] takes (x, y) to (a x + c y + e, b x + d y + f), as on a canvas.

const ZOOM_MOST = 16;
const NEARLY = 1e-6;
const OPPOSITE = { L: "R", R: "L", A: "P", P: "A", H: "F", F: "H" };
const SCALE_MOST = 8; // CSS pixels a film pixel may have, whatever the zoom

export function wholeFilm() {
  return { zoom: 1, centre: [0.5, 0.5], turn: 0, flip: false };
}

// CSS pixels that a film pixel is wide when the whole film fits.
export function fitScale(camera, film, [width, height]) {
  const sides = [film.width, film.height * film.aspect];
  const [across, down] = camera.turn % 2 ? sides.reverse() : sides;
  return Math.min(width / across, height / down);
}

// From film pixels to viewport pixels.
export function toViewport(camera, film, viewport) {
  const scale = fitScale(camera, film, viewport) * camera.zoom;
  const cos = [1, 0, -1, 0][camera.turn] * scale, sin = [0, 1, 0, -1][camera.turn] * scale;
  const mirror = camera.flip ? -1 : 1;
  const x = camera.centre[0] * film.width, y = camera.centre[1] * film.height;
  const [a, b, c, d] = [cos * mirror, sin * mirror, -sin * film.aspect, cos * film.aspect];
  return [a, b, c, d, viewport[0] / 2 - a * x - c * y, viewport[1] / 2 - b * x - d * y];
}

// The same in device pixels. At one film pixel to one device pixel they are made to coincide, so
// that every pixel is shown just as it is.
export function toDevice(camera, film, viewport, ratio) {
  const m = toViewport(camera, film, viewport).map((v) => v * ratio);
  const isOne = (v) => Math.abs(Math.abs(v) - 1) < NEARLY;
  if (!isOne(m[0] + m[1]) || !isOne(m[2] + m[3])) return m;
  return m.map((v) => Math.floor(v + 0.5 + NEARLY)); // halves go up, whatever their last digits
}

export function apply([a, b, c, d, e, f], [x, y]) {
  return [a * x + c * y + e, b * x + d * y + f];
}

export function inverse([a, b, c, d, e, f]) {
  const det = a * d - b * c;
  return [d / det, -b / det, -c / det, a / det, (c * f - d * e) / det, (b * e - a * f) / det];
}

// Zoomed by a factor, with the point of the film under `at` staying there.
export function zoomedAt(camera, film, viewport, at, factor, ratio = 1) {
  const fit = fitScale(camera, film, viewport);
  const least = Math.min(1, 1 / (fit * ratio)), most = Math.max(ZOOM_MOST, SCALE_MOST / fit);
  const zoom = Math.min(most, Math.max(least, camera.zoom * factor));
  if (zoom <= 1) return { ...camera, zoom, centre: [0.5, 0.5] };
  const [x, y] = apply(inverse(toViewport(camera, film, viewport)), at);
  const moved = apply(toViewport({ ...camera, zoom }, film, viewport), [x, y]);
  return panned({ ...camera, zoom }, film, viewport, at[0] - moved[0], at[1] - moved[1]);
}

// Moved by (dx, dy) viewport pixels; the middle of the viewport stays on the film.
export function panned(camera, film, viewport, dx, dy) {
  const back = inverse(toViewport(camera, film, viewport));
  const [x, y] = apply(back, [viewport[0] / 2 - dx, viewport[1] / 2 - dy]);
  const kept = (v, size) => Math.min(1, Math.max(0, v / size));
  return { ...camera, centre: [kept(x, film.width), kept(y, film.height)] };
}

// One film pixel to one pixel of the screen.
export function actualSize(camera, film, viewport, ratio) {
  return { ...camera, zoom: 1 / (fitScale(camera, film, viewport) * ratio) };
}

// A quarter turn clockwise (1) or back (-1) as the reader sees it.
export function turned(camera, by) {
  return { ...camera, turn: (camera.turn + by + 4) % 4 };
}

// Left and right exchanged as the reader sees them: the flip comes before the turn.
export function flipped(camera) {
  return { ...camera, flip: !camera.flip, turn: (4 - camera.turn) % 4 };
}

// Sides of the patient on the left and right of the viewport. directions: those that rows and
// columns run to, "LF" for an upright film; two empty texts where it does not say.
export function patientSides(camera, directions) {
  if (directions.length !== 2) return ["", ""];
  const [right, down] = directions, left = OPPOSITE[right], up = OPPOSITE[down];
  const round = camera.flip ? [right, up, left, down] : [left, up, right, down]; // clockwise
  return [0, 2].map((side) => round[(side - camera.turn + 4) % 4]);
}

export function describe({ turn, flip }) {
  const words = [];
  if (flip) words.push("flipped left to right");
  if (turn) words.push(`turned by ${90 * turn} degrees clockwise`);
  return words.join(", ");
}
