// The reader's pins, one step after the other so that each can be undone; and in words what the
// newest step moved, and what all of them do to one finding.

import { CHANGE_SHOWN, NEGATIVE, POSITIVE, UNKNOWN, percent, points, shown } from "../state.js";

const MOVERS = 3; // named in the sentence
const WORDS = { [NEGATIVE]: "absent", [POSITIVE]: "present", [UNKNOWN]: "open again" };

export class PinHistory {
  constructor(state) {
    this.state = state;
    this.reset();
  }

  reset() {
    this.done = [];
    this.undone = [];
  }

  // pins: all 14 states from now on.
  change(pins) {
    if (pins.every((pin, i) => pin === this.state.pins[i])) return;
    this.done.push(this.state.pins);
    this.undone = [];
    this.state.pins = [...pins];
  }

  // Whether there was a step to take back, or to take again.
  undo() {
    return this.go(this.done, this.undone);
  }

  redo() {
    return this.go(this.undone, this.done);
  }

  go(from, to) {
    if (!from.length) return false;
    to.push(this.state.pins);
    this.state.pins = from.pop();
    return true;
  }
}

// "Effusion present: Infiltration +9.8, Pneumonia +9.6, Nodule -4.8."; before: {pins, values},
// the pins and shown probabilities of the reading before this one. Empty where nothing changed.
export function movedSentence(findings, before, reading) {
  const changed = reading.pins.flatMap((pin, i) => (before && pin !== before.pins[i] ? [i] : []));
  if (!changed.length) return "";
  const moved = findings.map((name, i) => ({ name, i, by: shown(reading, i) - before.values[i] }))
    .filter(({ i, by }) => reading.pins[i] === UNKNOWN && !changed.includes(i)
      && Math.abs(by) >= CHANGE_SHOWN)
    .sort((a, b) => Math.abs(b.by) - Math.abs(a.by)).slice(0, MOVERS);
  const words = moved.map(({ name, by }) => `${name} ${points(by)}`).join(", ");
  return `${stepText(findings, changed, reading)}: ${words || "no other finding moves"}.`;
}

function stepText(findings, changed, { pins }) {
  if (changed.length === 1) return `${findings[changed[0]]} ${WORDS[pins[changed[0]]]}`;
  return pins.every((p) => p === UNKNOWN) ? "All pins cleared" : `${changed.length} pins changed`;
}

// "The image says 42 %; your pins add 9.8 points, most from Effusion." entry: of one finding, as
// the server explains it; pins: names of the findings pinned.
export function shareSentence({ state, free, conditioned, per_pin: shares }, pins) {
  const image = `The image says ${percent(free)}`;
  if (state !== "unknown") {
    return `${image}. You pinned it ${state === "positive" ? "present" : "absent"}, so there is no `
      + "number under pins: the model never learned one.";
  }
  if (!pins.length) return `${image}; nothing is pinned.`;
  const by = conditioned - free, up = by > 0;
  if (Math.abs(by) < CHANGE_SHOWN) return `${image}; what you pinned hardly changes it.`;
  const size = `${points(Math.abs(by)).slice(1)} points`;
  const [[name]] = Object.entries(shares).sort(([, a], [, b]) => (up ? b - a : a - b));
  const most = name.replaceAll("_", " ");
  const does = pins.length === 1 ? up ? "adds" : "takes away" : up ? "add" : "take away";
  if (pins.length === 1) return `${image}; your pin of ${most} ${does} ${size}.`;
  return `${image}; your pins ${does} ${size}, most from ${most}.`;
}
