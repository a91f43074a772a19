// What a reader gives to a worklist, as items: {label, size, bytes()} or {label, reason}. label
// is for this reader's eyes only; bytes: a Promise of the file itself or its bytes, which may
// throw a FileTrouble.

import { GONE } from "../api.js";
import { FileTrouble, entriesOf, isZip } from "./zip.js";

const FILM_ENDING = /\.(dcm|dicom|png|jpe?g)$/i;
const ZIP_ENDING = /\.zip$/i;
const AT_ONCE = 24;
const HEAD = 512; // bytes of a file that tell of what kind it is
const NESTED = "A zip inside a zip is not opened; unpack it and give its films.";
const UNREADABLE = "The folder cannot be read; check that it is still there and may be opened.";
const EMPTY = "There is no film in this zip; put DICOM, PNG or JPEG files in it.";

// Whether what is dropped is more than one film: several files, a folder or a zip.
export function isMany(transfer) {
  const entries = entriesIn(transfer), [file] = transfer.files;
  if (entries.length > 1 || transfer.files.length > 1) return true;
  return entries.some((entry) => entry.isDirectory) || Boolean(file && seemsZip(file));
}

export function seemsZip(file) {
  return ZIP_ENDING.test(file.name) || /zip-compressed$|^application\/zip$/.test(file.type);
}

// To be called while the drop is being handled: afterwards the browser forgets what was dropped.
export function itemsOfDrop(transfer) {
  const entries = entriesIn(transfer), files = [...transfer.files];
  return entries.length ? walked(entries) : itemsOfFiles(files);
}

export function fileItem(file, label = file.name) {
  return { label, size: file.size, bytes: async () => file };
}

// files: from an input; those of a folder tell their path in it.
export async function* itemsOfFiles(files) {
  const path = (file) => file.webkitRelativePath || file.name;
  yield* together(inOrder(files, path), (file) =>
    (file.webkitRelativePath ? insideFolder(file, path(file)) : given(file, file.name)));
}

function entriesIn(transfer) {
  return [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
}

async function* walked(entries) {
  yield* together(inOrder(entries, (e) => e.name), (entry) =>
    (entry.isFile ? ofEntry(entry, entry.name, given) : folder(entry)));
}

async function* ofEntry(entry, label, look) {
  const file = await fileOf(entry);
  yield* file ? look(file, label) : [{ label, reason: GONE }];
}

async function* folder(entry) {
  let inside;
  try {
    inside = await contentsOf(entry);
  } catch {
    yield { label: entry.name, reason: UNREADABLE };
    return;
  }
  yield* together(inOrder(inside, (e) => e.name), (child) =>
    (child.isFile
      ? ofEntry(child, child.fullPath.replace(/^\//, ""), insideFolder) : folder(child)));
}

// A folder is read in parts until a part is empty.
async function contentsOf(entry) {
  const reader = entry.createReader(), all = [];
  for (;;) {
    const part = await new Promise((resolve, reject) => { reader.readEntries(resolve, reject); });
    if (!part.length) return all;
    all.push(...part);
  }
}

function fileOf(entry) {
  return new Promise((resolve) => { entry.file(resolve, () => resolve(null)); });
}

// A file that was named by the reader: whatever it is, it gets a row.
async function* given(file, label) {
  const zipped = !FILM_ENDING.test(label) && await isZip(file).catch(() => false);
  if (zipped) yield* insideZip(file, label);
  else yield fileItem(file, label);
}

// A file that came along in a folder: what is no film is passed over, as on the command line.
async function* insideFolder(file, path) {
  if (isHidden(path)) return;
  if (ZIP_ENDING.test(path)) yield* given(file, path);
  else if (FILM_ENDING.test(path) || hasFilmHead(await firstOf(file))) {
    yield fileItem(file, path);
  }
}

async function* insideZip(file, label) {
  let entries;
  try {
    entries = (await entriesOf(file)).filter((entry) => !isHidden(entry.name));
  } catch (error) {
    yield { label, reason: error instanceof FileTrouble ? error.message : GONE };
    return;
  }
  let found = false;
  for await (const item of together(inOrder(entries, (e) => e.name), inZip)) {
    found = true;
    yield item;
  }
  if (!found) yield { label, reason: EMPTY };
}

async function* inZip(entry) {
  const label = entry.name.replaceAll("\\", "/");
  if (ZIP_ENDING.test(label)) yield { label, reason: NESTED };
  else if (FILM_ENDING.test(label) || await isFilm(entry)) yield { ...entry, label };
}

// What cannot be looked into gets a row that says why.
async function isFilm(entry) {
  try {
    return hasFilmHead(await entry.bytes(HEAD));
  } catch {
    return true;
  }
}

async function firstOf(file) {
  try {
    return new Uint8Array(await file.slice(0, HEAD).arrayBuffer());
  } catch {
    return new Uint8Array(0);
  }
}

// PNG, JPEG, DICOM, or a DICOM data set without its preamble (group 0002 or 0008 first).
function hasFilmHead(head) {
  const starts = (...bytes) => bytes.every((byte, k) => head[k] === byte);
  if (starts(0x89, 0x50, 0x4e, 0x47) || starts(0xff, 0xd8, 0xff)) return true;
  if (String.fromCharCode(...head.subarray(128, 132)) === "DICM") return true;
  return head.length >= 16 && (starts(2, 0) || starts(8, 0)) && head[3] <= 1;
}

// Files of the system, and the table of contents of a disc.
function isHidden(path) {
  const parts = path.split(/[/\\]/);
  return parts.some((part) => part.startsWith(".") || part === "__MACOSX")
    || /^(DICOMDIR|Thumbs\.db)$/i.test(parts.at(-1));
}

// The items that `look` finds in each of a list, in their order. Looking into a file takes the
// browser longer to begin than to do: the first items of several are looked for at the same time.
async function* together(list, look) {
  for (let k = 0; k < list.length; k += AT_ONCE) {
    const begun = list.slice(k, k + AT_ONCE).map((one) => {
      const items = look(one);
      return { items, first: items.next() };
    });
    for (const { items, first } of begun) {
      for (let item = await first; !item.done; item = await items.next()) yield item.value;
    }
  }
}

function inOrder(list, name) {
  const order = new Intl.Collator(undefined, { numeric: true });
  return [...list].sort((a, b) => order.compare(name(a), name(b)));
}
