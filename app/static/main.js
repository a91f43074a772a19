// The reading room: state in the middle, the server on one side, film and table on the other.

import { FilmView } from "./film.js";
import { listenForKeys } from "./keys.js";
import { Screen, element } from "./screen.js";
import { WhyPanel } from "./why.js";
import {
  NEGATIVE, POSITIVE, UNKNOWN, initialState, pinCount, rowOrder, shown,
} from "./state.js";
import { ReadingTable } from "./table.js";

// A pin that is asked again behind another request carries that one's number: it comes too late.
const LATE = -1;
const WHY_DELAY = 150; // ms without a further pin before the explanation is asked for

export function mount(root, facts, send) {
  const q = (selector) => root.querySelector(selector);
  const state = initialState(facts.findings);
  const film = new FilmView(q(".lm-first"), q(".lm-first > canvas"), state.view.place);
  const beside = new FilmView(q(".lm-second"), q(".lm-second > canvas"), state.view.place);
  film.linked = beside;
  beside.linked = film;
  const screen = new Screen(root, facts, film, beside);
  const select = (i) => { state.selected = i; render(); };
  const table = new ReadingTable(q(".lm-table"), facts.findings, facts.prevalence, { select, pin });
  const why = new WhyPanel(q(".lm-why"), facts, { select, pin });
  let asking = 0; // timer of the next question why

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
    send("pin", request());
  }

  function request() {
    return { token: state.film.token, seq: state.sent, pins: [...state.pins],
             layer: state.view.layer, head: state.view.head };
  }

  // The explanation is heavier: it is asked for once the pins have rested.
  function askWhy() {
    clearTimeout(asking);
    asking = setTimeout(() => {
      if (state.film && state.readingSeq === state.sent) send("explain", request());
    }, WHY_DELAY);
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
    state.view.kind = q(".lm-kind").value;
    state.view.beside = q(".lm-beside").value;
    screen.renderMap(state);
  }

  function invert() {
    state.view.invert = !state.view.invert;
    q(".lm-invert").setAttribute("aria-pressed", state.view.invert);
    film.setInvert(state.view.invert);
    beside.setInvert(state.view.invert);
  }

  function openFile(file) {
    const input = fileInput();
    put(input, file);
    input.dispatchEvent(new Event("change", { bubbles: true }));
  }

  function busy(on) {
    q(".lm-busy").hidden = !on;
  }

  // ---- what the server answers

  async function receive(reply) {
    if (reply.kind === "film") return receiveFilm(reply);
    if (reply.kind === "reading") return receiveReading(reply);
    if (reply.kind === "why") return receiveWhy(reply);
    if (reply.kind === "forgotten") return closeFilm();
    // Of a question that is no longer the newest one; an answer about a file has no number.
    if (reply.seq !== null && reply.seq !== state.sent) return;
    busy(false);
    alertText(reply.message);
    // The pins the screen shows must be those of the reading it shows.
    if (state.reading && reply.seq === state.sent) state.pins = [...state.reading.pins];
    delete root.dataset.pending;
    render();
  }

  async function receiveFilm(reply) {
    const response = await fetch(new URL(`lmeran/film/${reply.token}`, document.baseURI));
    if (!response.ok) {
      busy(false);
      return alertText("The film could not be shown; open it again.");
    }
    const plain = { colorSpaceConversion: "none", premultiplyAlpha: "none" };
    setFilm(await createImageBitmap(await response.blob(), plain));
    Object.assign(state, { film: reply, reading: reply.reading, before: null, why: null });
    state.pins.fill(UNKNOWN);
    state.view.layer = state.view.head = null;
    q(".lm-layer").value = q(".lm-headsel").value = "";
    state.sent += 1; // answers to requests about the film before are late by definition
    state.readingSeq = state.sent;
    state.selected = rowOrder({ ...state, sort: "probability" })[0];
    delete root.dataset.pending;
    alertText("");
    busy(false);
    render();
    askWhy();
  }

  function setFilm(bitmap) {
    film.bitmap?.close();
    film.setFilm(bitmap);
    beside.setFilm(bitmap);
  }

  function receiveReading(reply) {
    if (reply.token !== state.film?.token || reply.seq !== state.sent) return;
    const same = reply.reading.pins.every((p, i) => p === state.reading.pins[i]);
    if (!same) state.before = state.pins.map((_, i) => shown(state.reading, i));
    state.reading = reply.reading;
    state.readingSeq = reply.seq;
    delete root.dataset.pending;
    render();
    askWhy();
  }

  function receiveWhy(reply) {
    if (reply.token !== state.film?.token || reply.seq !== state.readingSeq) return;
    state.why = { ...reply.why, seq: reply.seq };
    render();
  }

  function closeFilm() {
    setFilm(null);
    Object.assign(state, { film: null, reading: null, before: null, why: null });
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
    table.render(state);
    screen.render(state);
    why.render(state);
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
        send("example", { example: k, seq: LATE });
      });
      return button;
    }));
  }

  function listen() {
    q(".lm-open").addEventListener("click", () => fileInput().click());
    document.addEventListener("change", (e) => {
      if (e.target !== fileInput() || !e.target.files.length) return;
      if (e.target.files[0].size <= facts.maxBytes) {
        rename(e.target);
        return busy(true);
      }
      // Gradio would only refuse it after sending all of it.
      e.stopImmediatePropagation();
      e.target.value = "";
      alertText(`The file is larger than the limit of ${facts.maxBytes / 2 ** 20} MB; `
        + "export the film alone, or compress it.");
    }, true);
    const stage = q(".lm-left");
    stage.addEventListener("dragover", (e) => { e.preventDefault(); root.dataset.drop = "1"; });
    stage.addEventListener("dragleave", () => delete root.dataset.drop);
    stage.addEventListener("drop", (e) => {
      e.preventDefault();
      delete root.dataset.drop;
      if (e.dataTransfer.files.length) openFile(e.dataTransfer.files[0]);
    });
    for (const selector of [".lm-map", ".lm-contour", ".lm-opacity", ".lm-colours", ".lm-scale",
      ".lm-which", ".lm-kind", ".lm-beside"]) {
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
    q(".lm-forget").addEventListener("click", () => send("forget", { seq: LATE }));
    q(".lm-alert button").addEventListener("click", () => alertText(""));
    q(".lm-theme").addEventListener("click", () => { setTheme(!isLight()); render(); });
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
    }, () => Boolean(state.film));
  }

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

// The file's own name may name a patient: it is not sent.
function rename(input) {
  const digits = Array.from(crypto.getRandomValues(new Uint8Array(18)),
    (byte) => byte.toString(16).padStart(2, "0")).join("");
  put(input, new File([input.files[0]], `film-${digits}`));
}

function put(input, file) {
  const carrier = new DataTransfer();
  carrier.items.add(file);
  input.files = carrier.files;
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

