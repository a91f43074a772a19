// Elements made by the page.

export function make(tag, className = "", text = undefined) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

export function button(text, run, more = {}) {
  const node = Object.assign(make("button", "", text), { type: "button", ...more });
  node.addEventListener("click", run);
  return node;
}

// pairs: [value, text] each.
export function options(pairs) {
  return pairs.map(([value, text]) => Object.assign(make("option", "", text), { value }));
}

// A heading per group of {term: text}, as a list of terms.
export function terms(pairs) {
  return pairs.flatMap(([term, text]) => [make("dt", "", term), make("dd", "", text)]);
}
