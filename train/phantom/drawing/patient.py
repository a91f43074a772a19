"""Which film to draw: the patient of a seed, how the patient stands, and what is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from lmeran.findings import FINDINGS
from train.phantom.drawing.anatomy import Build
from train.phantom.drawing.frame import Frame, stream

SMALLEST_SIDE = 64


@dataclass(frozen=True)
class PhantomSpec:
    """Which film to draw.

    Args:
        seed: of the patient; the same seed with other findings is the same patient
        findings: names from `FINDINGS`; none for a normal film
        height: of the film in pixels
        width: of the film in pixels
        view: "PA", standing, or "AP", at the bedside
        visit: another visit of the patient: other places of the lesions, another position
        strengths: of each of `findings`, above 0 and up to 1, how plainly it shows; none: all 1
    """

    seed: int
    findings: tuple[str, ...] = ()
    height: int = 1024
    width: int = 1024
    view: Literal["PA", "AP"] = "PA"
    visit: int = 0
    strengths: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        unknown = sorted(set(self.findings) - set(FINDINGS))
        if unknown:
            raise ValueError(f"not among the 14 findings: {', '.join(unknown)}")
        if min(self.height, self.width) < SMALLEST_SIDE:
            raise ValueError(f"a film has at least {SMALLEST_SIDE} pixels a side")
        if self.view not in ("PA", "AP"):
            raise ValueError(f"view must be PA or AP: {self.view!r}")
        if self.strengths and len(self.strengths) != len(self.findings):
            raise ValueError("strengths must be one number for each of the findings, or none")
        if not all(0 < strength <= 1 for strength in self.strengths):
            raise ValueError("strengths are above 0 and at most 1")

    @property
    def strength_of(self) -> dict[str, float]:
        """Strength of each finding drawn."""
        strengths = self.strengths or (1.0,) * len(self.findings)
        return dict(zip(self.findings, strengths, strict=True))


def frame_of(spec: PhantomSpec) -> Frame:
    """Size, proportions and position of the patient on the film."""
    random = stream(spec.seed, "frame")
    scale, stretch = random.uniform(0.94, 1.07), random.normal(1, 0.035)
    random = stream(spec.seed, "position", spec.visit)
    angle = random.normal(0, 0.018)
    shift = (random.normal(0, 5), random.normal(0, 6))
    return Frame(spec.height, spec.width, float(scale), float(angle), shift, float(stretch))


def build_of(spec: PhantomSpec) -> Build:
    """The healthy patient of a seed."""
    random = stream(spec.seed, "build")
    supine = spec.view == "AP"
    return Build(
        seed=spec.seed,
        visit=spec.visit,
        female=bool(random.random() < 0.5),
        breast=random.uniform(0.55, 1.35),
        fat=random.uniform(0.82, 1.22),
        # At the bedside the heart is farther from the detector and the breath less deep.
        heart=random.normal(1.0, 0.04) * (1.10 if supine else 1.0),
        dome=random.normal(0, 5) - (14 if supine else 0),
        flatness=0.0,
        aeration=random.uniform(0.19, 0.25) * (1.12 if supine else 1.0),
        vessels=random.normal(1.0, 0.05),
        turn=stream(spec.seed, "turn", spec.visit).normal(0, 3.5),
        supine=supine,
    )


def changed_build(build: Build, strengths: Mapping[str, float]) -> Build:
    """The build of the same patient with the findings that change the whole chest."""
    if "Cardiomegaly" in strengths:
        # At full strength a cardiothoracic ratio above 0.55, however slim the heart was.
        grown = replace(build, heart=1.36 + (build.heart - 1.0) * 0.5)
        build = _between(build, grown, strengths["Cardiomegaly"])
    if "Emphysema" in strengths:
        inflated = replace(
            build,
            dome=abs(build.dome) + 14,
            flatness=0.72,
            heart=build.heart * 0.88,
            aeration=build.aeration * 0.72,
            vessels=0.72,
        )
        build = _between(build, inflated, strengths["Emphysema"])
    if "Edema" in strengths:
        full = replace(build, vessels=build.vessels * 1.22, heart=build.heart * 1.08)
        build = _between(build, full, strengths["Edema"])
    return build


def _between(build: Build, changed: Build, share: float) -> Build:
    """A build a share 0 .. 1 of the way to a changed one."""
    names = ("heart", "dome", "flatness", "aeration", "vessels")
    old, new = ([getattr(one, name) for name in names] for one in (build, changed))
    mixed = [(1 - share) * a + share * b for a, b in zip(old, new, strict=True)]
    return replace(build, **dict(zip(names, mixed, strict=True)))
