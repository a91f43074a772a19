"""A large film in the browser: frames while dragging.

    python -m tests.benchmarks.canvas [--side 3000] [--seconds 3] [--size 1440x900] [--gpu]

Opens a 16-bit DICOM of side x side pixels (12 bits used, noisy, uncompressed) in headless Chromium
on the bundled checkpoint. Then, for each of window, pan and zoom, sends one pointer event before
every frame and counts frames by requestAnimationFrame, which asks for 60 a second at most. Besides,
less dependent on what else the machine does: the median time in which the page painted the film for
a frame, and the processor time that all of Chromium took for one. Without --gpu the film is painted
and the page put together by the processor; --gpu lets Chromium use the machine's GPU, where there
is one. How long opening takes is measured by `tests.benchmarks.opening`.
"""

from __future__ import annotations

import os
import statistics
import tempfile
from pathlib import Path

import cv2
import numpy as np

from tests.support.benchmarking import options, page_at
from tests.support.browsing import FLAGS
from tests.support.dicom_making import film, written

DRAG = """([button, seconds]) => new Promise((resolve) => {
  const canvas = document.querySelector(".lm-first > canvas");
  const box = canvas.getBoundingClientRect();
  canvas.setPointerCapture = () => {};
  const send = (type, k) => canvas.dispatchEvent(new PointerEvent(type, { pointerId: 1, button,
    bubbles: true, pointerType: "mouse", clientX: box.x + box.width / 2 + 60 * Math.sin(k / 20),
    clientY: box.y + box.height / 2 + 40 * Math.cos(k / 15) }));
  let frames = 0;
  send("pointerdown", 0);
  const start = performance.now();
  const step = () => {
    frames += 1;
    if (performance.now() - start > 1000 * seconds) {
      send("pointerup", frames);
      return resolve([frames, performance.now() - start, window.paintTimes.splice(0)]);
    }
    send("pointermove", frames);
    requestAnimationFrame(step);
  };
  requestAnimationFrame(step);
})"""
RENDERER = """async () => {
  const [{ Renderer }, { SoftRenderer }, { GpuRenderer }] = await Promise.all(
    ["renderer", "renderer_soft", "renderer_gpu"].map(
      (name) => import(new URL(`lmeran/static/viewer/${name}.js`, document.baseURI))));
  window.paintTimes = [];
  for (const kind of [SoftRenderer, GpuRenderer]) {
    const paint = kind.prototype.paint;
    kind.prototype.paint = function (...job) {
      const start = performance.now(), painted = paint.apply(this, job);
      window.paintTimes.push(performance.now() - start);
      return painted;
    };
  }
  return new Renderer().name;
}"""
BUTTONS = {"window": 0, "pan": 1, "zoom": 2}


def large_film(side: int) -> bytes:
    """Smooth shapes with noise, 12 bits in 16."""
    rng = np.random.default_rng(0)
    coarse = rng.random((12, 12)).astype(np.float32)
    shapes = cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC)
    values = np.clip(shapes * 3500 + rng.normal(300, 12, (side, side)), 0, 4095)
    return written(film(values.astype(np.uint16), WindowCenter=2048, WindowWidth=4096))


def processor_seconds() -> float:
    """Of this program's children and theirs, so far."""
    ticks = 0
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it ended meanwhile
        parents[int(stat.parent.name)] = (int(fields[1]), int(fields[11]) + int(fields[12]))
    for pid, (_, own) in parents.items():
        above = pid
        while above in parents and above != os.getpid():
            above = parents[above][0]
        ticks += own if above == os.getpid() and pid != above else 0
    return ticks / os.sysconf("SC_CLK_TCK")


def main() -> None:
    given = options(__doc__, side=3000, seconds=3.0, size="1440x900", gpu=False)
    width, height = (int(side) for side in given.size.split("x"))
    flags = [f for f in FLAGS if not (given.gpu and f == "--disable-gpu")]
    shown = {"examples": False, "flags": flags, "width": width, "height": height}
    with tempfile.TemporaryDirectory() as folder, page_at(None, **shown) as page:
        path = Path(folder) / "film.dcm"
        path.write_bytes(large_film(given.side))
        size = path.stat().st_size / 2**20
        print(f"{size:.1f} MB, {given.side} x {given.side} pixels, drawn by", flush=True, end=" ")
        print({"soft": "the processor", "gpu": "the GPU"}[page.evaluate(RENDERER)], flush=True)
        page.set_input_files(".lm-file", path)
        page.wait_for_selector(".lm[data-state=open]")
        page.wait_for_selector(".lm-why:not(.lm-stale) .lm-figurehead")
        for name, button in BUTTONS.items():
            before = processor_seconds()
            frames, elapsed, paints = page.evaluate(DRAG, [button, given.seconds])
            each = 1000 * (processor_seconds() - before) / frames
            rate, paint = 1000 * frames / elapsed, statistics.median(paints)
            print(
                f"{name:7}{rate:6.1f} frames/s, {paint:5.1f} ms to paint the film, "
                f"{each:5.1f} ms of processor in all",
                flush=True,
            )


if __name__ == "__main__":
    main()
