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

// pairs: [term, ...texts and elements that tell of it] each.
export function terms(pairs) {
  return pairs.flatMap(([term, ...content]) => {
    const told = make("dd");
    told.append(...content);
    return [make("dt", "", term), told];
  });
}
