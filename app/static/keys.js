// Keys, as data: what works them and what the list on `?` shows. `run` names a command of main.js,
// `with` is its argument. `always`: also while no film is open.

export const KEYS = [
  { group: "Finding", keys: ["ArrowDown"], show: "\u2193", run: "step", with: 1, text: "next finding" },
  { group: "Finding", keys: ["ArrowUp"], show: "\u2191", run: "step", with: -1, text: "previous finding" },
  { group: "Finding", keys: ["+", "="], show: "+", run: "pinSelected", with: "positive", text: "pin it positive" },
  { group: "Finding", keys: ["-"], show: "\u2212", run: "pinSelected", with: "negative", text: "pin it negative" },
  { group: "Finding", keys: ["0"], show: "0", run: "pinSelected", with: "unknown", text: "take its pin away" },
  { group: "Finding", keys: ["Backspace"], show: "Backspace", run: "clear", text: "clear all pins" },
  { group: "Finding", keys: ["z"], ctrl: true, show: "Ctrl Z", run: "undo", text: "undo the newest pin" },
  { group: "Finding", keys: ["Z", "y"], ctrl: true, show: "Ctrl Shift Z, Ctrl Y", run: "redo", text: "redo it" },
  { group: "Film", keys: ["n"], show: "N", run: "otherFilm", with: 1, text: "next film of the worklist", always: true },
  { group: "Film", keys: ["N"], show: "Shift N", run: "otherFilm", with: -1, text: "previous film of the worklist", always: true },
  { group: "Film", keys: ["q", "Q"], show: "Q", run: "worklist", text: "worklist open or closed", always: true },
  { group: "Map", keys: ["m", "M"], show: "M", run: "toggle", with: ".lm-map", text: "map on or off" },
  { group: "Map", keys: ["v", "V"], show: "V", run: "attention", text: "attention, and back" },
  { group: "Map", keys: ["c", "C"], show: "C", run: "toggle", with: ".lm-contour", text: "contour on or off" },
  { group: "Window", keys: ["1"], show: "1", run: "preset", with: 1, text: "the file's own window; again: its next one" },
  { group: "Window", keys: ["2"], show: "2", run: "preset", with: 2, text: "full range" },
  { group: "Window", keys: ["3"], show: "3", run: "preset", with: 3, text: "lung" },
  { group: "Window", keys: ["4"], show: "4", run: "preset", with: 4, text: "soft tissue" },
  { group: "Window", keys: ["5"], show: "5", run: "preset", with: 5, text: "bone" },
  { group: "Window", keys: ["i", "I"], show: "I", run: "invert", text: "invert black and white" },
  { group: "View", keys: ["f", "F"], show: "F", run: "fit", text: "whole film" },
  { group: "View", keys: ["a", "A"], show: "A", run: "actual", text: "one film pixel to one screen pixel" },
  { group: "View", keys: ["z"], show: "Z", run: "zoom", with: 1.25, text: "closer" },
  { group: "View", keys: ["Z"], show: "Shift Z", run: "zoom", with: 0.8, text: "farther" },
  { group: "View", keys: ["t", "]"], show: "T", run: "turn", with: 1, text: "quarter turn clockwise" },
  { group: "View", keys: ["T", "["], show: "Shift T", run: "turn", with: -1, text: "quarter turn back" },
  { group: "View", keys: ["h", "H"], show: "H", run: "flip", text: "flip left and right" },
  { group: "View", keys: ["r", "R"], show: "R", run: "reset", text: "reset window, zoom, turn and flip" },
  { group: "Tools", keys: ["w", "W"], show: "W", run: "tool", with: "window", text: "drag sets the window" },
  { group: "Tools", keys: ["p", "P"], show: "P", run: "tool", with: "pan", text: "drag moves the film" },
  { group: "Tools", keys: ["l", "L"], show: "L", run: "tool", with: "measure", text: "drag measures a length" },
  { group: "Tools", keys: ["b", "B"], show: "B", run: "tool", with: "box", text: "drag draws a box of the selected finding" },
  { group: "Tools", keys: ["Delete"], show: "Delete", run: "removeAnnotation", text: "take the last length or box away" },
  { group: "Tools", keys: ["ArrowRight"], shift: true, show: "Shift \u2192", run: "nudge", with: [1, 0], text: "as a drag to the right" },
  { group: "Tools", keys: ["ArrowLeft"], shift: true, show: "Shift \u2190", run: "nudge", with: [-1, 0], text: "as a drag to the left" },
  { group: "Tools", keys: ["ArrowDown"], shift: true, show: "Shift \u2193", run: "nudge", with: [0, 1], text: "as a drag down" },
  { group: "Tools", keys: ["ArrowUp"], shift: true, show: "Shift \u2191", run: "nudge", with: [0, -1], text: "as a drag up" },
  { group: "Help", keys: ["?"], show: "?", run: "help", text: "this list", always: true },
];

// What hands do, for the same list.
export const HANDS = [
  { show: "Left drag", text: "what the chosen tool does" },
  { show: "Middle drag", text: "moves the film" },
  { show: "Right drag", text: "zooms" },
  { show: "Wheel", text: "zooms at the cursor" },
  { show: "Double click", text: "whole film" },
  { show: "One finger", text: "moves the film or scrolls, until another tool is chosen" },
  { show: "Two fingers", text: "zoom and move" },
];

const TYPING = "input:not([type=checkbox]):not([type=range]):not([type=radio]), select, textarea, dialog";

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
  const section = document.createElement("section"), heading = document.createElement("h3");
  heading.textContent = title;
  const terms = document.createElement("dl");
  for (const entry of entries) {
    const key = document.createElement("dt"), box = document.createElement("kbd");
    box.textContent = entry.show;
    key.append(box);
    const text = document.createElement("dd");
    text.textContent = entry.text;
    terms.append(key, text);
  }
  section.append(heading, terms);
  return section;
}
