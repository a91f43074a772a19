"""Damaged films of every kind: each must become a film or one sentence, and the program goes on.

`python -m tests.benchmarks.fuzz [--files 10000] [--seed 0]`

Every file is read in the process that the viewer and the commands read films in. A decoder that
crashes there, or takes too long, is contained and counted. Exit status 1 where a file gave anything
else than a film or one sentence.
"""

from __future__ import annotations

import io
import sys
from collections import Counter

import numpy as np
from PIL import Image
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from lmeran.imaging.decoding_process import CrashError, DecodingProcess
from lmeran.imaging.radiograph import ReadError
from tests.conftest import ROOT, film_pixels
from tests.support.benchmarking import options
from tests.support.dicom_making import encapsulated, film, jpeg_film, lossless_jpeg, written

SECONDS = 20
"""Of computing that one damaged film may take."""

MOST_EDITS = 4


def seeds() -> dict[str, bytes]:
    """A good film of each kind of file and codestream."""
    gray = film_pixels(64, 64)
    deep = gray.astype(np.uint16) * 16
    found = {}
    for syntax in (
        ImplicitVRLittleEndian,
        ExplicitVRLittleEndian,
        ExplicitVRBigEndian,
        DeflatedExplicitVRLittleEndian,
    ):
        found[syntax.name] = written(film(deep), syntax)
    for syntax in (RLELossless, JPEGLSLossless, JPEG2000Lossless):
        ds = film(deep)
        ds.compress(syntax, generate_instance_uid=False)
        found[syntax.name] = written(ds, syntax)
    stream = lossless_jpeg(deep, 12)
    ds = encapsulated(film(deep), stream, JPEGLosslessSV1)
    found[JPEGLosslessSV1.name] = written(ds, JPEGLosslessSV1)
    found["DICOM with JPEG Baseline"] = written(jpeg_film(gray))
    for name, pixels, form in (
        ("PNG, 8 bit", gray, "PNG"),
        ("PNG, 16 bit", deep, "PNG"),
        ("PNG, colour", np.stack([gray] * 3, -1), "PNG"),
        ("JPEG", gray, "JPEG"),
    ):
        out = io.BytesIO()
        Image.fromarray(pixels).save(out, form)
        found[name] = out.getvalue()
    palette = io.BytesIO()
    Image.fromarray(gray).convert("P").save(palette, "PNG")
    found["PNG, palette"] = palette.getvalue()
    bundled = next((ROOT / "assets/examples").glob("*.dcm"))
    found["bundled DICOM"] = bundled.read_bytes()
    return found


def damaged(data: bytes, rng: np.random.Generator) -> bytes:
    """A few edits, half of them within the first kilobyte, where headers are."""
    out = bytearray(data)
    for _ in range(rng.integers(1, MOST_EDITS + 1)):
        reach = min(len(out), 1024) if rng.random() < 0.5 else len(out)
        at = int(rng.integers(0, max(reach, 1)))
        size = int(rng.integers(1, 33))
        match rng.integers(0, 6):
            case 0:
                out[at : at + 1] = bytes([rng.integers(0, 256)])
            case 1:
                out[at : at + 1] = bytes([out[at] ^ 1 << rng.integers(0, 8)]) if out else b""
            case 2:
                del out[at : at + size]
            case 3:
                out[at:at] = rng.bytes(size)
            case 4:
                out[at : at + size] = b"\xff" * size
            case 5 if rng.random() < 0.3:
                del out[at:]
    return bytes(out)


def outcome(process: DecodingProcess, data: bytes) -> str:
    """ "film", "sentence", "crash", or what should never be, in words."""
    try:
        process.read_bytes(data)
    except CrashError:
        return "crash"
    except ReadError as error:
        text = str(error)
        whole = text.endswith(".") and "\n" not in text and ". " not in text
        return "sentence" if whole else f"not one sentence: {text!r}"
    except Exception as error:  # whatever else there may be is what this looks for
        return f"raised {error!r}"
    return "film"


def main() -> int:
    given = options(__doc__, files=10_000, seed=0)
    good, rng, wrong = seeds(), np.random.default_rng(given.seed), 0
    with DecodingProcess(seconds=SECONDS) as process:
        for name, data in good.items():
            counts: Counter[str] = Counter()
            if outcome(process, data) != "film":
                raise SystemExit(f"{name}: the file is not good before it is damaged")
            for _ in range(-(-given.files // len(good))):
                counts[outcome(process, damaged(data, rng))] += 1
            usual = {kind: counts.pop(kind, 0) for kind in ("film", "sentence", "crash")}
            print(name, *(f"{count} {kind}" for kind, count in usual.items()), sep=", ", flush=True)
            for words, count in counts.items():
                print(f"  {count} x {words}")
            wrong += counts.total()
    print(f"{wrong} files gave something else; {process.crashes} crashes were contained")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
