"""A tiny ChestX-ray14 release as NIH ships it, for tests: noise instead of films."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

PATIENTS, FILMS_EACH, SIDE = 12, 2, 40
FIRST_TEST_PATIENT = 10

HEADERS = {
    "v2020": "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Sex,"
    "View Position,OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y]",
    "2017": "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,"
    "View Position,OriginalImageWidth,OriginalImageHeight,OriginalImagePixelSpacing_x,"
    "OriginalImagePixelSpacing_y",
}
LABELS = ("No Finding", "Effusion|Mass", "Pleural_Thickening", "Hernia|Effusion", "Pneumonia")
BOX_HEADER = "Image Index,Finding Label,Bbox [x,y,w,h],,,"


def film_names() -> list[str]:
    """00000001_000.png, 00000001_001.png, 00000002_000.png, ..."""
    return [f"{p:08}_{k:03}.png" for p in range(1, PATIENTS + 1) for k in range(FILMS_EACH)]


def labels_of(name: str) -> str:
    return LABELS[(int(name[:8]) + int(name[9:12])) % len(LABELS)]


def film_bytes(name: str) -> bytes:
    """A PNG; each fourth patient's are RGBA, as some of the release are."""
    patient = int(name[:8])
    rng = np.random.default_rng([patient, int(name[9:12])])
    gray = rng.integers(0, 256, (SIDE, SIDE), dtype=np.uint8)
    full = np.full_like(gray, 255)
    picture = np.dstack([gray, gray, gray, full]) if patient % 4 == 0 else gray
    return cv2.imencode(".png", picture)[1].tobytes()


def film_folder(folder: Path, name: str, layout: str) -> Path:
    """Where an image lies in each of the ways that the release is unpacked."""
    number = f"images_{1 + (int(name[:8]) - 1) // 6:03}"
    return {
        "numbered": folder / number / "images",
        "numbered flat": folder / number,
        "one folder": folder / "images",
        "flat": folder,
    }[layout]


def write_release(folder: Path, layout: str = "numbered", spelling: str = "v2020") -> Path:
    """Write a whole and consistent release of 24 films; returns `folder`."""
    for name in film_names():
        place = film_folder(folder, name, layout)
        place.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(film_bytes(name))
    write_tables(folder, spelling)
    return folder


def write_tables(folder: Path, spelling: str = "v2020") -> None:
    names = film_names()
    old = spelling == "2017"
    rows = [
        f"{name},{labels_of(name)},0,{int(name[:8])},{'057Y' if old else 57},M,PA,2682,2749,0.143,"
        f"0.143{',' if old else ''}"
        for name in names
    ]
    table = "\n".join([HEADERS[spelling], *rows]) + "\n"
    (folder / f"Data_Entry_2017{'' if old else '_v2020'}.csv").write_text(table)
    suffix = "_NIH" if old else ""
    test = [name for name in names if int(name[:8]) >= FIRST_TEST_PATIENT]
    train_val = [name for name in names if name not in test]
    (folder / f"train_val_list{suffix}.txt").write_text("\n".join(train_val))
    (folder / f"test_list{suffix}.txt").write_text("\r\n".join(test) + "\r\n")
    boxes = [
        f"{test[0]},Infiltrate,225.08,547.02,86.78,79.19",
        f"{test[1]},Atelectasis,10.5,20.5,300.25,400.0,,,",
        f"{test[1]},Pleural Thickening,10.5,20.5,300.25,400.0",
    ]
    name = "BBox_List_2017_Official_NIH.csv" if old else "BBox_List_2017.csv"
    (folder / name).write_text("\n".join([BOX_HEADER, *boxes]) + "\n")
