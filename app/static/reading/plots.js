// Figures as SVG with their colours inside, so that what is exported is what is seen.

const NS = "http://www.w3.org/2000/svg";
const FONT = "system-ui, 'Segoe UI', 'Liberation Sans', Arial, sans-serif";

// Colours of the page's present look.
export function palette(root) {
  const style = getComputedStyle(root);
  const names = ["text", "quiet", "line", "up", "down", "panel", "accent"];
  return Object.fromEntries(names.map((n) => [n, style.getPropertyValue(`--lm-${n}`).trim()]));
}

export function svg(width, height, label, background) {
  const node = document.createElementNS(NS, "svg");
  attributes(node, { width, height, viewBox: `0 0 ${width} ${height}`, role: "img",
                     "aria-label": label, "font-family": FONT });
  add(node, "rect", { width, height, fill: background });
  return node;
}

export function add(parent, tag, values, text) {
  const node = document.createElementNS(NS, tag);
  attributes(node, values);
  if (text !== undefined) node.textContent = text;
  parent.append(node);
  return node;
}

function attributes(node, values) {
  for (const [name, value] of Object.entries(values)) node.setAttribute(name, value);
}

// rows: {name, value, total}. A bar goes from where the one before ended; a total starts at zero.
export function waterfall(rows, label, colours, width = 540) {
  const line = 21, left = 168, right = 116, top = 4;
  const height = top + rows.length * line + 6;
  const figure = svg(width, height, label, colours.panel);
  let at = 0;
  const bars = rows.map((row) => {
    const from = row.total ? 0 : at;
    at = row.total ? row.value : at + row.value;
    return { ...row, from, to: at };
  });
  const low = Math.min(0, ...bars.flatMap((b) => [b.from, b.to]));
  const high = Math.max(0, ...bars.flatMap((b) => [b.from, b.to]));
  const x = (v) => left + ((v - low) / (high - low || 1)) * (width - left - right);
  add(figure, "line", { x1: x(0), x2: x(0), y1: top, y2: height - 4, stroke: colours.line });
  bars.forEach((bar, k) => {
    const y = top + k * line;
    const fill = bar.total ? colours.quiet : bar.value >= 0 ? colours.up : colours.down;
    add(figure, "text", { x: left - 8, y: y + 14, "text-anchor": "end", "font-size": 12,
                          fill: bar.total ? colours.text : colours.quiet }, bar.name);
    add(figure, "rect", { x: Math.min(x(bar.from), x(bar.to)), y: y + 4, rx: 2, fill,
                          width: Math.max(1.5, Math.abs(x(bar.to) - x(bar.from))), height: 12 });
    add(figure, "text", { x: width - right + 8, y: y + 14, "font-size": 12, fill: colours.text,
                          "font-weight": bar.total ? 600 : 400 }, bar.text);
  });
  return figure;
}

// values: rows x columns of numbers or null; colour(v) -> CSS colour; cells carry data-row,
// -column.
export function matrix(values, names, label, colour, title, colours, width = 540) {
  const left = 112, top = 92, cell = Math.floor((width - left - 4) / names.length);
  const height = top + cell * names.length + 4;
  const figure = svg(width, height, label, colours.panel);
  names.forEach((name, k) => {
    const middle = top + k * cell + cell / 2 + 4, across = left + k * cell + cell / 2;
    add(figure, "text", { x: left - 6, y: middle, "text-anchor": "end", "font-size": 11,
                          fill: colours.quiet }, name);
    add(figure, "text", { transform: `translate(${across + 4} ${top - 6}) rotate(-60)`,
                          "font-size": 11, fill: colours.quiet }, name);
  });
  values.forEach((row, r) => row.forEach((value, c) => {
    const box = add(figure, "rect", {
      x: left + c * cell + 0.5, y: top + r * cell + 0.5, width: cell - 1, height: cell - 1,
      fill: value === null ? "none" : colour(value), stroke: colours.line, "stroke-width": 0.5,
      "data-row": r, "data-column": c,
    });
    add(box, "title", {}, title(r, c, value));
  }));
  return figure;
}

// parts: {name, value} summing to 1, as one bar.
export function shares(parts, label, colours, width = 540) {
  const figure = svg(width, 30, label, colours.panel);
  const fills = [colours.accent, colours.up, colours.quiet];
  let x = 0;
  parts.forEach((part, k) => {
    const wide = part.value * width;
    const box = add(figure, "rect", { x, y: 2, width: Math.max(0, wide - 1), height: 26,
                                      fill: fills[Math.min(k, 2)], opacity: k > 2 ? 0.55 : 1 });
    add(box, "title", {}, `${part.name}: ${(100 * part.value).toFixed(1)} %`);
    if (wide > 70) {
      add(figure, "text", { x: x + 6, y: 19, "font-size": 11.5, fill: colours.panel },
        `${part.name} ${(100 * part.value).toFixed(0)} %`);
    }
    x += wide;
  });
  return figure;
}

// Signed value to orange or blue of the page, white (or dark) at zero.
export function diverging(colours, full) {
  return (v) => {
    const share = Math.min(1, Math.sqrt(Math.abs(v) / full));
    const mixed = `color-mix(in srgb, ${v >= 0 ? colours.up : colours.down} ${100 * share}%`;
    return toRgb(`${mixed}, ${colours.panel})`);
  };
}

// Computed, because color-mix is not understood by every program that opens an SVG.
function toRgb(css) {
  const probe = document.createElement("i");
  probe.style.color = css;
  document.body.append(probe);
  const rgb = getComputedStyle(probe).color;
  probe.remove();
  const srgb = rgb.match(/^color\(srgb ([\d.e-]+) ([\d.e-]+) ([\d.e-]+)/);
  return srgb ? `rgb(${srgb.slice(1).map((v) => Math.round(255 * v)).join(",")})` : rgb;
}
