// The rows of a worklist as plain data, and the pure functions that sort, filter and write them.

import { NEGATIVE, UNKNOWN, percent } from "../state.js";

export const WAITING = "waiting", READING = "reading", READ = "read", FAILED = "failed";
const WORDS = { [WAITING]: "waiting", [READING]: "being read", [READ]: "read",
                [FAILED]: "cannot be read" };

// result: what the model says of the film, see `resultOf`; pins, annotations: the reader's, kept
// while another film is open; frame: of several in the file, the one opened last; seen: it has
// been open.
export function newRow(number, item) {
  const { label, reason = "" } = item;
  return { number, item, label, reason, state: reason ? FAILED : WAITING, result: null, pins: null,
           annotations: null, frame: 1, seen: false };
}

// {thumbnail, free (14 raw probabilities), above (whether each reaches its Youden point, null for
// none), warnings, unlike}, of the server's answer about a row or an opened film.
export function resultOf({ thumbnail, reading, warnings, gate }) {
  const unlike = gate?.warnings ?? [];
  return { thumbnail, free: reading.free, above: reading.fitted?.above_youden ?? null,
           warnings: [...unlike, ...warnings], unlike: unlike.length > 0,
           accepted: gate?.accepted ?? null };
}

// ---- which rows, and in which order

// sort: "order", "failed", "highest" or a finding's number; filter: "all", "warned", "failed",
// "pinned", "unseen" or "above:" and a finding's number; text: part of a label, or a row's
// number.
export function listed(rows, { sort, filter, text }) {
  const words = text.trim().toLowerCase();
  const found = rows.filter((row) => passes(row, filter)
    && (!words || row.label.toLowerCase().includes(words) || String(row.number) === words));
  if (sort === "order") return found;
  const key = sort === "failed" ? (row) => (row.state === FAILED ? 0 : 1)
    : (row) => -(row.result?.free[findingOf(row, sort)] ?? -1);
  return found.sort((a, b) => key(a) - key(b) || a.number - b.number);
}

function passes(row, filter) {
  if (filter === "warned") return Boolean(row.result?.warnings.length);
  if (filter === "failed") return row.state === FAILED;
  if (filter === "unseen") return row.state !== FAILED && !row.seen;
  if (filter === "pinned") return pinsOf(row) > 0;
  if (filter.startsWith("above:")) return Boolean(row.result?.above?.[Number(filter.slice(6))]);
  return true;
}

// The finding whose probability a row shows: the one sorted by, else its highest.
function findingOf({ result }, sort) {
  if (typeof sort === "number") return sort;
  return result ? result.free.indexOf(Math.max(...result.free)) : 0;
}

export function pinsOf({ pins }) {
  return pins ? pins.filter((pin) => pin !== UNKNOWN).length : 0;
}

export function counts(rows) {
  const failed = rows.filter((row) => row.state === FAILED).length;
  const read = rows.filter((row) => row.state === READ).length;
  return { all: rows.length, failed, done: read + failed };
}

// ---- in words

export function progressText({ all, done, failed }) {
  const trouble = failed ? `, ${failed} cannot be read` : "";
  if (done < all) return `${done} of ${all}${trouble}`;
  return `${all} ${all === 1 ? "film" : "films"}${trouble}`;
}

// What a row says below its name.
export function rowText(row, sort, findings) {
  if (row.state === FAILED) return row.reason;
  if (!row.result) return row.state === READING ? "Being read" : "Waiting";
  const i = findingOf(row, sort);
  return `${findings[i]} ${percent(row.result.free[i])} raw`;
}

// All of a row for those who hear it.
export function rowLabel(row, sort, findings) {
  const parts = [`Film ${row.number}`, row.label, row.state === FAILED ? WORDS[FAILED] : ""];
  parts.push(row.result ? rowText(row, sort, findings)
    : row.state === FAILED ? row.reason : WORDS[row.state]);
  if (row.result?.warnings.length) parts.push(`warning: ${row.result.warnings.join(" ")}`);
  if (row.frame > 1) parts.push(`frame ${row.frame}`);
  if (row.seen) parts.push("opened");
  if (pinsOf(row)) parts.push(pinsText(row));
  return parts.filter(Boolean).join(", ");
}

export function pinsText(row) {
  return `${pinsOf(row)} pinned`;
}

// ---- as a table

// Rows of a CSV: number, the label where the reader wants it, frame, state, the raw free
// probabilities, whether they reach the Youden point, the gate, warnings, pins, and why a film
// could not be read.
export function tableOf(rows, { findings, calibration, model }, withLabels) {
  const names = findings.map((name) => name.replaceAll(" ", "_"));
  const head = ["film", ...(withLabels ? ["file"] : []), "frame", "state", "checkpoint",
                ...names.map((name) => `${name}_raw_free`),
                ...(calibration ? names.map((name) => `${name}_raw_free_above_youden`) : []),
                "gate_accepted", "warnings", "pins", "error"];
  const empty = names.map(() => "");
  return [head, ...rows.map((row) => {
    const { result } = row, above = result?.above?.map((v) => v ?? "") ?? empty;
    return [row.number, ...(withLabels ? [row.label] : []), row.frame, WORDS[row.state],
            model.identity, ...(result?.free ?? empty), ...(calibration ? above : []),
            result?.accepted ?? "", result?.warnings.join(" ") ?? "", pinList(row, names),
            row.reason];
  })];
}

function pinList({ pins }, names) {
  const known = (pins ?? []).flatMap((pin, i) =>
    (pin === UNKNOWN ? [] : [`${names[i]}=${pin === NEGATIVE ? "negative" : "positive"}`]));
  return known.join(" ");
}
