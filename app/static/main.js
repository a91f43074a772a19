// The page: state in the middle, the server on one side, film and table on the other.

import { Api } from "./api.js";
import { Client } from "./reading/client.js";
import { listenForParent } from "./embedding.js";
import { Examples } from "./films/examples.js";
import { Frames } from "./films/frames.js";
import { Files } from "./films/files.js";
import { fillKeyList, listenForKeys } from "./controls/keys.js";
import { KeptPins } from "./reading/kept.js";
import { listenForMenus } from "./controls/menus.js";
import { Notices } from "./controls/notices.js";
import { restore } from "./save/restore.js";
import { Screen } from "./screen.js";
import { Session } from "./session.js";
import { Viewport } from "./viewer/viewport.js";
import { NEGATIVE, POSITIVE, UNKNOWN, initialState, pinCount, rowOrder } from "./state.js";
import { Study } from "./study/study.js";
import { PinHistory } from "./reading/pins.js";
import { ReadingTable } from "./reading/table.js";
import { SaveMenu } from "./save/menu.js";
import { listenForLook } from "./controls/theme.js";
import { Toolbar } from "./viewer/toolbar.js";
import { WhyPanel } from "./reading/why.js";
import { WithoutRegion } from "./reading/without.js";
import { Worklist } from "./worklist/worklist.js";

const STATES = { unknown: UNKNOWN, negative: NEGATIVE, positive: POSITIVE };

function mount(root, facts) {
  const q = (selector) => root.querySelector(selector);
  const state = initialState(facts.findings, facts.model.maps.opens);
  const steps = new PinHistory(state), kept = new KeptPins(root, state);
  const notices = new Notices(root);
  const tell = (text) => notices.tell(text), alert = (text) => notices.alert(text);
  const viewport = new Viewport(root, facts, state, { tell, drawn: () => screen.renderMap(state) });
  const toolbar = new Toolbar(root, state, viewport, tell);
  const screen = new Screen(root, facts, viewport);
  const select = (i) => { state.selected = i; render(); };
  const table = new ReadingTable(root, facts, { select, pin });
  const why = new WhyPanel(q(".lm-why"), facts, { select, pin });
  const api = new Api((on) => { q(".lm-away").hidden = !on; });
  const client = new Client(root, state, viewport, api, facts.maxBytes,
    { opened, openedPrior: render, closed: render, alert, busy, render,
      used: () => session.used() });
  const worklist = new Worklist(root, facts, state, client, { tell, alert, busy });
  const files = new Files(root, facts.session.demo, client, worklist, alert);
  const frames = new Frames(root, state, client);
  const session = new Session(root, facts, state, api);
  const saveMenu = new SaveMenu(root, facts, state, client,
    { tell, alert, hint: (text) => notices.hint(text), show: showSaved });
  const examples = new Examples(root, facts, state, { open: (source) => client.open(source), pin });

  const without = new WithoutRegion(root, facts, state, client, screen, alert);
  const study = new Study(root, facts, state, client, { select, alert, clear: away });

  // ---- what the reader does

  // The selection stays where the reader looks; what moved is said above the table.
  function pin(i, value) {
    if (!state.reading || state.pins[i] === value || root.dataset.study === "model") return;
    pinAll(state.pins.with(i, value));
  }

  function clear() {
    if (pinCount(state)) pinAll(state.pins.map(() => UNKNOWN));
  }

  function pinAll(pins) {
    steps.change(pins);
    client.ask();
  }

  function undo() {
    if (steps.undo()) client.ask();
  }

  function redo() {
    if (steps.redo()) client.ask();
  }

  function away() {
    worklist.clear();
    client.forget();
    kept.forget();
  }

  // After a reload: an example again at once; of a film of the reader's own only the pins are kept.
  function reopen() {
    const { last } = kept;
    if (!last || last.example !== undefined) examples.openFirst(last?.example);
    else notices.hint("Open your film again, and its pins come back.");
  }

  function bringBack() {
    const pins = kept.take();
    if (!pins) return;
    saveMenu.link = null; // older than they are
    pinAll(pins);
    tell("The pins from before the reload are back");
  }

  // Pins and view of a reading file or a link.
  function showSaved(pins, view) {
    restore(root, state, view);
    pinAll(pins);
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

  // Attention one key away from the map that opens.
  function attention() {
    const { opens } = facts.model.maps, other = opens === "attention" ? "cam" : opens;
    showMap(state.view.kind === "attention" ? other : "attention");
  }

  function showMap(kind) {
    q(".lm-kind").value = kind;
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

  // Whoever keeps a list of films hears it: detail.step is 1 for the next one, -1 for the one
  // before.
  function otherFilm(by) {
    window.dispatchEvent(new CustomEvent("lmeran:step", { detail: { step: by } }));
  }

  // ---- the screen

  function opened() {
    steps.reset();
    q(".lm-right").scrollTop = 0;
    q(".lm-layer").value = q(".lm-headsel").value = "";
    worklist.bringBack();
    bringBack();
    render();
  }

  function render() {
    root.dataset.state = state.film ? "open" : "empty";
    table.render(state);
    screen.render(state);
    q(".lm-undo").disabled = !steps.done.length;
    q(".lm-redo").disabled = !steps.undone.length;
    why.render(state);
    without.render(state);
    saveMenu.render();
    frames.render();
    examples.render();
    worklist.follow();
    kept.follow();
  }

  function busy(on) {
    q(".lm-busy").hidden = !on;
  }

  function listen() {
    q(".lm-open").addEventListener("click", () => files.choose("film"));
    q(".lm-openprior").addEventListener("click", () => files.choose("prior"));
    for (const selector of [".lm-map", ".lm-contour", ".lm-opacity", ".lm-colours", ".lm-scale",
      ".lm-which", ".lm-kind", ".lm-beside"]) {
      q(selector).addEventListener("input", readView);
    }
    for (const [selector, name] of [[".lm-layer", "layer"], [".lm-headsel", "head"]]) {
      q(selector).addEventListener("change", (e) => {
        state.view[name] = e.target.value ? Number(e.target.value) : null;
        client.ask();
      });
    }
    q(".lm-sort").addEventListener("change", (e) => { state.sort = e.target.value; render(); });
    q(".lm-clear").addEventListener("click", clear);
    q(".lm-change").addEventListener("click", () => showMap("moved"));
    q(".lm-undo").addEventListener("click", undo);
    q(".lm-redo").addEventListener("click", redo);
    q(".lm-forget").addEventListener("click", away);
    q(".lm-wlstudy").addEventListener("click", () => study.open());
    q(".lm-keys").addEventListener("click", () => q(".lm-help").showModal());
    // The reader's work is on this page only; what is held for it elsewhere is not needed any
    // more.
    window.addEventListener("beforeunload", (e) => {
      const isOwn = state.film?.source.item || pinCount(state) || worklist.rows.length;
      if (isOwn && !study.item) e.preventDefault();
    });
    window.addEventListener("pagehide", () => state.film && api.leave());
    listenForKeys({
      step, clear, undo, redo, toggle, attention, otherFilm,
      worklist: () => worklist.panel.toggle(),
      study: () => study.open(),
      without: () => without.ask(),
      pinSelected: (word) => pin(state.selected, STATES[word]),
      preset: (key) => viewport.usePresetKey(key),
      invert: () => viewport.invert(),
      fit: () => viewport.fit(),
      actual: () => viewport.actual(),
      zoom: (factor) => viewport.zoomBy(factor),
      turn: (by) => viewport.turn(by),
      flip: () => viewport.flip(),
      reset: () => viewport.reset(),
      tool: (name) => toolbar.use(name),
      removeAnnotation: () => viewport.removeAnnotation(),
      nudge: ([x, y]) => viewport.nudge(x, y),
      help: () => q(".lm-help").showModal(),
    }, () => Boolean(state.film));
  }

  fillKeyList(q(".lm-help"));
  listen();
  listenForMenus(root);
  listenForLook(q(".lm-theme"), render);
  listenForParent();
  reopen();
  root.dataset.ready = "1";
}

mount(document.querySelector(".lm"), JSON.parse(document.querySelector("#lm-facts").textContent));
