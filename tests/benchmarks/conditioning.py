"""How much of the label branch a pin costs, as ratios in one run.

    python -m tests.benchmarks.conditioning [--size 448] [--rounds 15]

A paper-size model with random weights. "plain": every layer over every token, nothing cached, as
the equations are printed. "pin": from the cached encoding to 14 probabilities and the map of one
finding. "matrix": the influence matrix, 29 scenarios (as pinned, and each finding positive or
negative besides). The ways are timed in turn, so that the machine's drift falls on all of them;
medians are printed.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np
import torch

from lmeran.checkpoint import Checkpoint
from lmeran.config import LMeRANConfig, Preprocessing
from lmeran.explain.influence import influence
from lmeran.findings import FINDINGS, Pins, State, states_of
from lmeran.imaging.radiograph import Radiograph
from lmeran.model.lmeran import LMeRAN
from lmeran.predictor import EncodedRadiograph, Predictor
from tests.support.benchmarking import options

PIN: Pins = {"Effusion": State.POSITIVE}


@torch.inference_mode()
def plain(model: LMeRAN, film: EncodedRadiograph) -> torch.Tensor:
    """The whole label branch for one set of states."""
    states = torch.from_numpy(states_of(PIN))[None]
    labels = model.label_embedding + model.state_embedding[states]
    tokens = torch.cat([film.encoding.cells, labels], dim=1)
    for block in model.blocks:
        tokens, _ = block(tokens)
    residual = tokens[:, -len(FINDINGS) :]
    z = film.encoding.pooled[:, None] + model.config.residual_weight * residual
    return ((z * model.class_weight).sum(-1) + model.class_bias).sigmoid()


def main() -> None:
    given = options(__doc__, size=448, rounds=15)
    torch.manual_seed(0)
    model = LMeRAN(LMeRANConfig(preprocessing=Preprocessing(image_size=given.size))).eval()
    predictor = Predictor(Checkpoint(model, "", "", {}, {}))
    pixels = np.random.default_rng(0).integers(0, 256, (512, 512), dtype=np.uint8)
    film = predictor.encode(Radiograph(pixels, "PNG", 8))

    ways: dict[str, Callable[[], object]] = {
        "plain": lambda: plain(model, film),
        "pin": lambda: film.geometry.map_to_original(predictor.read(film, PIN).maps()[2].values),
        "matrix": lambda: influence(predictor, film.encoding, {}),
    }
    difference = np.nanmax(
        np.abs(plain(model, film).numpy()[0] - predictor.read(film, PIN).conditioned)
    )
    times: dict[str, list[float]] = {name: [] for name in ways}
    for round_number in range(given.rounds + 2):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            if round_number >= 2:
                times[name].append(time.perf_counter() - start)

    def ratio(a: str, b: str) -> float:
        return statistics.median(x / y for x, y in zip(times[a], times[b], strict=True))

    for name, values in times.items():
        print(f"{name:<8}{1000 * statistics.median(values):8.1f} ms")
    print(f"pin / plain     {ratio('pin', 'plain'):.2f}")
    print(f"matrix / plain  {ratio('matrix', 'plain'):.1f}")
    print(f"matrix / pin    {ratio('matrix', 'pin'):.1f}")
    print(f"largest difference of a probability, pin against plain: {difference:.1e}")


if __name__ == "__main__":
    main()
