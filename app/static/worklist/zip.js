// Zips, opened in the browser: the table of contents is read from the end of the file and one
// entry at a time is unpacked, only when it is to be read. So a zip may be far larger than a
// film, nothing of it but the films is sent, and no name in it leaves this machine. Format:
// PKWARE's APPNOTE 6.3.

// Why a file cannot be read, in one sentence for its reader.
export class FileTrouble extends Error {}

const END = 0x06054b50, END64 = 0x06064b50, LOCATOR64 = 0x07064b50;
const ENTRY = 0x02014b50, LOCAL = 0x04034b50;
const END_BYTES = 22, LOCATOR_BYTES = 20, ENTRY_BYTES = 46, LOCAL_BYTES = 30;
const COMMENT_MOST = 0xffff;
const TABLE_MOST = 64 * 2 ** 20; // bytes of a table of contents
const STORED = 0, DEFLATED = 8, ENCRYPTED = 1, UTF8 = 0x800, EXTRA64 = 1;
const FULL32 = 0xffffffff; // the true value stands in a field of zip64

const DAMAGED = "The zip is damaged or incomplete; zip the films again.";
const BROKEN = "The file is damaged inside the zip; zip the films again, or give them unpacked.";
const LOCKED = "The file is locked with a password inside the zip; unpack it and give the films.";
const PACKED = "The file is packed in a way this page does not open; unpack the zip and give the "
  + "films.";
const OLD = "This browser cannot open zips; unpack it and give the films.";

export async function isZip(file) {
  const view = await viewOf(file, 0, 4);
  return view.byteLength === 4 && [LOCAL, END].includes(view.getUint32(0, true));
}

// [{name, size, bytes(most)}] of the files in a zip; bytes: a Promise of the file's bytes, or of
// its first `most`. Throws a FileTrouble.
export async function entriesOf(file) {
  if (typeof DecompressionStream === "undefined") throw new FileTrouble(OLD);
  const end = await endOf(file);
  if (end.size > TABLE_MOST || end.start < 0) throw new FileTrouble(DAMAGED);
  const table = await viewOf(file, end.start, end.size);
  const entries = [];
  for (let at = 0; at + ENTRY_BYTES <= table.byteLength && entries.length < end.count;) {
    if (table.getUint32(at, true) !== ENTRY) throw new FileTrouble(DAMAGED);
    const [name, extra, comment] = [28, 30, 32].map((k) => table.getUint16(at + k, true));
    const next = at + ENTRY_BYTES + name + extra + comment;
    if (next > table.byteLength) throw new FileTrouble(DAMAGED);
    const entry = entryAt(table, at, name, extra);
    if (!entry.name.endsWith("/")) {
      const bytes = (most) => bytesOf(file, entry, end.shift, most);
      entries.push({ name: entry.name, size: entry.size, bytes });
    }
    at = next;
  }
  return entries;
}

// Where the table of contents is: {start, size, count}, and by how much all positions are shifted
// (a zip may stand behind something else in its file).
async function endOf(file) {
  const from = Math.max(0, file.size - END_BYTES - COMMENT_MOST - LOCATOR_BYTES);
  const tail = await viewOf(file, from, file.size - from);
  let at = tail.byteLength - END_BYTES;
  while (at >= 0 && tail.getUint32(at, true) !== END) at -= 1;
  if (at < 0) throw new FileTrouble(DAMAGED);
  const count = tail.getUint16(at + 10, true), size = tail.getUint32(at + 12, true);
  const start = tail.getUint32(at + 16, true), locator = at - LOCATOR_BYTES;
  const is64 = locator >= 0 && tail.getUint32(locator, true) === LOCATOR64;
  if (is64) return end64(file, tail, locator);
  const shift = from + at - size - start;
  return { start: start + shift, size, count, shift };
}

async function end64(file, tail, at) {
  const view = await viewOf(file, long(tail, at + 8), 56);
  if (view.byteLength < 56 || view.getUint32(0, true) !== END64) throw new FileTrouble(DAMAGED);
  const [count, size, start] = [32, 40, 48].map((k) => long(view, k));
  return { start, size, count, shift: 0 };
}

function entryAt(table, at, nameBytes, extraBytes) {
  const number = (k) => table.getUint32(at + k, true), flags = table.getUint16(at + 8, true);
  const start = at + ENTRY_BYTES;
  const name = new Uint8Array(table.buffer, table.byteOffset + start, nameBytes);
  const entry = { flags, method: table.getUint16(at + 10, true), sum: number(16),
                  packed: number(20), size: number(24), local: number(42),
                  name: decoded(name, flags) };
  // The fields of zip64 stand in this order, and only those whose short field is full.
  let field = field64(table, start + nameBytes, extraBytes);
  for (const key of ["size", "packed", "local"]) {
    if (entry[key] !== FULL32) continue;
    if (field === null || field + 8 > table.byteLength) throw new FileTrouble(DAMAGED);
    entry[key] = long(table, field);
    field += 8;
  }
  return entry;
}

function field64(table, start, length) {
  for (let at = start; at + 4 <= start + length;) {
    if (table.getUint16(at, true) === EXTRA64) return at + 4;
    at += 4 + table.getUint16(at + 2, true);
  }
  return null;
}

async function bytesOf(file, entry, shift, most = Infinity) {
  if (entry.flags & ENCRYPTED) throw new FileTrouble(LOCKED);
  if (![STORED, DEFLATED].includes(entry.method)) throw new FileTrouble(PACKED);
  const at = entry.local + shift, local = await viewOf(file, at, LOCAL_BYTES);
  const isLocal = local.byteLength === LOCAL_BYTES && local.getUint32(0, true) === LOCAL;
  if (!isLocal) throw new FileTrouble(BROKEN);
  const start = at + LOCAL_BYTES + local.getUint16(26, true) + local.getUint16(28, true);
  const packed = file.slice(start, start + entry.packed);
  let stream = packed.stream();
  const inflate = entry.method === DEFLATED && new DecompressionStream("deflate-raw");
  if (inflate) stream = stream.pipeThrough(inflate);
  const wanted = Math.min(most, entry.size);
  let bytes;
  try {
    bytes = await readUpTo(stream, wanted, wanted === entry.size);
  } catch {
    throw new FileTrouble(BROKEN);
  }
  const whole = wanted === entry.size;
  const isSound = bytes.length === wanted && (!whole || checksum(bytes) === entry.sum);
  if (!isSound) throw new FileTrouble(BROKEN);
  return bytes;
}

// At most `wanted` bytes. toEnd: the stream must end there; more than that is not taken in, so
// that an entry that claims to be small cannot fill the memory.
async function readUpTo(stream, wanted, toEnd) {
  const reader = stream.getReader(), bytes = new Uint8Array(wanted);
  let length = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return bytes.subarray(0, length);
    if (toEnd && length + value.length > wanted) throw new RangeError("longer than it claims");
    bytes.set(value.subarray(0, wanted - length), length);
    length = Math.min(wanted, length + value.length);
    if (toEnd || length < wanted) continue;
    reader.cancel().catch(() => {}); // the rest is not wanted, nor what is wrong with it
    return bytes;
  }
}

const SUMS = Uint32Array.from({ length: 256 }, (_, k) => {
  for (let bit = 0; bit < 8; bit++) k = k & 1 ? (k >>> 1) ^ 0xedb88320 : k >>> 1;
  return k;
});

// CRC-32.
function checksum(bytes) {
  let sum = -1;
  for (let i = 0; i < bytes.length; i++) sum = (sum >>> 8) ^ SUMS[(sum ^ bytes[i]) & 0xff];
  return ~sum >>> 0;
}

// Names are only shown: where they are not UTF-8 a few letters may be wrong.
function decoded(bytes, flags) {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return new TextDecoder(flags & UTF8 ? "utf-8" : "windows-1252").decode(bytes);
  }
}

function long(view, at) {
  return Number(view.getBigUint64(at, true));
}

async function viewOf(file, start, length) {
  return new DataView(await file.slice(start, start + length).arrayBuffer());
}
