"""What a file may cost before it is decoded: the caps every reader applies."""

from __future__ import annotations

from lmeran.radiograph import ReadError

MAX_FILE_BYTES = 64 * 2**20
MAX_PIXELS = 50_000_000
"""Rows x columns x samples. Digital radiographs stay under 20 million."""
MAX_INFLATED_BYTES = 128 * 2**20
MIN_SIDE = 32


def check_file_size(size: int) -> None:
    """Refuse empty files and files over the cap. Raises `ReadError`."""
    if size == 0:
        raise ReadError("The file is empty; choose a chest X-ray as DICOM, PNG or JPEG.")
    if size > MAX_FILE_BYTES:
        raise ReadError(
            f"The file has {size / 2**20:.0f} MB and the limit is {MAX_FILE_BYTES // 2**20} MB; "
            "export the film alone, or compress it."
        )


def check_dimensions(height: int, width: int, samples: int = 1) -> None:
    """Refuse picture sizes that cannot be a film, before any pixel is decoded."""
    if height * width * samples > MAX_PIXELS:
        raise ReadError(
            f"The picture claims {width} x {height} pixels and the limit is "
            f"{MAX_PIXELS // 1_000_000} million values; export it at a smaller size."
        )
    if min(height, width) < MIN_SIDE:
        raise ReadError(
            f"The picture has {width} x {height} pixels, too few for a chest X-ray; "
            f"choose one with at least {MIN_SIDE} pixels a side."
        )
