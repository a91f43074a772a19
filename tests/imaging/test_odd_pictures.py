"""PNG and JPEG whose metadata is broken, or whose depth few programs read, from public reports."""

from __future__ import annotations

import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps, PngImagePlugin

from lmeran.imaging.files import read_bytes
from lmeran.imaging.radiograph import ReadError
from tests.conftest import film_pixels
from tests.imaging.test_files import encoded

PIXELS = film_pixels()
PLAIN = encoded(Image.fromarray(PIXELS))


def chunk(name: bytes, content: bytes) -> bytes:
    sealed = name + content
    return struct.pack(">I", len(content)) + sealed + struct.pack(">I", zlib.crc32(sealed))


def with_chunk(broken: bytes, before: bytes = b"IDAT") -> bytes:
    at = PLAIN.index(before) - 4
    return PLAIN[:at] + broken + PLAIN[at:]


@pytest.mark.parametrize("before", [b"IDAT", b"IEND"])
@pytest.mark.parametrize(
    "broken",
    [
        chunk(b"pHYs", struct.pack(">IIB", 1000, 1000, 1))[:-1] + b"\0",
        chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + b"x" * (2**20 + 1)),
        chunk(b"zTXt", b"note\0\0" + zlib.compress(bytes(2**21))),
        chunk(b"iCCP", b"profile\0\7" + zlib.compress(bytes(100))),
        chunk(b"eXIf", b"MM\0*broken"),
        chunk(b"tEXt", b"\xff" * 40)[:-4] + bytes(4),
        chunk(b"acTL", b""),
    ],
)
def test_a_png_with_broken_metadata_is_its_picture(broken: bytes, before: bytes) -> None:
    film = read_bytes(with_chunk(broken, before))
    np.testing.assert_array_equal(film.pixels, PIXELS)
    assert film.warnings == ()


def test_the_orientation_beside_broken_text_is_obeyed() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    text = PngImagePlugin.PngInfo()
    text.add_itxt("XML:com.adobe.xmp", "x" * (2**20 + 1))
    data = encoded(Image.fromarray(PIXELS), exif=exif, pnginfo=text)
    np.testing.assert_array_equal(read_bytes(data).pixels, np.rot90(PIXELS, -1))


def test_a_png_whose_picture_is_damaged_is_still_refused() -> None:
    at = PLAIN.index(b"IDAT") + 100
    for data in (PLAIN[:at] + bytes((PLAIN[at] ^ 255,)) + PLAIN[at + 1 :], PLAIN[:at]):
        with pytest.raises(ReadError, match="damaged"):
            read_bytes(data)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_turned_as_pillow_does(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(Image.fromarray(PIXELS), exif=exif)
    wanted = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    np.testing.assert_array_equal(read_bytes(data).pixels, np.asarray(wanted))


def test_a_jpeg_is_turned_upright_beside_a_broken_tag() -> None:
    """A fraction over zero, which cannot be written again (Pillow 8965)."""
    exif = Image.Exif()
    exif[0x0112] = 3
    exif[0x9204] = 1.5  # exposure bias, as a signed fraction
    data = encoded(Image.fromarray(PIXELS), "JPEG", exif=exif, quality=95)
    broken = data.replace(exif.tobytes()[-8:], struct.pack(">ii", 2**31 - 1, 0)[:8], 1)
    assert broken != data
    film = read_bytes(broken)
    assert np.abs(film.pixels.astype(int) - PIXELS[::-1, ::-1]).mean() < 3


def test_broken_exif_leaves_a_jpeg_as_it_is() -> None:
    data = encoded(Image.fromarray(PIXELS), "JPEG", quality=95)
    exif = b"Exif\0\0MM\0*" + b"\xff" * 20
    broken = data[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + data[2:]
    np.testing.assert_array_equal(read_bytes(broken).pixels, read_bytes(data).pixels)


def test_a_photograph_of_several_pictures_is_a_jpeg() -> None:
    first, second = Image.fromarray(PIXELS), Image.fromarray(PIXELS[::-1])
    film = read_bytes(encoded(first, "MPO", save_all=True, append_images=[second], quality=95))
    assert film.media == "JPEG"
    assert np.abs(film.pixels.astype(int) - PIXELS).mean() < 3


VALUES = (film_pixels().astype(np.uint16) * 16) + 7


def png16(values: np.ndarray, kind: int) -> bytes:
    """A 16-bit PNG of (H, W, channels), by hand: no encoder here writes gray with alpha."""
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    head = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], 16, kind, 0, 0, 0)
    parts = (chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.mark.parametrize(("channels", "kind"), [(2, 4), (3, 2), (4, 6)])
def test_16_bit_colour_and_alpha_are_the_same_film_as_16_bit_gray(channels: int, kind: int) -> None:
    colour = np.repeat(VALUES[..., None], channels, axis=2)
    if channels % 2 == 0:
        colour[..., -1] = 65535
    film, gray = read_bytes(png16(colour, kind)), read_bytes(png16(VALUES[..., None], 0))
    np.testing.assert_array_equal(film.pixels, gray.pixels)
    np.testing.assert_array_equal(film.values.real()[film.values.codes], VALUES)
    assert (film.bits, film.window, film.warnings) == (16, gray.window, ())


def test_16_bit_colour_is_turned_upright() -> None:
    exif = chunk(b"eXIf", b"MM\0*\0\0\0\x08\0\1\x01\x12\0\3\0\0\0\1\0\6\0\0\0\0\0\0")
    plain = png16(np.repeat(VALUES[..., None], 3, axis=2), 2)
    at = plain.index(b"IDAT") - 4
    turned = read_bytes(plain[:at] + exif + plain[at:])
    np.testing.assert_array_equal(turned.pixels, np.rot90(read_bytes(plain).pixels, -1))


def test_real_colour_at_16_bits_is_told() -> None:
    rgb = np.random.default_rng(0).integers(0, 4096, (64, 64, 3)).astype(np.uint16)
    film = read_bytes(cv2.imencode(".png", rgb)[1].tobytes())
    assert "colour" in film.warnings[0]
