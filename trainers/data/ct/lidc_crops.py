"""Importer for `ct/lidc-hu-crops128`: crops of LIDC-IDRI around nodules in Hounsfield units, with readers' outlines.

`index.csv` names the crops with patient, nodule, slice (consecutive numbers are neighbours) and fold (by patient: 3–9
train, 2 tunes, 1 tests, 0 and x reserved), with the line that turns 8-bit values into HU, the size of a voxel and the
crop's place in its series; `images/NAME.png` and `masks/NAME.png` lie beside it or in `crops.zip`. Bit k of a mask:
reader k outlined the pixel.
"""

from __future__ import annotations

import csv
import math
import zipfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from cadviewer.messages import Message
from trainers.config import ConfigError
from trainers.data.ct import samples
from trainers.data.ct.samples import Summary

READERS = 4
NAME = "lidc-hu-crops128"


@dataclass(frozen=True)
class OutlinedCrop:
    """One crop with what readers drew on it.

    pixels: (rows, columns) 8-bit; readers: (r, rows, columns) bool, one plane per reader that outlined the nodule on
    this slice. nodule: of the patient; slice: number along the nodule, rising to the head.
    slope, intercept: HU = slope · pixel + intercept. pixel_mm, slice_mm: size of a voxel.
    series_uid, corner, z_mm: the series, the (x, y) of the crop's first pixel in its slices of 512², the height of the
    slice (LPS); corner and z_mm are None where the place is not known.
    """

    name: str
    patient: str
    nodule: str
    slice: int
    fold: str
    pixels: NDArray[np.uint8]
    readers: NDArray[np.bool_]
    slope: float
    intercept: float
    pixel_mm: float
    slice_mm: float | None = None
    series_uid: str = ""
    corner: tuple[float, float] | None = None
    z_mm: float | None = None

    @property
    def share(self) -> NDArray[np.float32]:
        """Share of the readers who count a pixel in: (rows, columns) in 0…1."""
        return np.asarray(self.readers.mean(axis=0), np.float32)

    @property
    def consensus(self) -> NDArray[np.bool_]:
        """What at least half of the readers count in."""
        return consensus(self.readers)

    def hounsfield(self) -> NDArray[np.float32]:
        """(rows, columns) in HU."""
        return np.asarray(self.pixels.astype(np.float32) * self.slope + self.intercept, np.float32)


def consensus(readers: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(r, …) → what at least half of the readers count in, as the set's own boxes and areas do."""
    return np.asarray(2 * readers.sum(axis=0) >= len(readers))


def box_of(mask: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """x0, y0, x1, y1 of a mask in edge coordinates. Raises ValueError for an empty one."""
    ys, xs = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(ys):
        raise ValueError("an empty mask has no box")
    return int(xs[0]), int(ys[0]), int(xs[-1]) + 1, int(ys[-1]) + 1


def holds(folder: Path) -> bool:
    """Whether the set is in the folder."""
    try:
        find(folder)
    except ConfigError:
        return False
    return True


def find(data: Path) -> Path:
    """The folder of this set in a folder of data sets, or that folder itself. Raises ConfigError when it is neither."""
    for folder in (data, data / NAME, data / "ct" / NAME):
        if (folder / "index.csv").is_file() and ((folder / "crops.zip").is_file() or (folder / "masks").is_dir()):
            return folder
    raise ConfigError(
        Message(
            "{folder}: holds no {set} (an index.csv beside crops.zip or images/ and masks/)",
            folder=data,
            set=NAME,
        )
    )


def summary(folder: Path) -> Summary:
    """What is in the folder, by its index alone. Raises ConfigError as `find` does."""
    place = find(folder)
    with (place / "index.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    split = Counter(samples.part_of(row.get("fold", "")) for row in rows)
    patients = {row.get("patient_id", "") for row in rows}
    return Summary(
        layout=NAME,
        title="LIDC-IDRI crops with outlines",
        folder=place,
        images=len(rows),
        patients=len(patients),
        labels={"nodule": len({(row.get("patient_id"), row.get("nodule")) for row in rows})},
        empty=0,
        split={part: split[part] for part in ("train", "tune", "test", "unused") if split[part]},
        warnings=() if split["tune"] else (Message("no image to {part} on", part=Message("tune")),),
    )


def read(data: Path, folds: Sequence[str]) -> list[OutlinedCrop]:
    """All crops of these folds, by name. Raises ConfigError naming what is damaged or missing."""
    folder = find(data)
    with (folder / "index.csv").open(newline="", encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row.get("fold") in folds]
    try:
        if (folder / "crops.zip").is_file():
            with zipfile.ZipFile(folder / "crops.zip") as archive:
                return [_crop(row, archive.read) for row in sorted(rows, key=lambda r: r["name"])]
        return [_crop(row, lambda name: (folder / name).read_bytes()) for row in sorted(rows, key=lambda r: r["name"])]
    except (KeyError, ValueError, OSError, zipfile.BadZipFile) as error:
        raise ConfigError(f"{folder}: damaged ({error})") from error


def _crop(row: dict[str, str], content: Callable[[str], bytes]) -> OutlinedCrop:
    name = row["name"]
    pixels, bits = (_decode(content(f"{part}/{name}.png"), f"{part}/{name}.png") for part in ("images", "masks"))
    if pixels.shape != bits.shape:
        raise ValueError(f"{name}: the mask has another size than the image")
    readers = np.stack([(bits >> k) & 1 for k in range(READERS)]).astype(bool)
    readers = readers[readers.any(axis=(1, 2))]
    if not len(readers):
        raise ValueError(f"{name}: no reader outlined anything")
    slope, intercept, pixel_mm = (float(row[k]) for k in ("hu_slope", "hu_intercept", "pixel_mm"))
    if not (all(map(math.isfinite, (slope, intercept, pixel_mm))) and slope > 0 and pixel_mm > 0):
        raise ValueError(f"{name}: Hounsfield units or a pixel size that make no sense")
    x, y = _known(row, "crop_x"), _known(row, "crop_y")
    return OutlinedCrop(
        name=name,
        patient=row["patient_id"],
        nodule=row["nodule"],
        slice=int(row["slice"]),
        fold=row["fold"],
        pixels=pixels,
        readers=readers,
        slope=slope,
        intercept=intercept,
        pixel_mm=pixel_mm,
        slice_mm=_known(row, "slice_mm"),
        series_uid=row.get("series_uid") or "",
        corner=None if x is None or y is None else (x, y),
        z_mm=_known(row, "z_mm"),
    )


def _known(row: Mapping[str, str], key: str) -> float | None:
    return float(row[key]) if row.get(key) else None


def _decode(data: bytes, name: str) -> NDArray[np.uint8]:
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if image is None or image.ndim != 2 or image.dtype != np.uint8:
        raise ValueError(f"{name}: not an 8-bit gray image")
    return np.asarray(image, np.uint8)
