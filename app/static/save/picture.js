// The view as a picture: the viewports as they are seen, with what they show written below.

const MARGIN = 12, LINE = 20;
const FONT = "14px system-ui, 'Segoe UI', 'Liberation Sans', Arial, sans-serif";

// canvases: what is seen, left to right; lines: texts below. A Promise of a PNG blob.
export function viewPicture(canvases, lines) {
  const ratio = window.devicePixelRatio || 1;
  const gap = Math.round(6 * ratio), width = canvases.reduce((sum, c) => sum + c.width, 0)
    + gap * (canvases.length - 1);
  const height = Math.max(...canvases.map((c) => c.height));
  const picture = document.createElement("canvas"), context = picture.getContext("2d");
  const wrapped = lines.flatMap((line) => wrap(context, line, width / ratio - 2 * MARGIN));
  picture.width = width;
  picture.height = height + Math.round((2 * MARGIN + LINE * wrapped.length) * ratio);
  context.fillStyle = "#000";
  context.fillRect(0, 0, picture.width, picture.height);
  let left = 0;
  for (const canvas of canvases) {
    context.drawImage(canvas, left, 0);
    left += canvas.width + gap;
  }
  context.setTransform(ratio, 0, 0, ratio, 0, height);
  Object.assign(context, { fillStyle: "#fff", font: FONT, textBaseline: "top" });
  wrapped.forEach((line, k) => context.fillText(line, MARGIN, MARGIN + LINE * k));
  return new Promise((resolve) => picture.toBlob(resolve, "image/png"));
}

function wrap(context, text, width) {
  context.font = FONT;
  const lines = [];
  for (const word of text.split(/\s+/)) {
    const longer = lines.length ? `${lines.at(-1)} ${word}` : word;
    const fits = context.measureText(longer).width <= width;
    if (lines.length && fits) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
}
