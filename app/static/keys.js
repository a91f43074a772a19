// Keys, as data. `run` names a command of main.js.

export const KEYS = [
  { keys: ["m", "M"], run: "toggleMap", text: "map on or off" },
  { keys: ["c", "C"], run: "toggleContour", text: "contour on or off" },
  { keys: ["i", "I"], run: "invert", text: "invert the film" },
  { keys: ["f", "F"], run: "fit", text: "whole film" },
  { keys: ["ArrowDown"], run: "next", text: "next finding" },
  { keys: ["ArrowUp"], run: "previous", text: "previous finding" },
  { keys: ["+", "="], run: "pinPositive", text: "pin the finding positive" },
  { keys: ["-"], run: "pinNegative", text: "pin the finding negative" },
  { keys: ["0", "?"], run: "pinUnknown", text: "unpin the finding" },
  { keys: ["Backspace"], run: "clear", text: "clear all pins" },
];

const TYPING = "input:not([type=checkbox]):not([type=range]), select, textarea";

// active(): whether the keys mean anything now; else they stay the browser's own.
export function listenForKeys(commands, active) {
  document.addEventListener("keydown", (e) => {
    if (!active() || e.ctrlKey || e.metaKey || e.altKey || e.target.closest?.(TYPING)) return;
    if (e.target.matches?.("input[type=range]") && e.key.startsWith("Arrow")) return;
    const bound = KEYS.find((entry) => entry.keys.includes(e.key));
    if (!bound) return;
    e.preventDefault();
    commands[bound.run]();
  });
}
