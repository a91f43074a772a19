"""`python -m lmeran export`: one film's reading as files."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from lmeran.cli.launch import Launch
from lmeran.cli.options import from_one
from lmeran.exports.formats import FORMATS, Request, check_extra, parse_formats
from lmeran.exports.record import MapChoice, record_of
from lmeran.findings import parse_pins
from lmeran.hub import open_checkpoint
from lmeran.imaging.decoding_process import read_alone
from lmeran.imaging.radiograph import Radiograph
from lmeran.predictor import Predictor

if TYPE_CHECKING:
    from lmeran.exports.dicom.source import SourceImage

USAGE_ERROR = 2

_DESCRIPTION = """
Read one film and write the reading in one or more forms.
pdf: report of one page. csv, json: the 14 findings. png: film with map. boxes: peak, centroid and
boxes of the map in pixels of the film, as CSV. reading: file that `replay` recomputes.
None of these names a patient or a file.
sr, seg, sc: DICOM structured report (TID 1500), fractional segmentation and secondary capture.
These refer to the source image and carry its patient and study by nature: FILE must be DICOM, and
what DICOM requires of patient and study is copied from it. They need requirements-dicom.txt.
"""


def add_export(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the program's parser."""
    parser = commands.add_parser(
        "export",
        help="the reading as PDF, CSV, JSON, PNG, reading file or DICOM SR, SEG, SC",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("film", metavar="FILE", help="DICOM, PNG or JPEG")
    parser.add_argument(
        "--as", dest="forms", default="pdf", help=f"some of {','.join(FORMATS)} (default: pdf)"
    )
    parser.add_argument(
        "--out", type=Path, default=Path(), metavar="DIR", help="where to (default: here)"
    )
    parser.add_argument(
        "--pin",
        action="append",
        default=[],
        metavar="FINDING=STATE",
        help="what is known, e.g. Effusion=positive; repeat for more",
    )
    parser.add_argument(
        "--frame", type=from_one, default=1, help="of a file that holds several (default: 1)"
    )
    parser.add_argument(
        "--finding", help="of the map and the ledger (default: the most probable one)"
    )
    parser.add_argument("--layer", type=int, help="of the map; 0: rollout (default: the last)")
    parser.add_argument("--head", type=int, help="of the map (default: mean of all)")
    parser.add_argument(
        "--scale",
        choices=("absolute", "relative"),
        default="absolute",
        help="colours of the map (default: %(default)s; relative: of its own maximum)",
    )
    parser.add_argument(
        "--reader", metavar="FAMILY^GIVEN", help="who pinned, for the structured report"
    )
    parser.add_argument("--checkpoint", help="folder or hf://OWNER/REPO@REVISION")
    parser.add_argument("--device", default="cpu", help="cpu (default), cuda or cuda:N")
    parser.set_defaults(run=run_export)


def run_export(given: argparse.Namespace) -> int:
    """Exit status 0, or 2 with one sentence on standard error and nothing written."""
    try:
        names = parse_formats(given.forms)
        check_extra(names)
        pins = parse_pins(given.pin)
        film = read_alone(given.film, given.frame)
        source = _source(given.film, film) if any(FORMATS[n].dicom for n in names) else None
        predictor = Predictor(open_checkpoint(given.checkpoint), Launch().device(given.device))
        encoded = predictor.encode(film)
        choice = MapChoice(given.layer, given.head)
        record = record_of(predictor, film, encoded, pins, given.finding, choice)
        request = Request(predictor, encoded, record, given.scale, source, given.reader)
        made = {name: FORMATS[name].make(request) for name in names}
    except ValueError as error:  # every error of this program with a sentence for the user
        print(error, file=sys.stderr)
        return USAGE_ERROR
    given.out.mkdir(parents=True, exist_ok=True)
    for name, data in made.items():
        path = given.out / f"{record.name}{FORMATS[name].ending}"
        path.write_bytes(data)
        print(path)
    return 0


def _source(path: str, film: Radiograph) -> SourceImage:
    from lmeran.exports.dicom.source import read_source  # pydicom is slow to import

    return read_source(path, film)
