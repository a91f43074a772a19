// The reading room: state in the middle, the server on one side, film and table on the other.

import { FilmView } from "./film.js";
import { colourScale, contour, paint, peak, upsample } from "./heat.js";
import { listenForKeys } from "./keys.js";
import {
  NEGATIVE, POSITIVE, UNKNOWN, change, initialState, percent, pinCount, points, rowOrder, shown,
} from "./state.js";
import { ReadingTable } from "./table.js";

export function mount(root, facts, send) {
  const q = (selector) => root.querySelector(selector);
  const state = initialState(facts.findings);
  const film = new FilmView(q(".lm-stage"), q(".lm-stage > canvas"));
  const tables = Object.fromEntries(Object.entries(facts.colours).map(([name, base64]) =>
    [name, Uint8Array.from(atob(base64), (ch) => ch.charCodeAt(0))]));
  const table = new ReadingTable(q(".lm-table"), facts.findings, facts.prevalence, {
    select: (i) => { state.selected = i; render(); },
    pin,
  });

  // ---- what the reader does

  function pin(i, value) {
    if (!state.film || state.pins[i] === value) return;
    state.pins[i] = value;
    state.selected = i;
    const word = { [UNKNOWN]: "unknown", [NEGATIVE]: "negative", [POSITIVE]: "positive" }[value];
    q(".lm-live").textContent = `${facts.findings[i]} ${word}`;
    ask();
  }

  function clear() {
    if (!pinCount(state)) return;
    state.pins.fill(UNKNOWN);
    q(".lm-live").textContent = "All pins cleared";
    ask();
  }

  // One request for the newest pins; an older answer that comes late is not shown.
  function ask() {
    if (!state.film) return;
    state.sent += 1;
    root.dataset.pending = state.sent;
    render();
    send("pin", { token: state.film.token, seq: state.sent, pins: [...state.pins],
                  layer: state.view.layer, head: state.view.head });
  }

  function step(by) {
    const order = rowOrder(state);
    const at = order.indexOf(state.selected) + by;
    state.selected = order[Math.min(order.length - 1, Math.max(0, at))];
    render();
    table.rows[state.selected].row.scrollIntoView({ block: "nearest" });
  }

  function toggle(selector) {
    const box = q(selector);
    box.checked = !box.checked;
    readView();
  }

  function readView() {
    state.view.map = q(".lm-map").checked;
    state.view.contour = q(".lm-contour").checked;
    state.view.opacity = q(".lm-opacity").value / 100;
    state.view.colours = q(".lm-colours").value;
    state.view.scale = q(".lm-scale").value;
    state.view.which = q(".lm-which").value;
    renderMap();
  }

  function invert() {
    state.view.invert = !state.view.invert;
    q(".lm-invert").setAttribute("aria-pressed", state.view.invert);
    film.setInvert(state.view.invert);
  }

  function openFile(file) {
    const input = fileInput();
    const carrier = new DataTransfer();
    carrier.items.add(file);
    input.files = carrier.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
  }

  function busy(on) {
    q(".lm-busy").hidden = !on;
  }

  // ---- what the server answers

  async function receive(reply) {
    if (reply.kind === "film") return receiveFilm(reply);
    if (reply.kind === "reading") return receiveReading(reply);
    if (reply.kind === "forgotten") return closeFilm();
    busy(false);
    alertText(reply.message);
    // The pins the screen shows must be those of the reading it shows.
    if (state.reading && reply.seq === state.sent) state.pins = [...state.reading.pins];
    delete root.dataset.pending;
    render();
  }

  async function receiveFilm(reply) {
    const response = await fetch(new URL(`lmeran/film/${reply.token}`, document.baseURI));
    if (!response.ok) return alertText("The film could not be shown; open it again.");
    const plain = { colorSpaceConversion: "none", premultiplyAlpha: "none" };
    film.setFilm(await createImageBitmap(await response.blob(), plain));
    state.film = reply;
    state.reading = reply.reading;
    state.before = null;
    state.pins.fill(UNKNOWN);
    state.view.layer = state.view.head = null;
    q(".lm-layer").value = q(".lm-headsel").value = "";
    state.sent += 1; // answers to requests about the film before are late by definition
    state.selected = rowOrder({ ...state, sort: "probability" })[0];
    delete root.dataset.pending;
    alertText("");
    busy(false);
    render();
  }

  function receiveReading(reply) {
    if (reply.token !== state.film?.token || reply.seq !== state.sent) return;
    const same = reply.reading.pins.every((p, i) => p === state.reading.pins[i]);
    if (!same) state.before = state.pins.map((_, i) => shown(state.reading, i));
    state.reading = reply.reading;
    delete root.dataset.pending;
    render();
  }

  function closeFilm() {
    film.setFilm(null);
    Object.assign(state, { film: null, reading: null, before: null });
    state.pins.fill(UNKNOWN);
    render();
  }

  function alertText(text) {
    q(".lm-alert").hidden = !text;
    q(".lm-alert span").textContent = text;
  }

  // ---- the screen

  function render() {
    root.dataset.state = state.film ? "open" : "empty";
    q(".lm-prompt").hidden = Boolean(state.film);
    table.render(state);
    const count = pinCount(state);
    q(".lm-clear").disabled = !count;
    q(".lm-forget").disabled = !state.film;
    q(".lm-count").textContent = count ? `${count} pinned` : "nothing pinned";
    renderFacts();
    renderDetail();
    renderMap();
  }

  function renderFacts() {
    const lines = state.film?.lines ?? [];
    const shownLines = state.film?.title ? [["Film", state.film.title], ...lines] : lines;
    q(".lm-facts").replaceChildren(...shownLines.flatMap(([name, value]) =>
      [element("dt", name), element("dd", value)]));
    const warnings = [...(state.film?.warnings ?? []), ...(state.reading?.warnings ?? [])];
    q(".lm-warnings").replaceChildren(...warnings.map((text) => element("li", text)));
  }

  function renderDetail() {
    const i = state.selected, reading = state.reading, box = q(".lm-detail");
    if (!reading) return box.replaceChildren();
    const parts = [element("strong", facts.findings[i])];
    const delta = change(reading, i);
    const known = { [NEGATIVE]: "negative", [POSITIVE]: "positive" }[reading.pins[i]];
    parts.push(element("span", delta === null
      ? `pinned ${known} by you; the model's free probability was ${percent(reading.free[i])}`
      : pinCount(state)
        ? `free ${percent(reading.free[i])}, with pins ${percent(shown(reading, i))} (${points(delta)} points)`
        : `free ${percent(reading.free[i])}`));
    if (facts.prevalence) {
      parts.push(element("span", `in ${percent(facts.prevalence[i])} of the training films`));
    }
    const auc = facts.model.test?.auc[i];
    if (auc) parts.push(element("span", `test AUC ${auc.toFixed(3)}`));
    box.replaceChildren(...parts);
  }

  function renderMap() {
    const maps = state.reading?.maps, view = state.view, i = state.selected;
    q(".lm-caption").hidden = !maps || !view.map;
    const canvas = q(".lm-stage > canvas");
    if (!state.film || !maps || !view.map) {
      film.setOverlay(null);
      canvas.setAttribute("aria-label", state.film ? "Film without map" : "No film is open");
      return;
    }
    const values = maps[view.which][i];
    const maximum = Math.max(...values);
    const p = view.which === "free" ? state.reading.free[i] : shown(state.reading, i);
    const toShare = colourScale(view.scale, p, maps.tokens, facts.fullScaleLift, maximum);
    const field = upsample(values, facts.model.grid);
    const segments = view.contour && maximum > 0 ? contour(field, facts.contour * maximum) : [];
    film.setOverlay({ canvas: paint(field, toShare, tables[view.colours]),
                      opacity: view.opacity, segments });
    const heads = maps.head === null ? "mean of heads" : `head ${maps.head}`;
    const which = view.which === "free" ? "free reading"
      : pinCount(state) ? "reading with pins" : "free reading (no pins)";
    const name = `${facts.findings[i]}: attention of the label branch, layer ${maps.layer}, `
      + `${heads}, ${which}`;
    q(".lm-mapname").textContent = name;
    q(".lm-rampmax").textContent = view.scale === "absolute"
      ? `p 1 x ${facts.fullScaleLift} times even attention (absolute)`
      : `${maximum.toFixed(3)} of its attention (relative: own maximum)`;
    drawRamp(q(".lm-ramp"), tables[view.colours]);
    const [px, py] = peak(field).map((v) => Math.round(100 * v));
    canvas.setAttribute("aria-label",
      `Film with map. ${name}. Strongest at ${px} % from the left, ${py} % from the top.`);
  }

  function renderModel() {
    const { model } = facts;
    const parts = [`Checkpoint ${model.identity} (${model.source}), block "${model.block}"`];
    if (model.test) {
      const [free, ...known] = model.test.scores;
      parts.push(`mean AUC ${free.mean.toFixed(3)} on ${model.test.images} official test films`
        + known.map((s) => `, ${s.mean.toFixed(3)} with ${s.known} findings known`).join(""));
    } else parts.push("not measured on test films");
    q(".lm-model").textContent = parts.join(" \u00b7 ");
  }

  function fillSelects() {
    const fill = (selector, options) => q(selector).replaceChildren(
      ...options.map(([value, text]) => Object.assign(element("option", text), { value })));
    const { layers, heads } = facts.model;
    const numbers = (n) => Array.from({ length: n }, (_, k) => [k + 1, String(k + 1)]);
    fill(".lm-colours", Object.keys(tables).map((name) => [name, name]));
    fill(".lm-layer", [["", "last"], ...numbers(layers)]);
    fill(".lm-headsel", [["", "mean"], ...numbers(heads)]);
  }

  function showExamples() {
    q(".lm-examples").replaceChildren(...facts.examples.map((title, k) => {
      const button = element("button", "");
      button.type = "button";
      button.title = title;
      const image = document.createElement("img");
      image.src = new URL(`lmeran/example/${k}`, document.baseURI);
      image.alt = "";
      button.append(image, element("span", title));
      button.addEventListener("click", () => {
        busy(true);
        send("example", { example: k, seq: ++state.sent });
      });
      return button;
    }));
  }

  function listen() {
    q(".lm-open").addEventListener("click", () => fileInput().click());
    document.addEventListener("change", (e) => {
      if (e.target === fileInput() && e.target.files.length) busy(true);
    }, true);
    const stage = q(".lm-left");
    stage.addEventListener("dragover", (e) => { e.preventDefault(); root.dataset.drop = "1"; });
    stage.addEventListener("dragleave", () => delete root.dataset.drop);
    stage.addEventListener("drop", (e) => {
      e.preventDefault();
      delete root.dataset.drop;
      if (e.dataTransfer.files.length) openFile(e.dataTransfer.files[0]);
    });
    for (const selector of [".lm-map", ".lm-contour", ".lm-opacity", ".lm-colours", ".lm-scale", ".lm-which"]) {
      q(selector).addEventListener("input", readView);
    }
    for (const [selector, name] of [[".lm-layer", "layer"], [".lm-headsel", "head"]]) {
      q(selector).addEventListener("change", (e) => {
        state.view[name] = e.target.value ? Number(e.target.value) : null;
        ask();
      });
    }
    q(".lm-sort").addEventListener("change", (e) => { state.sort = e.target.value; render(); });
    q(".lm-clear").addEventListener("click", clear);
    q(".lm-invert").addEventListener("click", invert);
    q(".lm-fit").addEventListener("click", () => film.fit());
    q(".lm-forget").addEventListener("click", () => send("forget", { seq: ++state.sent }));
    q(".lm-alert button").addEventListener("click", () => alertText(""));
    q(".lm-theme").addEventListener("click", () => setTheme(!isLight()));
    window.addEventListener("lmeran:reply", (e) => receive(e.detail));
    listenForKeys({
      toggleMap: () => toggle(".lm-map"),
      toggleContour: () => toggle(".lm-contour"),
      invert,
      fit: () => film.fit(),
      next: () => step(1),
      previous: () => step(-1),
      pinPositive: () => pin(state.selected, POSITIVE),
      pinNegative: () => pin(state.selected, NEGATIVE),
      pinUnknown: () => pin(state.selected, UNKNOWN),
      clear,
    });
  }

  fillSelects();
  renderModel();
  showExamples();
  listen();
  setTheme(false);
  render();
  root.dataset.ready = "1";
}

// Gradio's own upload input: it hands the file to the server and starts the event.
function fileInput() {
  return document.querySelector("input[type=file]");
}

function isLight() {
  return document.documentElement.dataset.lmTheme === "light";
}

function setTheme(light) {
  document.documentElement.dataset.lmTheme = light ? "light" : "dark";
  document.body.classList.toggle("dark", !light);
  const button = document.querySelector(".lm-theme");
  button.textContent = light ? "Dark" : "Light";
}

function drawRamp(canvas, table) {
  const context = canvas.getContext("2d");
  const image = context.createImageData(256, 1);
  for (let i = 0; i < 256; i++) {
    image.data.set([table[3 * i], table[3 * i + 1], table[3 * i + 2], 255], 4 * i);
  }
  context.putImageData(image, 0, 0);
}

function element(tag, text) {
  const node = document.createElement(tag);
  node.textContent = text;
  return node;
}
