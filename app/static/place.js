// Where the film lies on its stage: pure functions on a place {zoom, centre, turn, flip} (see
// `state.js`), a film {width, height, aspect} and a stage [width, height] in CSS pixels. aspect: the
// height of a film pixel over its width.
// A matrix [a, b, c, d, e, f] takes (x, y) to (a x + c y + e, b x + d y + f), as on a canvas.

const ZOOM_MOST = 16;
const NEARLY = 1e-6;
const SCALE_MOST = 8; // CSS pixels a film pixel may have, whatever the zoom

export function wholeFilm() {
  return { zoom: 1, centre: [0.5, 0.5], turn: 0, flip: false };
}

// CSS pixels that a film pixel is wide when the whole film fits.
export function fitScale(place, film, [width, height]) {
  const sides = [film.width, film.height * film.aspect];
  const [across, down] = place.turn % 2 ? sides.reverse() : sides;
  return Math.min(width / across, height / down);
}

// From film pixels to stage pixels.
export function toStage(place, film, stage) {
  const scale = fitScale(place, film, stage) * place.zoom;
  const cos = [1, 0, -1, 0][place.turn] * scale, sin = [0, 1, 0, -1][place.turn] * scale;
  const mirror = place.flip ? -1 : 1;
  const x = place.centre[0] * film.width, y = place.centre[1] * film.height;
  const [a, b, c, d] = [cos * mirror, sin * mirror, -sin * film.aspect, cos * film.aspect];
  return [a, b, c, d, stage[0] / 2 - a * x - c * y, stage[1] / 2 - b * x - d * y];
}

// The same in device pixels. At one film pixel to one device pixel they are made to coincide, so
// that every pixel is shown just as it is.
export function toDevice(place, film, stage, ratio) {
  const m = toStage(place, film, stage).map((v) => v * ratio);
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
export function zoomedAt(place, film, stage, at, factor, ratio = 1) {
  const fit = fitScale(place, film, stage);
  const least = Math.min(1, 1 / (fit * ratio)), most = Math.max(ZOOM_MOST, SCALE_MOST / fit);
  const zoom = Math.min(most, Math.max(least, place.zoom * factor));
  if (zoom <= 1) return { ...place, zoom, centre: [0.5, 0.5] };
  const [x, y] = apply(inverse(toStage(place, film, stage)), at);
  const moved = apply(toStage({ ...place, zoom }, film, stage), [x, y]);
  return panned({ ...place, zoom }, film, stage, at[0] - moved[0], at[1] - moved[1]);
}

// Moved by (dx, dy) stage pixels; the middle of the stage stays on the film.
export function panned(place, film, stage, dx, dy) {
  const back = inverse(toStage(place, film, stage));
  const [x, y] = apply(back, [stage[0] / 2 - dx, stage[1] / 2 - dy]);
  const kept = (v, size) => Math.min(1, Math.max(0, v / size));
  return { ...place, centre: [kept(x, film.width), kept(y, film.height)] };
}

// One film pixel to one pixel of the screen.
export function actualSize(place, film, stage, ratio) {
  return { ...place, zoom: 1 / (fitScale(place, film, stage) * ratio) };
}

// A quarter turn clockwise (1) or back (-1) as the reader sees it.
export function turned(place, by) {
  return { ...place, turn: (place.turn + by + 4) % 4 };
}

// Left and right exchanged as the reader sees them: the flip comes before the turn.
export function flipped(place) {
  return { ...place, flip: !place.flip, turn: (4 - place.turn) % 4 };
}

export function describe({ turn, flip }) {
  const words = [];
  if (flip) words.push("flipped left to right");
  if (turn) words.push(`turned by ${90 * turn} degrees clockwise`);
  return words.join(", ");
}
