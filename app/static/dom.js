// Elements that are made as the page runs.

export function make(tag, className = "", text = "") {
  return Object.assign(document.createElement(tag), { className, textContent: text });
}

export function button(text, act, more = {}) {
  const node = Object.assign(make("button", "", text), { type: "button", ...more });
  node.addEventListener("click", act);
  return node;
}
