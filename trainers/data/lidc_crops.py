"""Importer for `ct/lidc-crops128`: crops of LIDC-IDRI around nodules, with each reader's outline.

`index.csv` names the crops with patient, nodule, slice and fold (by patient: 3–9 train, 2 tunes, 1 tests, x reserved);
`images/NAME.png` and `masks/NAME.png` lie beside it or in `crops.zip`. Bit k of a mask: reader k outlined the pixel.
The crops are 8-bit between their own smallest and largest value, so Hounsfield units are only estimated here.
"""

from __future__ import annotations

import csv
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from trainers.config import ConfigError

READERS = 4
LUNG_HU, SOFT_HU = -860.0, 30.0
"""Assumed values of lung and of soft tissue, the two anchors of the estimate."""
NEAR_PX = 40


@dataclass(frozen=True)
class OutlinedCrop:
    """One crop with what readers drew on it.

    pixels: (rows, columns) 8-bit; readers: (r, rows, columns) bool, one plane per reader that outlined the nodule.
    nodule: of the patient; slice: number along the nodule.
    """

    name: str
    patient: str
    nodule: str
    slice: int
    fold: str
    pixels: NDArray[np.uint8]
    readers: NDArray[np.bool_]

    @property
    def share(self) -> NDArray[np.float32]:
        """Share of the readers who count a pixel in: (rows, columns) in 0…1."""
        return np.asarray(self.readers.mean(axis=0), np.float32)

    @property
    def consensus(self) -> NDArray[np.bool_]:
        """What at least half of the readers count in."""
        return consensus(self.readers)

    def hounsfield(self) -> NDArray[np.float32]:
        """Estimated HU (see `estimated_hounsfield`)."""
        return estimated_hounsfield(self.pixels)


def consensus(readers: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(r, …) → what at least half of the readers count in, as the set's own boxes and areas do."""
    return np.asarray(2 * readers.sum(axis=0) >= len(readers))


def box_of(mask: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """x0, y0, x1, y1 of a mask in edge coordinates. Raises ValueError for an empty one."""
    ys, xs = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(ys):
        raise ValueError("an empty mask has no box")
    return int(xs[0]), int(ys[0]), int(xs[-1]) + 1, int(ys[-1]) + 1


def estimated_hounsfield(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """HU of a min–max scaled crop: its lung near the centre is taken for −860 HU, its soft tissue for 30 HU.

    Lung and soft tissue are what lies below and above the threshold of Otsu, without what the scanner did not see
    (exact 0 in crops where the next darker value is far away); of the bright part the commonest value counts, which is
    muscle or blood and not bone.
    """
    seen = pixels[pixels > _fill(pixels)]
    if not len(seen) or seen.min() == seen.max():
        return np.full(pixels.shape, LUNG_HU, np.float32)
    cut, _ = cv2.threshold(seen.reshape(1, -1), 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    rows, columns = pixels.shape
    y, x = np.ogrid[:rows, :columns]
    near = (x - columns / 2) ** 2 + (y - rows / 2) ** 2 < NEAR_PX**2
    dark = pixels[(pixels <= cut) & (pixels > _fill(pixels)) & near]
    lung = float(np.median(dark)) if len(dark) else float(seen.min())
    counts = np.bincount(seen[seen > cut], minlength=256).astype(np.float32)
    smooth = np.convolve(counts, np.ones(5), "same")
    soft = max(float(smooth.argmax()), lung + 8)
    scale = (SOFT_HU - LUNG_HU) / (soft - lung)
    return np.asarray(LUNG_HU + (pixels.astype(np.float32) - lung) * scale, np.float32)


def _fill(pixels: NDArray[np.uint8]) -> int:
    """Value at and below which pixels are padding outside the scanner's circle; −1 where there is none."""
    present = np.flatnonzero(np.bincount(pixels.ravel(), minlength=256))
    return 0 if len(present) > 1 and present[0] == 0 and present[1] > 12 else -1


def holds(folder: Path) -> bool:
    """Whether the set is in the folder."""
    try:
        find(folder)
    except ConfigError:
        return False
    return True


def find(data: Path) -> Path:
    """The folder of this set in a folder of data sets, or that folder itself. Raises ConfigError when it is neither."""
    for folder in (data, data / "lidc-crops128", data / "ct" / "lidc-crops128"):
        if (folder / "index.csv").is_file() and ((folder / "crops.zip").is_file() or (folder / "masks").is_dir()):
            return folder
    raise ConfigError(f"{data}: holds no lidc-crops128 (an index.csv beside crops.zip or images/ and masks/)")


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
    return OutlinedCrop(name, row["patient_id"], row["nodule"], int(row["slice"]), row["fold"], pixels, readers)


def _decode(data: bytes, name: str) -> NDArray[np.uint8]:
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if image is None or image.ndim != 2 or image.dtype != np.uint8:
        raise ValueError(f"{name}: not an 8-bit gray image")
    return np.asarray(image, np.uint8)
