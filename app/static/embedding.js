// The page in a frame of another page. It fills the frame that it is given. A parent with
// iframe-resizer, as Hugging Face's, takes the frame's scrolling away and sets the height that the
// page asks for: once what is seen of the parent's window, whatever the page holds, so that neither
// lets the other grow.

const TAG = "[iFrameSizer]"; // before each message of iframe-resizer 4
const LEAST = 560, USUAL = 860, MOST = 1200; // px

export function listenForParent() {
  const { parent } = window;
  if (parent === window) return;
  let id = "", height = USUAL;
  const send = (type, size = 0) => parent.postMessage(`${TAG}${id}:${size}:0:${type}`, "*");
  window.addEventListener("message", ({ source, data }) => {
    if (source !== parent || !`${data}`.startsWith(TAG)) return;
    const words = data.slice(TAG.length), fields = words.split(":");
    if (words.startsWith("pageInfo:")) {
      height = heightIn(JSON.parse(words.slice(words.indexOf(":") + 1)));
      send("pageInfoStop");
    } else if (["true", "false"].includes(fields[2])) {
      if (!id) queueMicrotask(() => send("pageInfo"));
      [id] = fields;
    } else if (!id) return;
    document.documentElement.dataset.sized = "";
    document.documentElement.style.setProperty("--lm-high", `${height}px`);
    send("init", height);
  });
  parent.postMessage("[iFrameResizerChild]Ready", "*");
}

// All of the parent's window below what stands above the frame, unless that is too little.
function heightIn({ clientHeight, offsetTop }) {
  const below = clientHeight - offsetTop;
  return Math.min(MOST, Math.max(LEAST, below < LEAST ? clientHeight : below));
}
