"""`python -m lmeran export`: one film's reading as files."""

from __future__ import annotations

import argparse
import sys

from lmeran.cli.launch import Launch
from lmeran.exports.formats import FORMATS, Request, check_extra, parse_formats
from lmeran.exports.record import MapChoice, record_of
from lmeran.findings import parse_pins
from lmeran.hub import open_checkpoint
from lmeran.imaging.decoding_process import read_alone
from lmeran.predictor import Predictor


def run(given: argparse.Namespace) -> int:
    """Exit status 0, or 2 with one sentence on standard error and nothing written."""
    try:
        names = parse_formats(given.forms)
        check_extra(names)
        pins = parse_pins(given.pin)
        film, source = read_alone(given.film, given.frame), None
        if any(FORMATS[name].dicom for name in names):
            from lmeran.exports.dicom.source import read_source  # pydicom is slow to import

            source = read_source(given.film, film)
        predictor = Predictor(open_checkpoint(given.checkpoint), Launch().device(given.device))
        encoded = predictor.encode(film)
        choice = MapChoice(given.layer, given.head)
        record = record_of(predictor, film, encoded, pins, given.finding, choice)
        request = Request(predictor, encoded, record, given.scale, source, given.reader)
        made = {name: FORMATS[name].make(request) for name in names}
    except ValueError as error:  # every error of this program with a sentence for the user
        print(error, file=sys.stderr)
        return 2
    given.out.mkdir(parents=True, exist_ok=True)
    for name, data in made.items():
        path = given.out / f"{record.name}{FORMATS[name].ending}"
        path.write_bytes(data)
        print(path)
    return 0
