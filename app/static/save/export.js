// A figure and its numbers as files, made in the browser: nothing is sent anywhere.

export function saveButtons(figure, rows, name) {
  const menu = document.createElement("details"), box = document.createElement("div");
  const title = Object.assign(document.createElement("summary"), { textContent: "Save" });
  menu.className = "lm-menu lm-save";
  menu.append(title, box);
  const button = (text, run) => {
    const node = document.createElement("button");
    node.type = "button";
    node.textContent = text;
    node.setAttribute("aria-label", `Save ${name} as ${text}`);
    node.addEventListener("click", run);
    box.append(node);
  };
  if (figure) {
    button("SVG", () => save(svgBlob(figure), `${name}.svg`));
    button("PNG", async () => save(await pngBlob(figure), `${name}.png`));
  }
  button("CSV", () => save(new Blob([csv(rows)], { type: "text/csv" }), `${name}.csv`));
  return menu;
}

// rows: arrays of texts and numbers, the first the header. A text that a spreadsheet would run as a
// formula gets an apostrophe before it.
export function csv(rows) {
  const quoted = (v) => {
    let text = v === null || v === undefined ? "" : String(v);
    if (/^[=+\-@\t\r\n']/.test(text) && Number.isNaN(Number(text))) text = `'${text}`;
    return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return `${rows.map((row) => row.map(quoted).join(",")).join("\r\n")}\r\n`;
}

export function tableOf(rows) {
  const box = document.createElement("details");
  const summary = document.createElement("summary");
  summary.textContent = "As a table";
  const table = document.createElement("table");
  rows.forEach((row, k) => {
    const line = document.createElement("tr");
    row.forEach((value, c) => {
      const cell = document.createElement(k === 0 || c === 0 ? "th" : "td");
      cell.textContent = value === null || value === undefined ? "\u2013" : value;
      line.append(cell);
    });
    table.append(line);
  });
  box.append(summary, table);
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
