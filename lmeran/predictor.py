"""A film to a reading: encode once, then read under any pins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from lmeran.calibration import Calibration, calibrate, percentiles
from lmeran.checkpoint import Checkpoint
from lmeran.findings import FINDINGS, Pins, State, parse_pins, states_of
from lmeran.hub import open_checkpoint, resolve_source
from lmeran.imaging.files import read_file
from lmeran.imaging.geometry import Geometry
from lmeran.imaging.preprocess import network_pixels, to_input
from lmeran.imaging.radiograph import Radiograph
from lmeran.model.lmeran import Encoding
from lmeran.model.maps import ROLLOUT, AttentionMap, attention_maps, maps_of_rows
from lmeran.model.rollout import rollout
from lmeran.ood import OODResult, detect_ood
from lmeran.reference import ReferenceDistribution

TRAINED_PINS = 10
"""Training shows the model at most this many known findings (14 less the 4 always masked)."""

ROWS_A_PASS = 32
"""Sets of states in one pass at most, which bounds memory; an influence matrix has 29."""


@dataclass(frozen=True, eq=False)
class Reading:
    """What the model says of one film under one set of pins.

    states: int64 (14,). free, conditioned: float64 (14,), raw probabilities without and with the
        pins; `conditioned` of a pinned finding is meaningless (it was never trained) and NaN.
    free_attention, attention: float32 (layers, heads, 14, h w + 14), the label tokens' alpha
        without and with the pins; no layers for a model without attention.
    calibration, reference: of the checkpoint, None where it has none; they add values, they change
        none.
    """

    states: np.ndarray
    free: np.ndarray
    conditioned: np.ndarray
    free_attention: np.ndarray
    attention: np.ndarray
    calibration: Calibration | None = None
    reference: ReferenceDistribution | None = None

    @property
    def shift(self) -> np.ndarray:
        """conditioned - free, float64 (14,); NaN where pinned."""
        return self.conditioned - self.free

    @property
    def shown(self) -> np.ndarray:
        """The probability a reader may be shown: conditioned, or free where pinned."""
        return np.where(np.isnan(self.conditioned), self.free, self.conditioned)

    @property
    def probabilities(self) -> dict[str, float]:
        """`shown` by the name of the finding."""
        return dict(zip(FINDINGS, self.shown.tolist(), strict=True))

    @property
    def calibrated_free(self) -> np.ndarray | None:
        """Calibrated probability without the pins, float64 (14,); NaN for a finding that is not
        calibrated. None without calibration, and where it leaves every raw probability as it is."""
        return self._calibrate(self.free)

    @property
    def calibrated(self) -> np.ndarray | None:
        """The same with the pins; NaN where pinned too."""
        return self._calibrate(self.conditioned)

    def _calibrate(self, raw: np.ndarray) -> np.ndarray | None:
        if self.calibration is None or self.calibration.keeps_raw:
            return None
        return calibrate(self.calibration, raw)

    @property
    def percentile(self) -> np.ndarray | None:
        """Percent of the validation films with a lower free probability, float64 (14,)."""
        return None if self.calibration is None else percentiles(self.calibration, self.free)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences about the pins themselves."""
        pinned = int((self.states != State.UNKNOWN).sum())
        if pinned <= TRAINED_PINS:
            return ()
        return (
            f"{pinned} findings are pinned; in training the model never saw more than "
            f"{TRAINED_PINS} known, so this reading is outside what it learned.",
        )

    def maps(
        self, layer: int | None = None, head: int | None = None, free: bool = False
    ) -> list[AttentionMap]:
        """Attention maps of the 14 findings, with the pins or free; empty without attention."""
        attention = self.free_attention if free else self.attention
        return attention_maps(attention, layer, head) if len(attention) else []


@dataclass(frozen=True, eq=False)
class EncodedRadiograph:
    """One backbone pass of one film, and its free reading: all a pin needs.

    square: the network's input, uint8 (S, S).
    free_logits: (14,); free_attention: (layers, heads, 14, h w + 14). gate: whether the film looks
    like those trained on, None where the checkpoint has no gate.
    """

    encoding: Encoding
    square: np.ndarray
    geometry: Geometry
    free_logits: torch.Tensor
    free_attention: np.ndarray
    gate: OODResult | None = None

    @property
    def nbytes(self) -> int:
        """Memory it holds, for bounded caches."""
        return self.encoding.nbytes + self.square.nbytes + self.free_attention.nbytes


class Predictor:
    """Reads films with one checkpoint. Safe to share between threads: nothing of it changes."""

    def __init__(self, checkpoint: Checkpoint, device: str | torch.device = "cpu") -> None:
        self.checkpoint = checkpoint
        self.device = torch.device(device)
        self._model = checkpoint.model.to(self.device).eval()
        self._preprocessing = checkpoint.config.preprocessing

    @classmethod
    def from_pretrained(
        cls, source: str | Path | None = None, device: str | torch.device = "cpu"
    ) -> Predictor:
        """Of "OWNER/REPO" or "OWNER/REPO@REVISION" of the Hugging Face Hub, of a folder, or (None)
        of the checkpoint that comes with the program. Raises `CheckpointError`."""
        return cls(open_checkpoint(resolve_source(source)), device)

    def encode(self, film: Radiograph) -> EncodedRadiograph:
        """The one backbone pass of a film, and its reading with nothing pinned."""
        square = network_pixels(film.pixels, self._preprocessing)
        return self.encode_many(square[None], [(film.height, film.width)])[0]

    @torch.inference_mode()
    def encode_many(
        self, squares: np.ndarray, sizes: Sequence[tuple[int, int]]
    ) -> list[EncodedRadiograph]:
        """The same for B films in one pass.

        squares: uint8 (B, S, S) as `network_pixels` makes them; sizes: height and width of each
        film.
        """
        together = self._model.encode(to_input(squares, self._preprocessing).to(self.device))
        states = np.full((len(squares), len(FINDINGS)), int(State.UNKNOWN))
        logits, attention = self._condition(together, states)
        gate, side = self.checkpoint.gate, self._preprocessing.image_size
        return [
            EncodedRadiograph(
                encoding=encoding,
                square=squares[row],
                geometry=Geometry(*sizes[row], side),
                free_logits=logits[row],
                free_attention=attention[row],
                gate=None if gate is None else detect_ood(gate, encoding),
            )
            for row, encoding in enumerate(together.split())
        ]

    @torch.inference_mode()
    def probabilities(self, squares: np.ndarray, pins: Pins, bfloat16: bool = False) -> np.ndarray:
        """Raw probabilities of B films under the same pins, float64 (B, 14); NaN where pinned.

        squares: as for `encode_many`, which keeps more of each film. bfloat16: compute in it where
        the processor can, in less than half the time and some tenths of a point off
        (`tests/benchmarks/clicks.py`).
        """
        images = to_input(squares, self._preprocessing)
        images = images.to(self.device, memory_format=torch.channels_last)
        states = np.repeat(states_of(pins)[None], len(squares), axis=0)
        known = torch.from_numpy(states).to(self.device)
        quick = bfloat16 and bool(torch.cpu.get_capabilities().get("avx512_bf16"))
        with torch.autocast("cpu", torch.bfloat16, enabled=quick):
            logits = self._model(images, known).logits
        return np.where(states != State.UNKNOWN, np.nan, _probabilities(logits))

    def read(
        self,
        film: EncodedRadiograph | Radiograph | str | Path,
        pins: Mapping[str, State | str] | None = None,
    ) -> Reading:
        """The reading under one set of pins, {"Effusion": "positive"}; None: the free reading.

        film: a file (DICOM, PNG or JPEG), a film read from one, or its encoding, which answers
            further pins without another pass of the backbone.
        Raises `ReadError` for a file that cannot be read, `PinError` for what is no pin.
        """
        if isinstance(film, str | Path):
            film = read_file(film)
        if isinstance(film, Radiograph):
            film = self.encode(film)
        return self.read_many(film, [parse_pins(pins or {})])[0]

    def read_many(self, film: EncodedRadiograph, scenarios: Sequence[Pins]) -> list[Reading]:
        """The readings under several sets of pins, in one batched pass of the label branch."""
        return self._read([film] * len(scenarios), scenarios)

    def read_films(self, films: Sequence[EncodedRadiograph], pins: Pins) -> list[Reading]:
        """The readings of several films under the same pins, in one pass of the label branch."""
        return self._read(films, [pins] * len(films))

    @torch.inference_mode()
    def _read(self, films: Sequence[EncodedRadiograph], scenarios: Sequence[Pins]) -> list[Reading]:
        states = np.array([states_of(pins) for pins in scenarios]).reshape(-1, len(FINDINGS))
        logits: Sequence[torch.Tensor] = [film.free_logits for film in films]
        attention: Sequence[np.ndarray] = [film.free_attention for film in films]
        if (states != State.UNKNOWN).any():
            same = all(film is films[0] for film in films)
            encodings = [film.encoding for film in films]
            encoding = encodings[0].expand(len(films)) if same else Encoding.join(encodings)
            logits, attention = self._condition(encoding, states)
        pinned = states != State.UNKNOWN
        return [
            Reading(
                states=states[row],
                free=_probabilities(film.free_logits),
                conditioned=np.where(pinned[row], np.nan, _probabilities(logits[row])),
                free_attention=film.free_attention,
                attention=attention[row],
                calibration=self.checkpoint.calibration,
                reference=self.checkpoint.reference,
            )
            for row, film in enumerate(films)
        ]

    @torch.inference_mode()
    def rollouts(
        self, film: EncodedRadiograph, scenarios: Sequence[Pins]
    ) -> list[list[AttentionMap]]:
        """Attention rollout of the 14 findings under several sets of pins; [] without attention."""
        states = torch.from_numpy(np.stack([states_of(pins) for pins in scenarios]))
        encoding = film.encoding.expand(len(scenarios))
        attention = self._model.full_attention(encoding, states.to(self.device))
        if not attention:
            return [[] for _ in scenarios]
        mixed = rollout(attention, residual=self.checkpoint.config.block != "paper")
        return [maps_of_rows(rows, ROLLOUT) for rows in mixed[:, -len(FINDINGS) :].cpu().numpy()]

    @torch.inference_mode()
    def fixed_logits(self, encoding: Encoding) -> tuple[np.ndarray, np.ndarray]:
        """b_i and w_i . g, float64 (14,) each: the two parts of a logit that no pin can move."""
        model = self._model
        image = encoding.pooled[0].double() @ model.class_weight.double().T
        return model.class_bias.double().cpu().numpy(), image.cpu().numpy()

    @torch.inference_mode()
    def label_logits(self, encoding: Encoding, states: np.ndarray) -> np.ndarray:
        """lambda w_i . r_i under state vectors int64 (S, 14), float64 (S, 14).

        With `fixed_logits` this is the whole logit. Computed in passes of `ROWS_A_PASS` rows
        without keeping attention. The value of a finding known in its own row is meaningless.
        """
        weight = self._model.class_weight.double()
        parts = []
        for start in range(0, len(states), ROWS_A_PASS):
            rows = torch.from_numpy(states[start : start + ROWS_A_PASS]).to(self.device)
            output = self._model.condition(encoding.expand(len(rows)), rows)
            parts.append((output.residual.double() * weight).sum(-1))
        return self.checkpoint.config.residual_weight * torch.cat(parts).cpu().numpy()

    @torch.inference_mode()
    def cell_logits(self, film: EncodedRadiograph) -> np.ndarray:
        """w_i . f_p of every cell, float64 (14, h, w); their mean over the cells is w_i . g."""
        cells = film.encoding.cells[0].double() @ self._model.class_weight.double().T
        grid = round(len(cells) ** 0.5)
        return cells.T.reshape(-1, grid, grid).cpu().numpy()

    def _condition(self, encoding: Encoding, states: np.ndarray) -> tuple[torch.Tensor, np.ndarray]:
        """Logits (S, 14) and label attention (S, layers, heads, 14, M) under states (S, 14)."""
        rows = torch.from_numpy(states).to(self.device)
        output = self._model.condition(encoding, rows, need_attention=True)
        if not output.attention:
            return output.logits, np.zeros((len(states), 0, 0, len(FINDINGS), 0), np.float32)
        return output.logits, torch.stack(output.attention, dim=1).cpu().numpy()


def _probabilities(logits: torch.Tensor) -> np.ndarray:
    return logits.double().sigmoid().cpu().numpy()
