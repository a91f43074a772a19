"""The public DICOM files of ../shared/dicom: what each of them must do, and that twins agree."""

from __future__ import annotations

import warnings
from fnmatch import fnmatchcase
from functools import cache

import numpy as np
import pydicom
import pytest

from lmeran.imaging.dicom.pixel_data import decode
from lmeran.imaging.dicom.reader import looks_like_dicom, read_dicom
from lmeran.imaging.radiograph import MIN_SIDE, Radiograph, ReadError
from tests.conftest import ROOT

FOLDER = ROOT.parent / "shared" / "dicom"
if not FOLDER.is_dir():
    pytest.skip("the DICOM collection is not here", allow_module_level=True)

TABLE = """
read |
    Enet4__RG1_J2KI.dcm ivmartel__gdcm-CR-MONO1-10-chest.dcm udacity__test1.dcm udacity__test4.dcm
    mlmed__1.2.276.0.7230010.3.1.4.8323329.6904.1517875201.850819.dcm
warn | does not show a chest
    Enet4__MG1_J2KI.dcm Enet4__MG1_JPLY.dcm Enet4__RG2_JPLY.dcm Enet4__RG3_JPLY.dcm
    Enet4__RG2_J2KI.dcm Enet4__RG2_J2KR.dcm Enet4__RG2_JLSL.dcm Enet4__RG2_JLSN.dcm
    Enet4__RG2_JPLL.dcm Enet4__RG2_RLE.dcm
    Enet4__RG3_J2KI.dcm Enet4__RG3_J2KR.dcm Enet4__RG3_JLSL.dcm Enet4__RG3_JPLL.dcm
    Enet4__RG3_RLE.dcm
warn | stores colour
    Enet4__OT-PAL-8-face.dcm Enet4__SC_rgb.dcm Enet4__SC_rgb_16bit.dcm
    Enet4__SC_rgb_dcmtk_* Enet4__SC_rgb_expb.dcm Enet4__SC_rgb_expb_16bit.dcm
    Enet4__SC_rgb_gdcm_KY.dcm Enet4__SC_rgb_rle.dcm
    Enet4__SC_ybr_full_422_uncompressed.dcm Enet4__SC_ybr_full_uncompressed.dcm
    fo-dicom__TestPattern_Palette.dcm pydicom__GDCMJ2K_TextGBR.dcm
    pydicom__HTJ2KLossless_08_RGB.dcm pydicom__HTJ2K_08_RGB.dcm pydicom__JLSN_RGB_ILV0.dcm
    pydicom__SC_jpeg_no_color_transform_2.dcm
warn | does not say that it is a radiograph
    Enet4__image_dfl.dcm Enet4__vlut_04.dcm fo-dicom__GH1301.dcm fo-dicom__chrFren.dcm
    fo-dicom__chrRuss.dcm pydicom__JLSL_08_07_0_1F.dcm
warn | frame 1 of 2
    Enet4__SC_rgb_rle_16bit_2frame.dcm
refuse | too few
    Enet4__SC_rgb_small_odd_jpeg.dcm
refuse | no complete picture
    fo-dicom__chrJapMulti.dcm fo-dicom__chrKoreanMulti.dcm
refuse | floating-point
    pydicom__parametric_map_double_float.dcm pydicom__parametric_map_float.dcm
refuse | an angiogram
    Enet4__XA1_*
refuse | a CT image
    Enet4__693_* Enet4__CT1_UNC.dcm Enet4__bad_sequence.dcm Enet4__explicit_VR-UN.dcm
    cornerstonejs__CT* fo-dicom__GH1728.dcm fo-dicom__GH177_*
refuse | an MR image
    Enet4__MR* Enet4__emri_small_* fo-dicom__GH1146.dcm fo-dicom__GH340.dcm
refuse | a mammogram
    fo-dicom__GH133.dcm
refuse | a nuclear medicine image
    Enet4__JPEG2000* Enet4__NM1_JLSN.dcm pydicom__JPGExtended.dcm pydicom__JPEG2000-*
refuse | a radiotherapy dose map
    Enet4__rtdose*
refuse | a segmentation
    Enet4__liver* pydicom__liver*
refuse | an ultrasound image
    Enet4__ExplVR_BigEnd.dcm Enet4__OBXXXX1A_* Enet4__US1_J2KR.dcm
    cornerstonejs__no-pixel-spacing.dcm pydicom__OBXXXX1A_expb.dcm
"""
"""What a file must do, the words its warning or refusal must hold, and the files of that kind."""

FILES = sorted(FOLDER.glob("*.dcm"))


def outcomes(name: str) -> list[tuple[str, str]]:
    """What the table says of a file: read, warn or refuse, and in which words."""
    found, heading = [], ("", "")
    for line in TABLE.strip().splitlines():
        if not line.startswith(" "):
            verdict, _, words = line.partition("|")
            heading = (verdict.strip(), words.strip())
        elif any(fnmatchcase(name, pattern) for pattern in line.split()):
            found.append(heading)
    return found


@cache
def data_of(name: str) -> bytes:
    return (FOLDER / name).read_bytes()


@pytest.mark.parametrize("name", [path.name for path in FILES])
def test_every_file_does_what_the_tables_say(name):
    [(wanted, words)] = outcomes(name)
    data = data_of(name)
    assert looks_like_dicom(data)
    try:
        result = read_dicom(data)
    except ReadError as error:
        text = str(error)
        assert wanted == "refuse", text
        assert words in text
        assert text.endswith(".")
        assert ". " not in text
        return
    assert wanted == ("warn" if result.warnings else "read")
    assert words in " ".join(result.warnings)
    assert_renders(result)


def assert_renders(result: Radiograph) -> None:
    assert result.pixels.dtype == np.uint8
    assert result.pixels.flags.c_contiguous
    assert min(result.pixels.shape) >= MIN_SIDE
    assert int(result.pixels.max()) - int(result.pixels.min()) > 50


@pytest.mark.parametrize("name", [p.name for p in FILES if ("read", "") in outcomes(p.name)])
def test_lungs_are_darker_than_the_middle_of_the_chest(name):
    pixels = read_dicom(data_of(name)).pixels.astype(float)
    height, width = pixels.shape
    band = slice(int(0.35 * height), int(0.5 * height))
    middle = pixels[band, int(0.47 * width) : int(0.53 * width)].mean()
    right = pixels[band, int(0.18 * width) : int(0.35 * width)].mean()
    left = pixels[band, int(0.68 * width) : int(0.82 * width)].mean()
    assert max(right, left) < middle


CT = "cornerstonejs__CTImage.dcm"
TWINS = [
    *((f"Enet4__RG2_{kind}.dcm", "Enet4__RG2_RLE.dcm") for kind in ("J2KR", "JLSL", "JPLL")),
    *((f"Enet4__RG3_{kind}.dcm", "Enet4__RG3_RLE.dcm") for kind in ("J2KR", "JLSL", "JPLL")),
    *((f"Enet4__XA1_{kind}.dcm", "Enet4__XA1_UNC.dcm") for kind in ("J2KR", "JLSL", "RLE")),
    ("Enet4__693_J2KR.dcm", "Enet4__693_UNCR.dcm"),
    *(
        (f"{CT}_{kind}.dcm", CT)
        for kind in (
            "BigEndianExplicitTransferSyntax_1.2.840.10008.1.2.2",
            "DeflatedExplicitVRLittleEndianTransferSyntax_1.2.840.10008.1.2.1.99",
            "JPEG2000LosslessOnlyTransferSyntax_1.2.840.10008.1.2.4.90",
            "JPEGProcess14SV1TransferSyntax_1.2.840.10008.1.2.4.70",
            "LittleEndianExplicitTransferSyntax_1.2.840.10008.1.2.1",
            "LittleEndianImplicitTransferSyntax_1.2.840.10008.1.2",
        )
    ),
]


@pytest.mark.parametrize(("name", "reference"), TWINS)
def test_lossless_twins_have_identical_stored_values(name, reference):
    """Decoded directly, so that twins which are no radiographs can be compared as well."""
    np.testing.assert_array_equal(stored_values(name), stored_values(reference))


def stored_values(name: str) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ds = pydicom.dcmread(FOLDER / name)
        return decode(ds, ds.file_meta.TransferSyntaxUID)


@pytest.mark.parametrize(("name", "reference"), [pair for pair in TWINS if "__RG" in pair[0]])
def test_lossless_twins_look_the_same(name, reference):
    np.testing.assert_array_equal(
        read_dicom(data_of(name)).pixels, read_dicom(data_of(reference)).pixels
    )


@pytest.mark.parametrize("name", ["Enet4__RG2", "Enet4__RG3"])
def test_12_bit_lossy_films_look_like_their_lossless_twins(name):
    lossy, lossless = (read_dicom(data_of(f"{name}_{kind}.dcm")) for kind in ("JPLY", "JPLL"))
    assert lossy.pixels.shape == lossless.pixels.shape
    difference = np.abs(lossy.pixels.astype(int) - lossless.pixels.astype(int))
    assert difference.mean() < 2
