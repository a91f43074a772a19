// A map over the cells of the network to colours and contours in film coordinates.

const SIDE = 256; // side of the square that a map is drawn on before it is laid over the film

// Bilinear between cell centres, edges held: the same as the server's maps on original pixels.
export function upsample(values, grid, width = SIDE, height = width) {
  const out = new Float32Array(width * height);
  const columns = Array.from({ length: width }, (_, x) => between((x + 0.5) / width, grid));
  const line = new Float32Array(grid); // of cells, at the height of a row of pixels
  for (let y = 0; y < height; y++) {
    const [y0, y1, dy] = between((y + 0.5) / height, grid);
    for (let k = 0; k < grid; k++) {
      line[k] = values[y0 * grid + k] * (1 - dy) + values[y1 * grid + k] * dy;
    }
    for (let x = 0; x < width; x++) {
      const [x0, x1, dx] = columns[x];
      out[y * width + x] = line[x0] * (1 - dx) + line[x1] * dx;
    }
  }
  return out;
}

// The map's value at one place, 0 .. 1 of the film: what `upsample` draws there.
export function sample(values, grid, u, v) {
  return blend(values, grid, between(u, grid), between(v, grid));
}

// The two cells that a place, 0 .. 1 of a side, lies between, and how far it is from the first.
function between(share, grid) {
  const place = Math.max(0, Math.min(grid - 1, share * grid - 0.5)), low = Math.floor(place);
  return [low, Math.min(grid - 1, low + 1), place - low];
}

function blend(values, grid, [x0, x1, dx], [y0, y1, dy]) {
  const top = values[y0 * grid + x0] * (1 - dx) + values[y0 * grid + x1] * dx;
  const low = values[y1 * grid + x0] * (1 - dx) + values[y1 * grid + x1] * dx;
  return top * (1 - dy) + low * dy;
}

const FADE = 0.1; // share of the scale over which colour comes in above the floor

// A canvas of the coloured map: clear below the floor, a share of the scale, so that the film is
// seen.
export function paint(field, toShare, floor, table, side = SIDE) {
  return colour(field, table, side, (value) => {
    const share = Math.max(0, Math.min(1, toShare(value)));
    return [share, (share - floor) / FADE];
  });
}

// The same for signed fields: zero in the middle of the table, full colour at +-full.
export function paintSigned(field, full, floor, table, side = SIDE) {
  return colour(field, table, side, (value) => {
    const share = Math.max(-1, Math.min(1, value / full));
    return [0.5 + 0.5 * share, (Math.abs(share) - floor) / FADE];
  });
}

// 256 colours: the lower half of `signed` below zero, `table` above.
export function signedTable(signed, table) {
  const mixed = signed.slice();
  for (let k = 0; k < 128; k++) mixed.set(table.subarray(6 * k, 6 * k + 3), 3 * (k + 128));
  return mixed;
}

// pick(value): where in the table its colour lies, 0 .. 1, and how opaque it is, 1 and more:
// fully.
function colour(field, table, side, pick) {
  const canvas = new OffscreenCanvas(side, side);
  const context = canvas.getContext("2d");
  const image = context.createImageData(side, side);
  for (let i = 0; i < field.length; i++) {
    const [place, opaque] = pick(field[i]);
    const c = 3 * Math.round(255 * place);
    image.data[4 * i] = table[c];
    image.data[4 * i + 1] = table[c + 1];
    image.data[4 * i + 2] = table[c + 2];
    image.data[4 * i + 3] = 255 * Math.max(0, Math.min(1, opaque));
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

// Line segments of the level set, in 0 .. 1 of the square (marching squares).
export function contour(field, level, side = SIDE) {
  const segments = [];
  const at = (x, y) => field[y * side + x];
  const cut = (a, b) => (level - a) / (b - a);
  for (let y = 0; y + 1 < side; y++) {
    for (let x = 0; x + 1 < side; x++) {
      const a = at(x, y), b = at(x + 1, y), c = at(x + 1, y + 1), d = at(x, y + 1);
      const crossings = [];
      if (a < level !== b < level) crossings.push([x + cut(a, b), y]);
      if (b < level !== c < level) crossings.push([x + 1, y + cut(b, c)]);
      if (d < level !== c < level) crossings.push([x + cut(d, c), y + 1]);
      if (a < level !== d < level) crossings.push([x, y + cut(a, d)]);
      for (let k = 0; k + 1 < crossings.length; k += 2) {
        segments.push([...crossings[k], ...crossings[k + 1]].map((v) => (v + 0.5) / side));
      }
    }
  }
  return segments;
}

// Column and row of the strongest place, 0 .. 1 of the film.
export function peak(field, side = SIDE) {
  let best = 0;
  for (let i = 1; i < field.length; i++) if (field[i] > field[best]) best = i;
  return [((best % side) + 0.5) / side, (Math.floor(best / side) + 0.5) / side];
}
