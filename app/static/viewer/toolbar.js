// The buttons about the film itself: tool, window, camera. What they show follows the state.

import { options } from "../dom.js";

const TOOLS = { window: "Drag sets the window", pan: "Drag moves the film",
                measure: "Drag measures a length", box: "Drag draws a box" };
const BUTTONS = { ".lm-fit": "fit", ".lm-actual": "actual", ".lm-invert": "invert",
                  ".lm-flip": "flip", ".lm-turn": "turn", ".lm-reset": "reset" };

export class Toolbar {
  constructor(root, state, viewport, tell) {
    Object.assign(this, { root, state, viewport, tell });
    this.preset = root.querySelector(".lm-preset");
    this.preset.addEventListener("change", () => viewport.usePreset(Number(this.preset.value)));
    for (const [selector, command] of Object.entries(BUTTONS)) {
      const argument = command === "turn" ? [1] : [];
      root.querySelector(selector).addEventListener("click", () => viewport[command](...argument));
    }
    for (const radio of this.radios()) {
      radio.addEventListener("change", () => this.use(radio.value));
    }
    viewport.changed = () => this.render();
  }

  radios() {
    return this.root.querySelectorAll("[name=lm-tool]");
  }

  use(tool) {
    this.state.view.tool = tool;
    this.tell(TOOLS[tool]);
    this.viewport.refresh();
  }

  render() {
    const { film, view } = this.state;
    for (const radio of this.radios()) {
      radio.checked = radio.value === view.tool;
      radio.disabled = !film;
    }
    for (const selector of Object.keys(BUTTONS)) this.root.querySelector(selector).disabled = !film;
    this.root.querySelector(".lm-invert").setAttribute("aria-pressed", view.invert);
    this.root.querySelector(".lm-flip").setAttribute("aria-pressed", view.camera.flip);
    this.preset.disabled = !film;
    if (this.filled !== film) this.fill(film);
    if (film) this.preset.value = this.viewport.isPreset() ? view.window.preset : "";
  }

  fill(film) {
    this.filled = film;
    const presets = (film?.presets ?? []).map(({ name, words }, k) =>
      [k, words ? `${name}, ${words}` : name]);
    this.preset.replaceChildren(...options([["", film ? "Set by hand" : "Window"], ...presets]));
    this.preset.firstChild.hidden = true;
    this.preset.value = "";
  }
}
