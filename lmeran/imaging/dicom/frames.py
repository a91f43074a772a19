"""One frame of a DICOM image: which there are, its bytes, and what the file says of it alone."""

from __future__ import annotations

from pydicom.dataset import Dataset
from pydicom.encaps import generate_fragments, get_frame
from pydicom.tag import Tag

from lmeran.imaging.dicom.attributes import integer, value_of
from lmeran.imaging.radiograph import ReadError, one_picture
from lmeran.imaging.window import BrokenError

GROUPS = {
    "PixelValueTransformationSequence": ("RescaleSlope", "RescaleIntercept", "RescaleType"),
    "FrameVOILUTSequence": (
        "WindowCenter",
        "WindowWidth",
        "WindowCenterWidthExplanation",
        "VOILUTFunction",
    ),
    "PixelMeasuresSequence": ("PixelSpacing",),
}
"""Functional groups (PS3.3 C.7.6.16) that change how a frame is shown or measured."""
_MAX_GROUP_BYTES = 2**22
_ITEM = b"\xfe\xff\x00\xe0"
_CODESTREAMS = (b"\xff\xd8", b"\xff\x4f", b"\x00\x00\x00\x0cjP  ")
"""What JPEG, JPEG-LS and JPEG 2000 frames start with."""


def check_frame(frame: int, count: int) -> None:
    """Refuse a frame that a file of `count` frames does not have. Raises `ReadError`."""
    if 1 <= frame <= count:
        return
    if count == 1:
        raise ReadError(one_picture(frame))
    raise ReadError(
        f"The file holds {count} frames and frame {frame} was asked for; "
        f"choose one from 1 to {count}."
    )


def frame_count(ds: Dataset) -> int:
    """Number of Frames (0028,0008); 1 where it is not stated."""
    return max(integer(ds, "NumberOfFrames", 1), 1)


def frame_words(frame: int, count: int) -> str:
    """What the reader must know of a frame among others."""
    return (
        f"This is frame {frame} of {count} in the file: the model reads one at a time, so check "
        "that it is the one you want."
    )


def native_frame(data: bytes, frame: int, count: int, size: int) -> bytes:
    """One frame of `size` bytes from uncompressed pixel data. Raises `ReadError`."""
    expected = count * size
    if len(data) < expected:
        raise ReadError(
            f"The picture is cut off ({len(data)} of {expected} bytes); export the film again."
        )
    return data[(frame - 1) * size : frame * size]


def compressed_frame(data: bytes, frame: int, count: int) -> bytes:
    """One frame of encapsulated pixel data, by the offset table or else by counting.

    A single frame is all that follows the offset table (PS3.5 A.4), which is not looked into:
    some writers fill it wrongly, some leave it out, some leave out the items altogether.
    """
    if count > 1:
        return get_frame(data, frame - 1, number_of_frames=count)
    if not data.startswith(_ITEM):
        return data
    first, *rest = generate_fragments(data)
    is_table = bool(rest) and not first.startswith(_CODESTREAMS)
    return b"".join(rest if is_table else (first, *rest))


def with_groups(ds: Dataset, frame: int) -> Dataset:
    """The data set with what its functional groups say of one frame. Raises `ReadError`.

    What holds for all frames comes first, what holds for this one replaces it.
    """
    try:
        shared = value_of(ds, "SharedFunctionalGroupsSequence", _MAX_GROUP_BYTES) or ()
        each = value_of(ds, "PerFrameFunctionalGroupsSequence", _MAX_GROUP_BYTES) or ()
        items = [*shared[:1], *each[frame - 1 : frame]]
        if not items:
            return ds
        told = Dataset()
        told.update(ds)
        for item in items:
            for group, keywords in GROUPS.items():
                for inner in (value_of(item, group) or ())[:1]:
                    # As it stands in the file: its readers know what to do with a broken value.
                    told.update({Tag(k): inner.get_item(k) for k in keywords if k in inner})
    except BrokenError:
        raise ReadError(
            "What the file says of its single frames is far larger than a film needs; "
            "export the film as a single-frame file."
        ) from None
    return told
