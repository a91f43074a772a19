// The reader's pins, one step after the other so that each can be undone, and what the newest step
// moved, in words.

import { CHANGE_SHOWN, NEGATIVE, POSITIVE, UNKNOWN, points, shown } from "../state.js";

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

// "Effusion present: Infiltration +9.8, Pneumonia +9.6, Nodule -4.8."; before: {pins, values}, the
// pins and shown probabilities of the reading before this one. Empty where nothing changed.
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
