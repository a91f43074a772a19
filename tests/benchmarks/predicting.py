"""`predict` on many films against the bare model, and its memory, in one run.

    python -m tests.benchmarks.predicting [--checkpoint C] [--films 1000] [--batch 16] [--workers N]
        [--kinds png,raw,jpeg2000]

Draws films (PNG of 1024 x 1024; DICOM of 1500 x 1250 with 12 bits, uncompressed and as lossless
JPEG 2000, in equal parts; a few of each, linked under many names) and runs the command on them as a
user would. "bare": forward passes of the same model on as many tensors that lie in memory, in
batches of the same size, before and after the command, so that the machine's drift shows. Memory
(Linux): proportional set size of the command and its decoding processes together, at most, until so
many films were answered.
"""

from __future__ import annotations

import contextlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import torch
from pydicom.uid import JPEG2000Lossless
from tqdm import tqdm

from lmeran.findings import states_of
from lmeran.hub import open_checkpoint
from lmeran.model.lmeran import LMeRAN
from tests.conftest import ROOT, film_pixels
from tests.support.benchmarking import options
from tests.support.dicom_making import film, written

DISTINCT = 4
"""Films drawn of each kind."""
MARKS = (100, 500)
"""Films after which the memory is read."""


def draw(folder: Path, count: int, kinds: list[str]) -> None:
    """`count` films: the kinds in turn, the few distinct ones linked under many names."""
    makers = {"png": _png, "raw": _raw, "jpeg2000": _jpeg_2000}
    distinct = [makers[kind](seed) for seed in range(DISTINCT) for kind in kinds]
    for k in range(count):
        path = folder / f"{k:06}"
        if k < len(distinct):
            path.write_bytes(distinct[k])
        else:
            path.hardlink_to(folder / f"{k % len(distinct):06}")


def _png(seed: int) -> bytes:
    return cv2.imencode(".png", _noisy(1024, 1024, seed).astype(np.uint8))[1].tobytes()


def _raw(seed: int) -> bytes:
    return written(film(_noisy(1500, 1250, seed) * 16))


def _jpeg_2000(seed: int) -> bytes:
    ds = film(_noisy(1500, 1250, seed) * 16)
    ds.compress(JPEG2000Lossless, generate_instance_uid=False)
    return written(ds)


def _noisy(height: int, width: int, seed: int) -> np.ndarray:
    """Smooth with some grain, as films are: else they would pack, and unpack, too well."""
    grain = np.random.default_rng(seed).normal(0, 2, (height, width))
    return np.clip(film_pixels(height, width, seed) + grain, 0, 255).astype(np.uint16)


@torch.inference_mode()
def bare(model: LMeRAN, count: int, batch: int) -> float:
    """Films a minute of forward passes alone."""
    size = model.config.preprocessing.image_size
    images = torch.randn(batch, 1, size, size).expand(-1, 3, -1, -1)
    states = torch.from_numpy(states_of({}))[None].expand(batch, -1)
    model(images, states)
    start = time.perf_counter()
    for begun in tqdm(range(0, count, batch), desc="bare", disable=None):
        part = min(batch, count - begun)
        model(images[:part], states[:part])
    return 60 * count / (time.perf_counter() - start)


def predict(folder: Path, out: Path, passed: list[str]) -> tuple[float, dict[int, float]]:
    """Seconds of the whole command, and MB at most until each mark."""
    command = [sys.executable, "-m", "lmeran", "predict", str(folder), "--out", str(out), *passed]
    start = time.perf_counter()
    peak, marks = 0.0, {}
    with subprocess.Popen(command, cwd=ROOT) as run:
        while run.poll() is None:
            peak = max(peak, sum(_megabytes(pid) for pid in _family(run.pid)))
            answered = out.read_bytes().count(b"\n") if out.exists() else 0
            marks |= {mark: peak for mark in MARKS if answered >= mark and mark not in marks}
            time.sleep(0.2)
    if run.returncode:
        raise SystemExit("the command failed")
    return time.perf_counter() - start, marks


def _family(pid: int) -> Iterator[int]:
    yield pid
    with contextlib.suppress(OSError):
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            yield from _family(int(child))


def _megabytes(pid: int) -> float:
    """Proportional set size; 0 for a process that has just ended."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    return 0.0


def main() -> None:
    defaults = {"films": 1000, "batch": 16, "workers": None, "kinds": "png,raw,jpeg2000"}
    given = options(__doc__, checkpoint=None, **defaults)
    passed = ["--device", "cpu", "--batch", str(given.batch)]
    for name in ("checkpoint", "workers"):
        if getattr(given, name) is not None:
            passed += [f"--{name}", getattr(given, name)]
    model = open_checkpoint(given.checkpoint).model.eval()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "films"
        folder.mkdir()
        draw(folder, given.films, given.kinds.split(","))
        before = bare(model, given.films, given.batch)
        seconds, marks = predict(folder, Path(temporary) / "out.jsonl", passed)
        after = bare(model, given.films, given.batch)
    rate, alone = 60 * given.films / seconds, statistics.mean((before, after))
    print(f"bare model           {before:8.0f} films a minute before, {after:.0f} after")
    print(f"predict, whole       {rate:8.0f} films a minute, start included")
    print(f"predict / bare       {rate / alone:8.2f}")
    for mark, megabytes in marks.items():
        print(f"memory, {mark:>4} films   {megabytes:8.0f} MB at most")
    if len(marks) == len(MARKS):
        first, last = (marks[mark] for mark in MARKS)
        print(f"{MARKS[1]} films / {MARKS[0]}      {last / first:8.2f}")


if __name__ == "__main__":
    main()
