"""What the training loop costs above its bare steps, and what decoding every epoch would cost.

    python -m tests.benchmarks.training [--size 448] [--batch 16] [--micro 8] [--steps 4]
        [--precision bf16] [--device auto] [--rounds 3] [--compile] [--peak TFLOP/s of the GPU]

DenseNet-121 with the default label branch, random weights. "bare": forward, backward and optimiser
step on batches already in memory. "loop": the same number of steps of `train.fit`, from the pixel
cache, with masks, augmentation, moving average and accumulation. "decoding": a loop in the manner
of torchvision's references, a DataLoader with two workers that decodes 1024-pixel PNGs and resizes
them each epoch, then the bare step. The ways take turns, so that the machine's drift falls on all
of them. Ratios of images per second; the peak memory of the whole process; on a GPU also the share
of its peak (`--peak` TFLOP/s) and the hours 50 epochs of 75,312 films would take.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import torch
from torch.utils.data import DataLoader, Dataset
from torch.utils.flop_counter import FlopCounterMode

from lmeran.config import LMeRANConfig, Preprocessing
from lmeran.findings import FINDINGS
from lmeran.imaging.files import read_file
from lmeran.imaging.preprocess import network_pixels, to_input
from lmeran.model.masking import masked_loss, states_under_mask
from tests.support.benchmarking import options
from train.config import TrainConfig
from train.fit import step_function
from train.plan import Plan, prepare
from train.processes import started
from train.run import Run

TRAINING_FILMS = 75_312
"""Films of the official train_val split less 11,212 for validation."""


class Films(Dataset):
    """Decodes and resizes a film each time it is asked for."""

    def __init__(self, plan: Plan) -> None:
        self.index, self.preprocessing = plan.source.index, plan.config.model.preprocessing

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, row: int) -> tuple[np.ndarray, np.ndarray]:
        film = read_file(self.index.root / self.index.files[row])
        return network_pixels(film.pixels, self.preprocessing), self.index.labels[row]


def write_films(folder: Path, count: int) -> None:
    """PNGs of the release's size whose bytes do not compress away."""
    chance, rows = np.random.default_rng(0), []
    (folder / "images").mkdir()
    for k in range(count):
        coarse = chance.integers(0, 256, (96, 96), dtype=np.uint8)
        pixels = cv2.resize(coarse, (1024, 1024), interpolation=cv2.INTER_CUBIC)
        noise = chance.integers(0, 8, (1024, 1024), dtype=np.uint8)
        cv2.imwrite(str(folder / "images" / f"{k}.png"), cv2.add(pixels, noise))
        rows.append(
            {
                "file": f"images/{k}.png",
                "image_index": f"{k}.png",
                "official_split": "train_val",
                "patient_id": k,
                "finding_labels": FINDINGS[k % 14] if k % 2 else "No Finding",
            }
        )
    pd.DataFrame(rows).to_csv(folder / "index.csv", index=False)


def bare_step(run: Run, plan: Plan, images: torch.Tensor, labels: torch.Tensor) -> None:
    """One optimiser step on a batch in memory, accumulated like the loop's."""
    config, device = plan.config, plan.processes.device
    micro = config.micro_batch or config.batch_size
    run.optimizer.zero_grad(set_to_none=True)
    for part, told in zip(images.split(micro), labels.split(micro), strict=True):
        mask = torch.ones_like(told, dtype=torch.bool)
        states = states_under_mask(told, mask)
        with torch.autocast(device.type, torch.bfloat16, config.precision == "bf16"):
            logits = run.learner.model(part, states).logits.float()
        (masked_loss(logits, told, mask) / len(images.split(micro))).backward()
    torch.nn.utils.clip_grad_norm_(run.learner.parameters(), 1.0)
    run.optimizer.step()


def decoded(loader: DataLoader, plan: Plan) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Batches as the network takes them, epoch after epoch."""
    device = plan.processes.device
    while True:
        for pixels, labels in loader:
            images = to_input(pixels.to(device), plan.config.model.preprocessing)
            yield images.contiguous(memory_format=torch.channels_last), labels.to(device)


def main() -> None:
    numbers = {"size": 448, "batch": 16, "micro": 8, "steps": 4, "rounds": 3, "peak": 0.0}
    given = options(__doc__, precision="bf16", compile=False, device="auto", **numbers)
    config = TrainConfig(
        model=LMeRANConfig(preprocessing=Preprocessing(image_size=given.size)),
        batch_size=given.batch,
        micro_batch=given.micro,
        precision=given.precision,
        compile=given.compile,
        epochs=1000,
    )
    with tempfile.TemporaryDirectory() as folder, started(given.device) as processes:
        (Path(folder) / "data").mkdir()
        write_films(Path(folder) / "data", max(48, 3 * given.batch))
        plan, run = prepare(config, Path(folder) / "data", Path(folder) / "run", processes)
        measure(given, plan, run)


def measure(given: argparse.Namespace, plan: Plan, run: Run) -> None:
    """Time the three ways in turn and print their ratios."""
    device = plan.processes.device
    run.learner.train()
    loop_step = step_function(run, plan)
    batches = plan.source.batches(0, 10**9, 0, 1)
    loader = DataLoader(Films(plan), given.batch, shuffle=True, num_workers=2, drop_last=True)
    films = decoded(loader, plan)
    held = next(films)

    def loop() -> None:
        loop_step(next(batches), 1e-4)
        run.step += 1

    ways = {
        "bare": lambda: bare_step(run, plan, *held),
        "loop": loop,
        "decoding": lambda: bare_step(run, plan, *next(films)),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(given.rounds + 1):
        for name, way in ways.items():
            start = time.perf_counter()
            for _ in range(given.steps):
                way()
            if device.type == "cuda":
                torch.cuda.synchronize()
            if turn:  # the first round warms up
                seconds[name].append(time.perf_counter() - start)
    speed = {
        name: given.steps * given.batch / statistics.median(taken)
        for name, taken in seconds.items()
    }
    for name, value in speed.items():
        print(f"{name:<10}{value:8.2f} images/s   {value / speed['bare']:.3f} of bare")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    print(f"peak memory of the process: {peak:.2f} GiB")
    if device.type == "cuda":
        print(f"peak memory on the GPU: {torch.cuda.max_memory_allocated() / 1024**3:.2f} GiB")
        with FlopCounterMode(display=False) as counter:
            bare_step(run, plan, *held)
        rate = counter.get_total_flops() / given.batch * speed["loop"] / 1e12
        share = f", {rate / given.peak:.2f} of the card's peak" if given.peak else ""
        print(f"{rate:.1f} TFLOP/s{share}")
        print(f"50 epochs of ChestX-ray14: {50 * TRAINING_FILMS / speed['loop'] / 3600:.1f} hours")


if __name__ == "__main__":
    main()
