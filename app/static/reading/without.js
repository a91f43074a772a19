// What the selected finding would be without a region of the film: the last box drawn of it, or
// what the contour of its map encloses. Other boxes of the same size say what any box would do.

import { Refused } from "../api.js";
import { regionAroundPeak } from "../viewer/localisation.js";
import { mapOf } from "../viewer/maps.js";
import { percent } from "../state.js";

export class WithoutRegion {
  // screen: has the colours of maps; show: {tell(text), alert(text)}.
  constructor(root, facts, state, client, screen, show) {
    Object.assign(this, { facts, state, client, screen, show });
    this.asked = ""; // what the sentence is about
    this.line = document.createElement("div");
    this.line.className = "lm-without";
    this.line.hidden = true;
    this.buttons = [["box", "Without the box"], ["contour", "Without the contour"]].map(
      ([of, text]) => this.button(of, text));
    this.sentence = document.createElement("span");
    this.sentence.setAttribute("role", "status");
    this.line.append(...this.buttons, this.sentence);
    root.querySelector(".lm-truth").after(this.line);
  }

  button(of, text) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = text;
    button.dataset.of = of;
    button.title = `Read the film without ${of === "box" ? "the last box of this finding"
      : "what the map's contour encloses"} (X)`;
    button.addEventListener("click", () => this.ask(of));
    return button;
  }

  render(state) {
    this.line.hidden = !state.reading;
    if (!state.reading) return;
    for (const button of this.buttons) button.disabled = !this.regionOf(button.dataset.of);
    if (this.asked !== this.key()) this.sentence.textContent = "";
  }

  // The newest reading of the film and the finding: a sentence about another one is taken away.
  key() {
    const { film, readingSeq, selected } = this.state;
    return `${film.token} ${readingSeq} ${selected}`;
  }

  // {left, top, right, bottom} in shares of the film, null where there is none.
  regionOf(of) {
    const { film, selected, view } = this.state;
    if (of === "box") return film.annotations.boxes.findLast((b) => b.finding === selected) ?? null;
    const map = mapOf(view.kind, this.state, this.facts, this.screen.tables);
    return map.values ? regionAroundPeak(map.values, map.grid, this.facts.contour) : null;
  }

  // of: "box" or "contour"; without it, the box where there is one.
  async ask(of = this.regionOf("box") ? "box" : "contour") {
    const region = this.state.reading && this.regionOf(of);
    if (!region) return;
    const { film, selected } = this.state, asked = this.key();
    const sides = [["left", "right", film.width], ["top", "bottom", film.height]].map(
      ([from, to, side]) => [region[from] * side, (region[to] - region[from]) * side]);
    const box = [sides[0][0], sides[1][0], sides[0][1], sides[1][1]];
    this.asked = asked;
    this.sentence.textContent = "Being read without it.";
    try {
      const request = () => ({ ...this.client.request(), box });
      const found = await this.client.withFilm(
        () => this.client.api.json("without", request(), { light: false }));
      if (asked !== this.key()) return;
      const key = Object.keys(found.findings)[selected];
      this.sentence.textContent = inWords(this.facts.findings[selected], found.findings[key]);
      this.show.tell(this.sentence.textContent);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      this.sentence.textContent = "";
      this.show.alert(error.message);
    }
  }
}

// {whole, without, only, without_controls} of a finding, as the server gives them, as sentences.
export function inWords(name, { whole, without, only, without_controls: others }) {
  if (whole === null) return `${name} is pinned: the model has no number of its own for it.`;
  const from = percent(whole), to = percent(without);
  const moves = from === to ? `stays at ${to}`
    : `${without < whole ? "falls" : "rises"} from ${from} to ${to}`;
  const alone = `With this region alone it is ${percent(only)}.`;
  if (!others.length) {
    return `Without this region ${name} ${moves}; the body has no room for others of its size. ${alone}`;
  }
  const low = percent(Math.min(...others)), high = percent(Math.max(...others));
  const range = low === high ? low : `${low.replace(/ %$/, "")} to ${high}`;
  const farthest = Math.max(...others.map((p) => Math.abs(p - whole)));
  const stays = farthest < Math.abs(without - whole) / 2 ? "stays" : "is";
  return `Without this region ${name} ${moves}; without others of its size it ${stays} at ${range}. `
    + alone;
}
