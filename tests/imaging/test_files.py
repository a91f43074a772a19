"""PNG and JPEG in every dress; bad files in one sentence."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lmeran.imaging.files import read_bytes, read_file
from lmeran.imaging.radiograph import MAX_FILE_BYTES, ReadError
from tests.conftest import film_pixels


def encoded(image: Image.Image, form: str = "PNG", **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def sentence(data: bytes) -> str:
    with pytest.raises(ReadError) as caught:
        read_bytes(data)
    text = str(caught.value)
    assert text.endswith(".")
    assert "\n" not in text
    return text


def test_a_gray_png_is_read_as_it_is() -> None:
    pixels = film_pixels()
    film = read_bytes(encoded(Image.fromarray(pixels)))
    assert np.array_equal(film.pixels, pixels)
    assert (film.height, film.width, film.media, film.bits) == (120, 100, "PNG", 8)
    assert film.warnings == ()


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "LA"])
def test_gray_films_saved_in_colour_modes_are_the_same_film(mode: str) -> None:
    pixels = film_pixels()
    film = read_bytes(encoded(Image.fromarray(pixels).convert(mode)))
    assert np.abs(film.pixels.astype(int) - pixels).max() <= 1
    assert film.warnings == ()


def test_a_jpeg_is_read_and_its_orientation_obeyed() -> None:
    pixels = film_pixels()
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    data = encoded(Image.fromarray(pixels), "JPEG", quality=95, exif=exif)
    film = read_bytes(data)
    assert (film.media, film.height, film.width) == ("JPEG", 100, 120)
    assert np.abs(film.pixels.astype(int) - np.rot90(pixels, -1)).mean() < 3


def test_sixteen_bits_are_windowed_and_keep_their_order() -> None:
    values = np.linspace(900, 3000, 100 * 80).reshape(100, 80).astype(np.uint16)
    film = read_bytes(encoded(Image.fromarray(values)))
    assert film.bits == 16
    assert film.pixels.min() == 0
    assert film.pixels.max() == 255
    assert (np.diff(film.pixels.ravel().astype(int)) >= 0).all()


def test_a_colour_photograph_is_read_with_a_warning() -> None:
    rgb = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    assert "colour" in read_bytes(encoded(Image.fromarray(rgb))).warnings[0]


def png_header_claiming(width: int, height: int) -> bytes:
    """A small PNG that claims to be huge: a decompression bomb."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunk = b"IHDR" + header
    body = zlib.compress(b"\0" * 1000)
    return (
        b"\x89PNG\r\n\x1a\n"
        + struct.pack(">I", 13)
        + chunk
        + struct.pack(">I", zlib.crc32(chunk))
        + struct.pack(">I", len(body))
        + b"IDAT"
        + body
        + struct.pack(">I", zlib.crc32(b"IDAT" + body))
    )


@pytest.mark.parametrize("side", [9_000, 20_000, 60_000])
def test_a_bomb_is_refused_before_it_is_decoded(side: int) -> None:
    assert "million values" in sentence(png_header_claiming(side, side))


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"", "empty"),
        (b"hello, this is text", "not a DICOM"),
        (encoded(Image.fromarray(film_pixels()))[:400], "damaged"),
        (encoded(Image.fromarray(film_pixels()), "JPEG")[:300], "damaged"),
        (encoded(Image.fromarray(np.full((64, 64), 7, np.uint8))), "flat"),
        (encoded(Image.fromarray(film_pixels(16, 200))), "too few"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 40, "damaged"),
    ],
)
def test_bad_files_get_one_sentence(data: bytes, word: str) -> None:
    assert word in sentence(data)


def test_random_bytes_never_raise_anything_else() -> None:
    rng = np.random.default_rng(0)
    good = encoded(Image.fromarray(film_pixels()))
    for _ in range(100):
        damaged = bytearray(good)
        for position in rng.integers(8, len(good), 6):
            damaged[position] = rng.integers(0, 256)
        try:
            read_bytes(bytes(damaged))
        except ReadError as error:
            assert "\n" not in str(error)


def test_missing_and_oversized_files_are_refused_without_their_name(tmp_path: Path) -> None:
    with pytest.raises(ReadError) as caught:
        read_file(tmp_path / "Doe_John.png")
    assert "Doe" not in str(caught.value)
    big = tmp_path / "Doe_Jane.png"
    with big.open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)
    with pytest.raises(ReadError, match="limit is 64 MB") as caught:
        read_file(big)
    assert "Doe" not in str(caught.value)
