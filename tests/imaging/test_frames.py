"""DICOM files of several frames: the one asked for is read, and nothing of the others."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, encapsulate_extended, get_frame
from pydicom.sequence import Sequence
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from lmeran.imaging.dicom import pixel_data
from lmeran.imaging.dicom.reader import read_dicom
from lmeran.imaging.files import read_bytes
from lmeran.imaging.radiograph import MAX_PIXELS, Radiograph, ReadError
from tests.imaging.test_zipped import png
from tests.support.dicom_making import SIZE, assert_one_sentence, film, ramp, written

COUNT = 3


def frames() -> list[np.ndarray]:
    """Three pictures with the same values in other places."""
    return [np.ascontiguousarray(np.rot90(ramp(), k)) for k in range(COUNT)]


def several(dtype: str = "<u2", **attributes: object) -> Dataset:
    ds = film(**attributes, NumberOfFrames=COUNT)
    ds.PixelData = b"".join(picture.astype(dtype).tobytes() for picture in frames())
    return ds


def alone(position: int) -> np.ndarray:
    return read_dicom(written(film(frames()[position]))).pixels


def refusal(data: bytes, frame: int) -> str:
    with pytest.raises(ReadError) as caught:
        read_dicom(data, frame)
    assert_one_sentence(str(caught.value))
    return str(caught.value)


def assert_each_frame_is_read(data: bytes) -> None:
    for k in range(COUNT):
        result = read_dicom(data, k + 1)
        np.testing.assert_array_equal(result.pixels, alone(k))
        assert (result.frame, result.frames) == (k + 1, COUNT)
        assert any(f"frame {k + 1} of {COUNT}" in text for text in result.warnings)


@pytest.mark.parametrize(
    "syntax",
    [
        ExplicitVRLittleEndian,
        ImplicitVRLittleEndian,
        DeflatedExplicitVRLittleEndian,
        ExplicitVRBigEndian,
    ],
)
def test_native_frames(syntax: str) -> None:
    ds = several(">u2" if syntax == ExplicitVRBigEndian else "<u2")
    assert_each_frame_is_read(written(ds, syntax))


@pytest.mark.parametrize("table", ["basic", "extended", "none"])
@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless, JPEGLSLossless])
def test_compressed_frames_with_and_without_offset_tables(syntax: str, table: str) -> None:
    ds = several()
    ds.compress(syntax, generate_instance_uid=False)
    streams = [get_frame(ds.PixelData, k, number_of_frames=COUNT) for k in range(COUNT)]
    if table == "extended":
        data, ds.ExtendedOffsetTable, ds.ExtendedOffsetTableLengths = encapsulate_extended(streams)
    else:
        data = encapsulate(streams, has_bot=table == "basic")
    ds.PixelData = data
    ds["PixelData"].is_undefined_length = True
    assert_each_frame_is_read(written(ds))


def test_frames_in_several_fragments() -> None:
    ds = several()
    ds.compress(JPEG2000Lossless, generate_instance_uid=False)
    streams = [get_frame(ds.PixelData, k, number_of_frames=COUNT) for k in range(COUNT)]
    ds.PixelData = encapsulate(streams, fragments_per_frame=2)
    ds["PixelData"].is_undefined_length = True
    assert_each_frame_is_read(written(ds))


def test_the_first_frame_is_the_default_and_one_picture_has_one_frame() -> None:
    np.testing.assert_array_equal(read_dicom(written(several())).pixels, alone(0))
    single = read_dicom(written(film()))
    assert (single.frame, single.frames, single.warnings) == (1, 1, ())


@pytest.mark.parametrize("frame", [-1, 0, COUNT + 1])
def test_a_frame_that_is_not_there_says_which_are(frame: int) -> None:
    assert f"choose one from 1 to {COUNT}" in refusal(written(several()), frame)


def test_a_frame_of_a_single_picture_is_refused() -> None:
    assert "leave the frame out" in refusal(written(film()), 2)
    with pytest.raises(ReadError, match="leave the frame out"):
        read_bytes(png(), 2)


def test_a_file_of_another_kind_stays_refused() -> None:
    assert "ultrasound" in refusal(written(several(Modality="US")), 1)


def test_cut_off_and_invented_frames_are_refused() -> None:
    ds = several()
    ds.PixelData = ds.PixelData[:-100]
    assert "cut off" in refusal(written(ds), 1)
    ds = several()
    ds.compress(JPEG2000Lossless, generate_instance_uid=False)
    ds.NumberOfFrames = 50
    assert "damaged" in refusal(written(ds), 49)


def test_caps_are_on_one_frame() -> None:
    """Together the frames may hold more values than one picture may."""
    count = MAX_PIXELS // (SIZE * SIZE) + 1
    ds = film(NumberOfFrames=count)
    stream = rle_of(ramp())
    ds.PixelData = encapsulate([stream] * count)
    ds["PixelData"].is_undefined_length = True
    ds.file_meta.TransferSyntaxUID = RLELossless
    assert read_dicom(written(ds), count).frames == count
    ds = several(Rows=60000, Columns=60000)
    assert "limit" in refusal(written(ds), 1)


def rle_of(pixels: np.ndarray) -> bytes:
    ds = film(pixels)
    ds.compress(RLELossless, generate_instance_uid=False)
    return get_frame(ds.PixelData, 0, number_of_frames=1)


def test_only_the_frame_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    decoder = pixel_data.get_decoder

    def watched(syntax: str) -> object:
        class Watch:
            available_plugins = decoder(syntax).available_plugins
            is_available = True

            def as_array(self, data: bytes, **options: object) -> object:
                seen.append((len(data), options["number_of_frames"]))
                return decoder(syntax).as_array(data, **options)

        return Watch()

    monkeypatch.setattr(pixel_data, "get_decoder", watched)
    read_dicom(written(several()), 2)
    assert seen == [(SIZE * SIZE * 2, 1)]


def group(**attributes: object) -> Sequence:
    item = Dataset()
    for keyword, value in attributes.items():
        setattr(item, keyword, value)
    return Sequence([item])


def test_frame_groups_beyond_all_measure_and_broken_ones_are_refused_or_passed_over() -> None:
    ds = several(SharedFunctionalGroupsSequence=group(FrameVOILUTSequence=group(WindowWidth=0)))
    assert "percentile" in read_dicom(written(ds), 1).window
    ds.PerFrameFunctionalGroupsSequence = group(TextValue="x" * 2**23)
    assert "far larger" in refusal(written(ds), 1)


def test_what_the_file_says_of_a_frame_holds_for_it_alone() -> None:
    """Functional groups: rescale and spacing for all, a window of the second frame."""
    ds = several()
    ds.SharedFunctionalGroupsSequence = group(
        PixelValueTransformationSequence=group(
            RescaleSlope=2, RescaleIntercept=-1024, RescaleType="US"
        ),
        PixelMeasuresSequence=group(PixelSpacing=[0.2, 0.2]),
    )
    windows = [group(WindowCenter=center, WindowWidth=500) for center in (1000, 3000, 5000)]
    ds.PerFrameFunctionalGroupsSequence = Sequence(
        group(FrameVOILUTSequence=window)[0] for window in windows
    )
    result = read_dicom(written(ds), 2)
    wanted = film(
        frames()[1],
        **{"RescaleSlope": 2, "RescaleIntercept": -1024},
        **{"WindowCenter": 3000, "WindowWidth": 500, "PixelSpacing": [0.2, 0.2]},
    )
    single = read_dicom(written(wanted))
    assert "center 3000" in result.window
    np.testing.assert_array_equal(result.pixels, single.pixels)
    assert result.spacing == single.spacing
    assert isinstance(result, Radiograph)


# One frame


def single(syntax: str, *fragments: slice, table: bytes | None = b"") -> Dataset:
    """A film of one frame in fragments, after an offset table of these bytes, None: without one."""
    ds = film()
    ds.compress(syntax, generate_instance_uid=False)
    whole = get_frame(ds.PixelData, 0, number_of_frames=1)
    parts = [whole[part] for part in fragments or (slice(None),)]
    items = [table, *parts] if table is not None else parts
    ds.PixelData = b"".join(b"\xfe\xff\x00\xe0" + struct.pack("<I", len(i)) + i for i in items)
    return ds


@pytest.mark.parametrize("syntax", [JPEG2000Lossless, JPEGLSLossless, RLELossless])
@pytest.mark.parametrize("table", [b"", bytes(4), b"\xff" * 4, struct.pack("<2I", 0, 77), None])
@pytest.mark.parametrize("ended", [True, False])
def test_one_frame_needs_no_offset_table(syntax: str, table: bytes | None, ended: bool) -> None:
    ds = single(syntax, table=table)
    data = written(ds) if ended else written(ds)[:-8]
    assert np.array_equal(read_dicom(data).pixels, read_dicom(written(film())).pixels)


@pytest.mark.parametrize("table", [b"", bytes(8), None])
def test_one_frame_in_several_fragments(table: bytes | None) -> None:
    ds = single(JPEG2000Lossless, slice(0, 100), slice(100, None), table=table)
    assert np.array_equal(read_dicom(written(ds)).pixels, read_dicom(written(film())).pixels)


def test_a_stream_without_any_item_is_the_frame() -> None:
    ds = single(JPEG2000Lossless)
    ds.PixelData = get_frame(ds.PixelData, 0, number_of_frames=1)
    assert np.array_equal(pixel_data.decode(ds, JPEG2000Lossless), ramp())
