// What the selected finding would be without a region of the film: the last box drawn of it, or
// what the contour of its map encloses. Boxes of the same size elsewhere say what any would do:
// they take longer and are read to about half a point, and their part of the sentence follows.

import { Refused } from "../api.js";
import { button, make } from "../dom.js";
import { regionAroundPeak } from "../viewer/localisation.js";
import { mapOf } from "../viewer/maps.js";
import { percent } from "../state.js";

export class WithoutRegion {
  // screen: has the colours of maps.
  constructor(root, facts, state, client, screen, alert) {
    Object.assign(this, { facts, state, client, screen, alert });
    this.about = ""; // what the sentence is about
    this.buttons = ["box", "contour"].map((of) => button(`Without the ${of}`, () => this.ask(of),
      { title: `Read without this ${of} (X)` }));
    this.line = make("div", "lm-without");
    this.sentence = make("span");
    this.sentence.setAttribute("role", "status");
    this.line.append(...this.buttons, this.sentence);
    root.querySelector(".lm-truth").after(this.line);
  }

  render({ reading }) {
    this.line.hidden = !reading;
    if (!reading) return;
    this.buttons[0].disabled = !this.regionOf("box");
    if (this.about !== this.now()) this.sentence.textContent = "";
  }

  // The film, its newest reading and the finding.
  now() {
    const { film, readingSeq, selected } = this.state;
    return `${film?.token} ${readingSeq} ${selected}`;
  }

  // {left, top, right, bottom} in shares of the film; none where there is no such region.
  regionOf(of) {
    const { film, selected, view } = this.state;
    if (of === "box") return film.annotations.boxes.findLast((box) => box.finding === selected);
    const map = mapOf(view.kind, this.state, this.facts, this.screen.tables);
    return map.values && regionAroundPeak(map.values, map.grid, this.facts.contour);
  }

  // of: "box" or "contour"; without it, the box where there is one.
  async ask(of) {
    if (!this.state.reading) return;
    const region = of ? this.regionOf(of) : this.regionOf("box") ?? this.regionOf("contour");
    if (!region) return;
    const { selected, film: { width, height } } = this.state;
    const box = [region.left * width, region.top * height,
                 (region.right - region.left) * width, (region.bottom - region.top) * height];
    const about = this.about = this.now();
    this.sentence.textContent = "Being read without it.";
    try {
      const found = {};
      for (const beside of [false, true]) {
        const { findings } = await this.client.withFilm(() => this.client.api.json("without",
          { ...this.client.request(), box, beside }, { light: false }));
        if (about !== this.now()) return;
        Object.assign(found, Object.values(findings)[selected]);
        this.sentence.textContent = inWords(this.facts.findings[selected], found);
      }
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      this.sentence.textContent = "";
      this.alert(error.message);
    }
  }
}

// {whole, without, and later only and without_controls} of a finding, as the server gives them.
export function inWords(name, { whole, without, only, without_controls: others }) {
  if (whole === null) return `${name} is pinned: the model has no number of its own for it.`;
  const from = percent(whole), to = percent(without);
  const moves = from === to ? `stays at ${to}`
    : `${without < whole ? "falls" : "rises"} from ${from} to ${to}`;
  const text = `Without this region ${name} ${moves}; `;
  if (!others) return `${text}others of its size are being read.`;
  const alone = `With it alone ${name} is at ${rounded(only)} %.`;
  if (!others.length) return `${text}the body has no room for others of its size. ${alone}`;
  const [low, high] = [Math.min(...others), Math.max(...others)];
  const farthest = Math.max(whole - low, high - whole);
  const stays = farthest < Math.abs(without - whole) / 2 ? "stays" : "is";
  const range = [...new Set([rounded(low), rounded(high)])].join(" to ");
  return `${text}without others of its size it ${stays} at ${range} %. ${alone}`;
}

function rounded(p) {
  return p < 0.005 ? "<1" : `${Math.round(100 * p)}`;
}
