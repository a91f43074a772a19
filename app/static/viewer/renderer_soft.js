// The film on a plain canvas. A film is only ever turned by quarters, so each row and column of
// the screen lies between two rows and columns of the film, worked out once a frame.

const ONE = 256; // weights are whole parts of this

const SURFACES = 2; // kept at a time: the two views may differ in size

export class SoftRenderer {
  constructor() {
    this.surfaces = new Map();
  }

  paint({ table, back, width, height, level }) {
    const { canvas, context, image, words } = this.surface(width, height);
    words.fill(0);
    const upright = back[0] !== 0;
    const { codes } = level;
    const columns = line(width, upright ? [back[0], back[4]] : [back[1], back[5]], level, upright);
    const rows = line(height, upright ? [back[3], back[5]] : [back[2], back[4]], level, !upright);
    for (let y = rows.from; y < rows.to; y++) {
      const r0 = rows.low[y], r1 = rows.high[y], v = rows.weight[y], start = y * width;
      for (let x = columns.from; x < columns.to; x++) {
        const c0 = columns.low[x], c1 = columns.high[x], u = columns.weight[x];
        const a = table[codes[r0 + c0]], b = table[codes[r0 + c1]];
        const c = table[codes[r1 + c0]], d = table[codes[r1 + c1]];
        const top = a * ONE + (b - a) * u, under = c * ONE + (d - c) * u;
        const gray = (top * ONE + (under - top) * v + ONE * ONE / 2) >> 16;
        words[start + x] = 0xff000000 | (gray << 16) | (gray << 8) | gray;
      }
    }
    context.putImageData(image, 0, 0);
    return canvas;
  }

  // The last picture painted goes too.
  clear() {
    this.surfaces.clear();
  }

  surface(width, height) {
    const key = `${width} x ${height}`;
    if (!this.surfaces.has(key)) {
      if (this.surfaces.size === SURFACES) this.surfaces.delete(this.surfaces.keys().next().value);
      const canvas = new OffscreenCanvas(width, height), context = canvas.getContext("2d");
      const image = context.createImageData(width, height);
      this.surfaces.set(key, { canvas, context, image, words: new Uint32Array(image.data.buffer) });
    }
    return this.surfaces.get(key);
  }
}

// For each device pixel along one side: offsets of the two neighbours along one axis of the film
// (x: its columns), the weight of the second, and which device pixels are on the film at all.
function line(count, [scale, shift], { width, height, step, full }, x) {
  const size = x ? width : height, stride = x ? 1 : width;
  const low = new Int32Array(count), high = new Int32Array(count), weight = new Int32Array(count);
  let from = count, to = 0;
  for (let i = 0; i < count; i++) {
    const at = scale * (i + 0.5) + shift;
    if (at < 0 || at >= (x ? full[0] : full[1])) continue;
    from = Math.min(from, i);
    to = i + 1;
    const place = at / step - 0.5, before = Math.floor(place);
    low[i] = Math.min(size - 1, Math.max(0, before)) * stride;
    high[i] = Math.min(size - 1, Math.max(0, before + 1)) * stride;
    weight[i] = Math.round((place - before) * ONE);
  }
  return { low, high, weight, from, to };
}
