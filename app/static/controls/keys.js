// Keys, as data: what works them and what the list on `?` shows.

import { make } from "../dom.js";

// Of each: what is shown, the keys, what they do in words and as a command of main.js, its
// argument. ctrl, shift: held with it; always: also while no film is open.
const GROUPS = {
  Finding: [
    ["\u2193", "ArrowDown", "next finding", "step", 1],
    ["\u2191", "ArrowUp", "previous finding", "step", -1],
    ["+", "+ =", "pin it positive", "pinSelected", "positive"],
    ["\u2212", "-", "pin it negative", "pinSelected", "negative"],
    ["0", "0", "take its pin away", "pinSelected", "unknown"],
    ["Backspace", "Backspace", "clear all pins", "clear"],
    ["Ctrl Z", "z", "undo the newest pin", "undo", undefined, { ctrl: true }],
    ["Ctrl Shift Z, Ctrl Y", "Z y", "redo it", "redo", undefined, { ctrl: true }],
  ],
  Film: [
    ["N", "n", "next film of the worklist", "otherFilm", 1, { always: true }],
    ["Shift N", "N", "previous film of the worklist", "otherFilm", -1, { always: true }],
    ["Q", "q Q", "worklist open or closed", "worklist", undefined, { always: true }],
    ["S", "s S", "begin or continue a study", "study", undefined, { always: true }],
  ],
  Map: [
    ["X", "x X", "read without the finding's last box, or the contour", "without"],
    ["M", "m M", "map on or off", "toggle", ".lm-map"],
    ["V", "v V", "attention, and back", "attention"],
    ["C", "c C", "contour on or off", "toggle", ".lm-contour"],
  ],
  Window: [
    ["1", "1", "the file's own window; again: its next one", "preset", 1],
    ["2", "2", "full range", "preset", 2],
    ["3", "3", "lung", "preset", 3],
    ["4", "4", "soft tissue", "preset", 4],
    ["5", "5", "bone", "preset", 5],
    ["I", "i I", "invert black and white", "invert"],
  ],
  View: [
    ["F", "f F", "whole film", "fit"],
    ["A", "a A", "one film pixel to one screen pixel", "actual"],
    ["Z", "z", "closer", "zoom", 1.25],
    ["Shift Z", "Z", "farther", "zoom", 0.8],
    ["T", "t ]", "quarter turn clockwise", "turn", 1],
    ["Shift T", "T [", "quarter turn back", "turn", -1],
    ["H", "h H", "flip left and right", "flip"],
    ["R", "r R", "reset window, zoom, turn and flip", "reset"],
  ],
  Tools: [
    ["W", "w W", "drag sets the window", "tool", "window"],
    ["P", "p P", "drag moves the film", "tool", "pan"],
    ["L", "l L", "drag measures a length", "tool", "measure"],
    ["B", "b B", "drag draws a box of the selected finding", "tool", "box"],
    ["Delete", "Delete", "take the last length or box away", "removeAnnotation"],
    ["Shift \u2192", "ArrowRight", "as a drag to the right", "nudge", [1, 0], { shift: true }],
    ["Shift \u2190", "ArrowLeft", "as a drag to the left", "nudge", [-1, 0], { shift: true }],
    ["Shift \u2193", "ArrowDown", "as a drag down", "nudge", [0, 1], { shift: true }],
    ["Shift \u2191", "ArrowUp", "as a drag up", "nudge", [0, -1], { shift: true }],
  ],
  Help: [
    ["?", "?", "this list", "help", undefined, { always: true }],
  ],
};

export const KEYS = Object.entries(GROUPS).flatMap(([group, rows]) =>
  rows.map(([show, keys, text, run, argument, more]) =>
    ({ group, show, keys: keys.split(" "), text, run, with: argument, ...more })));

// What hands do, for the same list.
const HANDS = [
  { show: "Left drag", text: "what the chosen tool does" },
  { show: "Middle drag", text: "moves the film" },
  { show: "Right drag", text: "zooms" },
  { show: "Wheel", text: "zooms at the cursor" },
  { show: "Double click", text: "whole film" },
  { show: "One finger", text: "moves the film or scrolls, until another tool is chosen" },
  { show: "Two fingers", text: "zoom and move" },
];

const TYPING = "input:not([type=checkbox], [type=range], [type=radio]), select, textarea, dialog";

const BRACKETS = ["[", "]"]; // need AltGr (Ctrl and Alt) or Option on many keyboards

// active(): whether a film is open, so that keys about it mean something; else they stay the
// browser's own.
export function listenForKeys(commands, active) {
  document.addEventListener("keydown", (e) => {
    if (e.target.closest?.(TYPING) || (e.altKey && !BRACKETS.includes(e.key))) return;
    const command = (e.ctrlKey || e.metaKey) && !e.altKey;
    const arrow = e.key.startsWith("Arrow");
    if (arrow && e.target.matches?.("input[type=range], input[type=radio]")) return;
    const bound = KEYS.find((entry) => entry.keys.includes(e.key)
      && command === Boolean(entry.ctrl)
      && (!arrow || e.shiftKey === Boolean(entry.shift)));
    if (!bound || !(bound.always || active())) return;
    e.preventDefault();
    commands[bound.run](bound.with);
  });
}

// The list of all keys, by group, into a dialog.
export function fillKeyList(dialog) {
  const groups = [...new Set(KEYS.map((entry) => entry.group))];
  const lists = groups.map((group) => list(group, KEYS.filter((entry) => entry.group === group)));
  dialog.querySelector(".lm-keylists").replaceChildren(list("Mouse and touch", HANDS), ...lists);
}

function list(title, entries) {
  const section = make("section"), box = make("dl");
  for (const { show, text } of entries) {
    const key = make("dt");
    key.append(make("kbd", "", show));
    box.append(key, make("dd", "", text));
  }
  section.append(make("h3", "", title), box);
  return section;
}
