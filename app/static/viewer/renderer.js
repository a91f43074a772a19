// Draws a film through its table of grays: on the GPU where there is one, else here.

import { GpuRenderer } from "./renderer_gpu.js";
import { SoftRenderer } from "./renderer_soft.js";

// The level of a film to draw from: at most twice as fine as the screen, so that four neighbours
// stand for all that lies between. back: matrix from device to film pixels.
export function levelFor(film, back) {
  const perPixel = Math.min(Math.hypot(back[0], back[1]), Math.hypot(back[2], back[3]));
  return film.level(Math.max(0, Math.floor(Math.log2(perPixel) + 1e-6)));
}

export class Renderer {
  constructor() {
    this.gpu = GpuRenderer.make();
    this.soft = new SoftRenderer();
  }

  get name() {
    return this.gpu?.usable ? "gpu" : "soft";
  }

  // A canvas whose top left width x height pixels show the film; nothing where there is none.
  // table: gray of each code, the same object for as long as it does not change.
  paint(film, table, back, width, height) {
    const job = { film, table, back, width, height, level: levelFor(film, back) };
    return this.gpu?.paint(job) ?? this.soft.paint(job);
  }

  // The film is closed: what was kept for it goes.
  drop(film) {
    this.gpu?.drop(film);
    this.soft.clear();
  }
}
