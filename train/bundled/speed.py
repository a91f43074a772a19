"""Images a second in training the paper's network, and what that is of the card's peak."""

from __future__ import annotations

import argparse
import time

import torch
from torch.utils.flop_counter import FlopCounterMode

from lmeran.config import LMeRANConfig, Preprocessing
from lmeran.findings import FINDINGS
from lmeran.model.lmeran import LMeRAN
from lmeran.model.masking import masked_loss, sample_label_mask, states_under_mask

TRAINING_FILMS, EPOCHS = 75_312, 50
"""Of the paper's recipe."""

MATRIX = 8192


def command(given: argparse.Namespace) -> None:
    """Prints one line a size. bf16, channels_last; the label branch included."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    peak = matrix_rate(device) if device.type == "cuda" else float("nan")
    print(f"matrix product {peak / 1e12:.0f} TFLOP/s", flush=True)
    for size in given.sizes:
        rate, flops = training_rate(size, given.batch, given.steps, device, given.compile)
        print(
            f"{size} px, batch {given.batch}, {'compiled' if given.compile else 'eager'}: "
            f"{rate:.0f} images/s, {rate * flops / 1e12:.1f} TFLOP/s, {rate * flops / peak:.3f} of "
            f"the product's, {EPOCHS} epochs {TRAINING_FILMS * EPOCHS / rate / 3600:.1f} h",
            flush=True,
        )


def training_rate(
    size: int, batch: int, steps: int, device: torch.device, compiled: bool
) -> tuple[float, float]:
    """Images a second of forward, backward and optimiser; operations an image."""
    config = LMeRANConfig(preprocessing=Preprocessing(image_size=size))
    model = LMeRAN(config).to(device, memory_format=torch.channels_last).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, fused=device.type == "cuda")
    images = torch.randn(batch, 3, size, size, device=device)
    images = images.contiguous(memory_format=torch.channels_last)
    labels = (torch.rand(batch, len(FINDINGS), device=device) < 0.05).float()
    mask = sample_label_mask(batch, len(FINDINGS)).to(device)
    states = states_under_mask(labels, mask)
    forward = torch.compile(model) if compiled else model

    def step() -> None:
        with torch.autocast(device.type, torch.bfloat16):
            logits = forward(images, states).logits
        loss = masked_loss(logits.float(), labels, mask)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    counter = FlopCounterMode(display=False)
    with counter, torch.autocast(device.type, torch.bfloat16):
        masked_loss(model(images, states).logits.float(), labels, mask).backward()
    for _ in range(3):
        step()
    _wait(device)
    started = time.perf_counter()
    for _ in range(steps):
        step()
    _wait(device)
    return batch * steps / (time.perf_counter() - started), counter.get_total_flops() / batch


def matrix_rate(device: torch.device) -> float:
    """Operations a second of a large bf16 matrix product."""
    a, b = (torch.randn(MATRIX, MATRIX, device=device, dtype=torch.bfloat16) for _ in range(2))
    for _ in range(3):
        a @ b
    _wait(device)
    started = time.perf_counter()
    for _ in range(10):
        a @ b
    _wait(device)
    return 10 * 2 * MATRIX**3 / (time.perf_counter() - started)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
