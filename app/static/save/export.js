// A figure and its numbers as files, made in the browser: nothing is sent anywhere.

import { button, make } from "../dom.js";

export function saveButtons(figure, rows, name) {
  const menu = make("details", "lm-menu lm-save"), box = make("div");
  const add = (form, run) =>
    box.append(button(form, run, { ariaLabel: `Save ${name} as ${form}` }));
  menu.append(make("summary", "", "Save"), box);
  if (figure) {
    add("SVG", () => save(svgBlob(figure), `${name}.svg`));
    add("PNG", async () => save(await pngBlob(figure), `${name}.png`));
  }
  add("CSV", () => save(new Blob([csv(rows)], { type: "text/csv" }), `${name}.csv`));
  return menu;
}

// rows: arrays of texts and numbers, the first the header. A text that a spreadsheet would run as
// a formula gets an apostrophe before it.
export function csv(rows) {
  const quoted = (v) => {
    let text = String(v ?? "");
    if (/^[=+\-@\t\r\n']/.test(text) && Number.isNaN(Number(text))) text = `'${text}`;
    return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return `${rows.map((row) => row.map(quoted).join(",")).join("\r\n")}\r\n`;
}

export function tableOf(rows) {
  const box = make("details"), table = make("table");
  rows.forEach((row, k) => {
    const line = make("tr");
    line.append(...row.map((value, c) => make(k && c ? "td" : "th", "", value ?? "\u2013")));
    table.append(line);
  });
  box.append(make("summary", "", "As a table"), table);
  return box;
}

function svgBlob(figure) {
  const copy = figure.cloneNode(true);
  copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  return new Blob([new XMLSerializer().serializeToString(copy)], { type: "image/svg+xml" });
}

async function pngBlob(figure) {
  const url = URL.createObjectURL(svgBlob(figure));
  const image = new Image();
  image.src = url;
  await image.decode();
  URL.revokeObjectURL(url);
  const canvas = document.createElement("canvas");
  canvas.width = 2 * figure.width.baseVal.value;
  canvas.height = 2 * figure.height.baseVal.value;
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}

export function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
