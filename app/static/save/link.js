// Deep links: pins and finding in the part of the address that is never sent to a server.
// #pins=Effusion:positive,Edema:negative&finding=Mass

import { NEGATIVE, POSITIVE, UNKNOWN } from "../state.js";

const STATES = { positive: POSITIVE, negative: NEGATIVE };

// {pins: 14 states, finding: number or null, unknown: texts that name nothing here}; null without
// pins or finding in the address.
export function parseLink(hash, findings) {
  const parts = new URLSearchParams(hash.replace(/^#/, ""));
  if (!parts.has("pins") && !parts.has("finding")) return null;
  const link = { pins: findings.map(() => UNKNOWN), finding: null, unknown: [] };
  for (const text of (parts.get("pins") ?? "").split(",").filter(Boolean)) {
    const [name, state] = text.split(":"), i = indexOf(name, findings);
    if (i < 0 || !STATES[state]) link.unknown.push(text);
    else link.pins[i] = STATES[state];
  }
  const finding = parts.get("finding");
  if (finding) link.finding = indexOf(finding, findings);
  if (link.finding === -1) {
    Object.assign(link, { finding: null, unknown: [...link.unknown, finding] });
  }
  return link;
}

export function linkOf(address, { pins, selected }, findings) {
  const known = Object.entries(STATES).flatMap(([word, state]) =>
    pins.flatMap((pin, i) => (pin === state ? [[i, `${folded(findings[i])}:${word}`]] : [])));
  const texts = known.sort(([a], [b]) => a - b).map(([, text]) => text);
  const named = texts.length ? `pins=${texts.join(",")}` : "";
  const parts = [named, `finding=${folded(findings[selected])}`];
  return `${address.split("#")[0]}#${parts.filter(Boolean).join("&")}`;
}

// Pins by name, as the server's exports want them.
export function namedPins(pins, findings) {
  const words = Object.fromEntries(Object.entries(STATES).map(([word, state]) => [state, word]));
  const named = pins.flatMap((pin, i) => (words[pin] ? [[findings[i], words[pin]]] : []));
  return Object.fromEntries(named);
}

function indexOf(name, findings) {
  const wanted = folded(name).toLowerCase();
  return findings.findIndex((finding) => folded(finding).toLowerCase() === wanted);
}

function folded(name) {
  return name.trim().replaceAll(/[ -]/g, "_");
}
