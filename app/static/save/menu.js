// The menu "File": what a reader can save of the reading, and how a saved one is opened again.
// Files come from the server by the film's token and name neither patient nor file.

import { Refused } from "../api.js";
import { button, make } from "../dom.js";
import { save } from "./export.js";
import { linkOf, namedPins, parseLink } from "./link.js";
import { viewPicture } from "./picture.js";
import { percent, pinCount, shown } from "../state.js";
import { viewState } from "./view.js";

const FORMS = [["pdf", "Report (PDF)"], ["csv", "Table (CSV)"], ["json", "Reading (JSON)"],
               ["boxes", "Boxes of the map (CSV)"],
               ["reading", "Reading file, to open here again"]];
const NOTE = "DICOM (SR, SEG, secondary capture) is made from the DICOM file on the command line, "
  + "by python -m lmeran export: it needs the file's header, which is not kept here.";
const NOTICE = "Research use only, not for diagnosis";
const OTHER_IMAGE = 409; // status of a reading file that is about another film than the open one

export class SaveMenu {
  // client: asks the server about the open film; reader: {tell(text), alert(text), hint(text),
  // show(pins, view)}: announces, warns, advises, and shows pins and view.
  constructor(root, facts, state, client, reader) {
    Object.assign(this, { root, facts, state, client, reader });
    this.link = null; // of the address, until a film is open
    this.file = null; // a reading file, until its film is open
    this.seen = null; // the film of the state, when it was last looked at
    this.saving = this.build();
    window.addEventListener("hashchange", () => this.readLink());
    this.readLink();
  }

  render() {
    const open = Boolean(this.state.film);
    for (const button of this.saving) button.disabled = !open;
    if (open && this.link) this.follow();
    if (this.state.film === this.seen) return;
    this.seen = this.state.film;
    if (open && this.file) this.open(this.file, false);
  }

  // The buttons that need a film.
  build() {
    const saving = [
      button("Picture of the view (PNG)", () => this.picture()),
      ...FORMS.map(([form, text]) => button(text, () => this.fetch(form))),
      button("Copy link to pins and finding", () => this.copyLink()),
    ];
    const opening = button("Open a reading file", () => this.choose());
    this.root.querySelector(".lm-take > div").prepend(
      ...saving, ...(this.facts.session.demo ? [] : [opening]), make("p", "", NOTE));
    return saving;
  }

  // ---- saving

  async picture() {
    const q = (selector) => this.root.querySelector(selector);
    const viewports = [".lm-first", ".lm-second"].map(q).filter((each) => !each.hidden);
    const captions = [".lm-caption1", ".lm-caption2"].map(q).filter((caption) => !caption.hidden);
    const { reading, selected, pins } = this.state, { findings, model } = this.facts;
    const lines = [
      `${findings[selected]}: ${percent(shown(reading, selected))}`
        + `${reading.conditioned[selected] === null ? " (free; pinned)" : ""}`,
      `Pins: ${inWords(pins, findings) || "nothing pinned"}`,
      ...captions.map((caption) => caption.querySelector(".lm-mapname").textContent),
      ...viewports.map((each) => each.querySelector(".lm-look")?.textContent ?? ""),
      `${NOTICE}. LMeRAN, checkpoint ${model.identity}`,
    ];
    const canvases = viewports.map((each) => each.querySelector("canvas"));
    save(await viewPicture(canvases, lines.filter(Boolean)), `lmeran-view-${Date.now()}.png`);
  }

  async fetch(form) {
    const { pins, selected, view } = this.state;
    const { findings } = this.facts, { layer, head, which, scale } = view;
    const asked = { pins: namedPins(pins, findings), finding: findings[selected], layer, head,
                    scale, free: which === "free", view: viewState(this.state) };
    this.reader.tell("Being made");
    const body = JSON.stringify(asked);
    const response = await this.post(
      (film) => this.client.api.call(`export/${film.token}/${form}`, { body }));
    if (!response) return;
    save(await response.blob(), nameIn(response));
    this.reader.tell("Saved");
  }

  async copyLink() {
    const link = linkOf(window.location.href, this.state, this.facts.findings);
    try {
      await navigator.clipboard.writeText(link);
      this.reader.tell("Link copied");
    } catch {
      // Without the right to write there, the link is in the address line to be copied.
      window.history.replaceState(null, "", link);
      this.reader.tell("The link is in the address line");
    }
  }

  // ---- opening

  choose() {
    const input = document.createElement("input");
    Object.assign(input, { type: "file", accept: ".json,application/json" });
    input.addEventListener("change", () => input.files.length && this.open(input.files[0]));
    input.click();
  }

  // Before its film is open, a reading file waits for the next one.
  async open(file, waits = true) {
    const { film } = this.state;
    this.file = film ? null : file;
    if (!film) return this.reader.hint(`${file.name} waits: now open the film it is about.`);
    const response = await this.post(
      ({ token }) => this.client.api.call(`reading/${token}`, { body: file }),
      ({ message, status }) => {
        if (waits && status === OTHER_IMAGE) this.file = file;
        this.reader[this.file ? "hint" : "alert"](message);
      });
    const found = response && await response.json();
    if (!found || this.state.film !== film) return undefined;
    this.reader.show(found.pins, found.view);
    this.reader.tell(found.message);
    return this.reader.alert(found.equal ? "" : found.message);
  }

  readLink() {
    const { findings } = this.facts, link = parseLink(window.location.hash, findings);
    this.link = link;
    if (!link) return;
    const known = inWords(link.pins, findings), unknown = link.unknown.join(", ");
    if (unknown) this.reader.alert(`The link names what is not known here: ${unknown}.`);
    if (this.state.film) this.follow();
    else if (!unknown && known) {
      this.reader.hint(`The link pins ${known}: open the film it is about.`);
    }
  }

  follow() {
    const { pins, finding } = this.link;
    this.link = null;
    const view = finding === null ? {} : { selected: finding };
    if (finding !== null || pinCount({ pins })) this.reader.show(pins, view);
  }

  // The response, or null after its reason was shown.
  async post(run, refused = ({ message }) => this.reader.alert(message)) {
    try {
      return await this.client.withFilm(run);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      refused(error);
      return null;
    }
  }
}

function inWords(pins, findings) {
  const known = Object.entries(namedPins(pins, findings));
  return known.map(([name, word]) => `${name} ${word}`).join(", ");
}

function nameIn(response) {
  return /filename="([^"]+)"/.exec(response.headers.get("Content-Disposition"))[1];
}
