// A film's values in the browser: fetched and decoded without loss, never through a picture.

import { Refused } from "../api.js";

const MOST_LEVELS = 8;
const LOST = "The film could not be shown; open it again.";

// The way back from `app/payload/packing.py`: bytes (high before low) of folded differences to
// values.
export function unpack(bytes, depth) {
  const count = bytes.length / depth;
  if (depth === 1) {
    const out = new Uint8Array(count);
    for (let i = 0, v = 0; i < count; i++) {
      const z = bytes[i];
      out[i] = v = (v + ((z >>> 1) ^ -(z & 1))) & 0xff;
    }
    return out;
  }
  const out = new Uint16Array(count);
  for (let i = 0, v = 0; i < count; i++) {
    const z = (bytes[i] << 8) | bytes[count + i];
    out[i] = v = (v + ((z >>> 1) ^ -(z & 1))) & 0xffff;
  }
  return out;
}

// width, height, codes, facts (of `value_facts`); aspect: height of a pixel over its width; real:
// the real value of each code; levels: the codes at full size, half, quarter, ..., so that a film
// shown small is averaged and not sampled.
export class FilmValues {
  constructor(facts, codes, width, height, aspect = 1) {
    Object.assign(this, { facts, codes, width, height, aspect });
    this.weights = histogram(codes);
    this.real = realValues(facts, this.weights.length);
    const seen = this.weights.slice();
    if (facts.padding) seen.fill(0, facts.padding[0], facts.padding[1] + 1);
    this.seen = seen; // how many pixels of the picture itself have each code
    this.levels = [{ codes, width, height }];
  }

  // The level with 2^-k of the size; made when it is first asked for.
  level(k) {
    while (this.levels.length <= k && this.levels.length < MOST_LEVELS) {
      const last = this.levels[this.levels.length - 1];
      if (Math.min(last.width, last.height) < 2) break;
      this.levels.push(half(last, this.facts.padding));
    }
    const at = Math.min(k, this.levels.length - 1);
    return { ...this.levels[at], step: 2 ** at, at, full: [this.width, this.height] };
  }

  isPadding(code) {
    const { padding } = this.facts;
    return Boolean(padding) && code >= padding[0] && code <= padding[1];
  }

  // {code, value} of the pixel that holds a point, null outside of the film.
  at(x, y) {
    const column = Math.floor(x), row = Math.floor(y);
    if (column < 0 || row < 0 || column >= this.width || row >= this.height) return null;
    const code = this.codes[row * this.width + column];
    return { code, value: this.real[code], padding: this.isPadding(code) };
  }

  // The real value that a share (0 .. 1) of the picture's pixels does not exceed.
  percentile(share) {
    this.order ??= [...this.seen.keys()].filter((code) => this.seen[code])
      .sort((a, b) => this.real[a] - this.real[b]);
    const wanted = share * this.order.reduce((sum, code) => sum + this.seen[code], 0);
    let reached = 0;
    const found = this.order.find((code) => (reached += this.seen[code]) >= wanted);
    return this.real[found ?? this.order.at(-1)];
  }
}

// The values of a film that was just read. Throws Refused where the server holds them no longer.
export async function fetchValues(api, { token, values, width, height, aspect }) {
  const response = await api.call(`film/${token}`, { method: "GET" });
  const bytes = new Uint8Array(await response.arrayBuffer());
  if (bytes.length !== values.bytes * width * height) throw new Refused(LOST);
  return new FilmValues(values, unpack(bytes, values.bytes), width, height, aspect);
}

// The cells of a map, as `pack_map` of `app/payload/packing.py` writes them.
export function cellsOf(base64) {
  const view = new DataView(bytesOf(base64).buffer);
  return Float32Array.from({ length: view.byteLength / 4 }, (_, k) => view.getFloat32(4 * k, true));
}

export function numbersOf(base64) {
  const bytes = bytesOf(base64);
  const word = (_, i) => bytes[2 * i] | (bytes[2 * i + 1] << 8);
  return Uint16Array.from({ length: bytes.length / 2 }, word);
}

function bytesOf(base64) {
  return Uint8Array.from(atob(base64), (ch) => ch.charCodeAt(0));
}

function realValues({ table, first, slope, intercept }, count) {
  if (table) return Float64Array.from(numbersOf(table));
  return Float64Array.from({ length: count }, (_, code) => (code + first) * slope + intercept);
}

function histogram(codes) {
  const all = new Uint32Array(65536);
  for (let i = 0; i < codes.length; i++) all[codes[i]] += 1;
  let count = all.length;
  while (count > 1 && !all[count - 1]) count -= 1;
  return all.slice(0, count);
}

// Means of 2 x 2 pixels; pixels at an odd end stand alone. Padding counts only among padding.
function half({ codes, width, height }, padding) {
  const w = Math.ceil(width / 2), h = Math.ceil(height / 2), out = new codes.constructor(w * h);
  const [from, to] = padding ?? [1, 0];
  const isPadding = (code) => code >= from && code <= to;
  for (let y = 0; y < h; y++) {
    const top = 2 * y * width, low = Math.min(2 * y + 1, height - 1) * width;
    for (let x = 0; x < w; x++) {
      const left = 2 * x, right = Math.min(left + 1, width - 1);
      const a = codes[top + left], b = codes[top + right];
      const c = codes[low + left], d = codes[low + right];
      out[y * w + x] = padding ? meanOf([a, b, c, d], isPadding) : (a + b + c + d + 2) >> 2;
    }
  }
  return { codes: out, width: w, height: h };
}

function meanOf(four, isPadding) {
  const picture = four.filter((code) => !isPadding(code));
  if (!picture.length) return four[0];
  return Math.round(picture.reduce((sum, code) => sum + code, 0) / picture.length);
}
