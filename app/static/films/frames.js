// A file of several frames: which one is read, and another one in its place. Nothing of the file
// is kept at the server: the browser sends it again.

export class Frames {
  constructor(root, state, client) {
    Object.assign(this, { root, state, client });
    this.underWay = false; // another frame is
    this.shown = null; // the film whose frame the field shows
    const q = (selector) => root.querySelector(`.lm-frames ${selector}`);
    [this.before, this.field, this.after] = ["button", "input", "label + button"].map(q);
    this.field.addEventListener("change", () => this.open(Math.round(Number(this.field.value))));
    this.before.addEventListener("click", () => this.open(state.film.frame - 1));
    this.after.addEventListener("click", () => this.open(state.film.frame + 1));
  }

  render() {
    const { film } = this.state, box = this.root.querySelector(".lm-frames");
    box.hidden = !(film?.frames > 1);
    if (box.hidden) return;
    const { frame, frames } = film;
    // Not while a number is being typed.
    if (this.shown !== film) this.field.value = frame;
    this.shown = film;
    Object.assign(this.field, { max: frames, disabled: this.underWay });
    box.querySelector("span").textContent = `of ${frames}`;
    this.before.disabled = this.underWay || frame === 1;
    this.after.disabled = this.underWay || frame === frames;
  }

  async open(wanted) {
    const { film } = this.state, frame = Math.min(film.frames, Math.max(1, wanted || film.frame));
    if (this.underWay) return;
    if (frame !== film.frame) {
      this.underWay = true;
      this.render();
      await this.client.open(film.source, { frame });
      this.underWay = false;
    }
    this.shown = null;
    this.render();
  }
}
