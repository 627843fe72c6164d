"""What every importer of labelled slices gives: images on disk with boxes, classes, patient and fold.

Folds are texts: 3–9 train, 2 tunes (stop, threshold, calibration), 1 tests; 0 and x take no part. A set that comes with
its own split is mapped onto them (train → 3, val → 2, test → 1); one without is split by patient.
"""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from cadviewer.messages import Message
from cadviewer.models.nodules.boxes import Boxes
from trainers.config import ConfigError

TRAIN, TUNE, TEST = ("3", "4", "5", "6", "7", "8", "9"), ("2",), ("1",)
SPLITS: dict[str, str] = {
    **dict.fromkeys(("train", "training"), "3"),
    **dict.fromkeys(("val", "valid", "validation", "tune", "dev"), "2"),
    **dict.fromkeys(("test", "testing"), "1"),
}
"""What other sets call their parts → the fold that stands for it."""

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
NODULE = ("nodule",)


def no_boxes() -> Boxes:
    """(0, 4): what a slice without any has."""
    return np.zeros((0, 4), np.float32)


@dataclass(frozen=True)
class LabelledSlice:
    """One slice and what is known to be on it; boxes are (n, 4) x0, y0, x1, y1 in edge coordinates, px of the image.

    boxes: the set's own labels, none on a slice without a finding; classes: (n,) their classes, indices into the names
    of the set's `Summary`, empty where there is but one class; diameters: (n,) mm, NaN where unknown.
    others: further nodules that cross this slice; ignored: where nothing is to be learned and no mark is false.
    ratings: LIDC malignancy ratings per own box, where known.
    previous, next: images of the neighbouring slices, the nearest first, where there are any; neighbour_mm: how far
    apart they are (`models.nodules.slices.neighbours`), None when unknown; pixel_mm: None when unknown.
    """

    image: Path
    patient: str
    series_uid: str
    fold: str
    boxes: Boxes
    diameters: NDArray[np.float32]
    others: Boxes = field(default_factory=no_boxes)
    ratings: tuple[tuple[int, ...], ...] = ()
    ignored: Boxes = field(default_factory=no_boxes)
    classes: NDArray[np.intp] = field(default_factory=lambda: np.zeros(0, np.intp))
    previous: tuple[Path, ...] = ()
    next: tuple[Path, ...] = ()
    neighbour_mm: float | None = None
    pixel_mm: float | None = None

    def pixels(self) -> NDArray[np.uint8]:
        """(rows, columns) as stored. Raises ConfigError naming a file that cannot be read."""
        return read_gray(self.image)

    def stack(self, count: int = 1) -> NDArray[np.uint8]:
        """(2 · count + 1, rows, columns): the slices before, this one, the slices after, for 2.5-D input.

        Where a neighbour is unknown the nearest known slice on that side stands in for it, at last this one. Raises
        ConfigError as `pixels`, and when a neighbour has another size.
        """
        this = self.pixels()
        sides: list[list[NDArray[np.uint8]]] = []
        for paths in (self.previous, self.next):
            side = [this]
            for path in paths[:count]:
                side.append(this if path == self.image else read_gray(path))
                if side[-1].shape != this.shape:
                    raise ConfigError(f"{path}: has not the size of its neighbour {self.image.name}")
            sides.append([side[min(k, len(side) - 1)] for k in range(1, count + 1)])
        return np.stack([*reversed(sides[0]), this, *sides[1]])


@dataclass(frozen=True)
class Summary:
    """What a folder was recognised as.

    layout: key of `LAYOUTS`; title: for people; images; patients: None when the set does not say; labels: class → how
    many boxes; empty: images without any box; split: "train", "tune", "test", "unused" → how many images.
    by_patient: whether no patient is in several parts, as far as the set says. warnings: what the user should know
    before training, one line each; refused: why nobody can train on it, "" when one can.
    """

    layout: str
    title: str
    folder: Path
    images: int
    patients: int | None
    labels: Mapping[str, int]
    empty: int
    split: Mapping[str, int]
    warnings: tuple[str, ...] = ()
    by_patient: bool = True
    refused: str = ""


def summarise(
    layout: str, title: str, folder: Path, slices: Sequence[LabelledSlice], classes: Sequence[str], *, patients: bool
) -> Summary:
    """The summary of a set that was read whole. patients: whether `LabelledSlice.patient` is known and not made up."""
    labels = dict.fromkeys(classes, 0)
    for item in slices:
        for k in item.classes if len(item.classes) else [0] * len(item.boxes):
            labels[classes[int(k)]] += 1
    split = {"train": 0, "tune": 0, "test": 0, "unused": 0}
    for item in slices:
        split[part_of(item.fold)] += 1
    warnings: list[str] = []
    parts: dict[str, set[str]] = defaultdict(set)
    for item in slices:
        parts[item.patient].add(part_of(item.fold))
    split_patients = sum(len(where - {"unused"}) > 1 for where in parts.values())
    if not patients:
        warnings.append(Message("patients unknown: images of one patient may be on both sides of the split"))
    elif split_patients:
        warnings.append(Message("images of {count} patients are in several parts of the split", count=split_patients))
    for part in ("train", "tune", "test"):
        if not split[part]:
            warnings.append(Message("no image to {part} on", part=Message(part)))
    return Summary(
        layout=layout,
        title=title,
        folder=folder,
        images=len(slices),
        patients=len({s.patient for s in slices}) if patients else None,
        labels=labels,
        empty=sum(not len(s.boxes) for s in slices),
        split={k: v for k, v in split.items() if v or k != "unused"},
        warnings=tuple(warnings),
        by_patient=patients and not split_patients,
    )


def part_of(fold: str) -> str:
    """What a fold is for: train, tune, test or unused."""
    return "train" if fold in TRAIN else "tune" if fold in TUNE else "test" if fold in TEST else "unused"


def fold_by_name(name: str) -> str:
    """A fold for an image or patient of a set without a split: crc32 % 10, where fold 0 trains too."""
    number = zlib.crc32(name.encode()) % 10
    return str(number or 9)


def read_gray(path: Path) -> NDArray[np.uint8]:
    """(rows, columns) 8-bit gray. Raises ConfigError naming a file that is not a readable image."""
    data = np.fromfile(path, np.uint8) if path.is_file() else np.zeros(0, np.uint8)
    image = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE | cv2.IMREAD_IGNORE_ORIENTATION) if len(data) else None
    if image is None:
        raise ConfigError(f"{path}: not a readable image")
    return np.asarray(image, np.uint8)


def images_below(folder: Path) -> list[Path]:
    """Every picture below a folder, sorted."""
    return sorted(p for p in folder.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES and p.is_file())


def image_size(path: Path) -> tuple[int, int]:
    """(width, height) of a picture from its header. Raises ConfigError when it has none."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as opened:
            return opened.size
    except (OSError, UnidentifiedImageError) as error:
        raise ConfigError(f"{path}: not a readable image") from error


def checked_box(box: Sequence[float], size: tuple[int, int], where: str) -> tuple[float, float, float, float]:
    """A box cut at the image's edge.

    where: file and line, for the message. Raises ConfigError for a box that is no box or lies outside the image.
    """
    x0, y0, x1, y1 = (float(v) for v in box)
    if not (np.isfinite([x0, y0, x1, y1]).all() and x0 < x1 and y0 < y1):
        raise ConfigError(f"{where}: not a box ({x0:g}, {y0:g}, {x1:g}, {y1:g})")
    width, height = size
    if x1 <= 0 or y1 <= 0 or x0 >= width or y0 >= height:
        raise ConfigError(
            f"{where}: the box {x0:g}, {y0:g}, {x1:g}, {y1:g} lies outside its image of {width} × {height}"
        )
    return max(x0, 0.0), max(y0, 0.0), min(x1, float(width)), min(y1, float(height))


def sample(
    image: Path,
    found: Sequence[tuple[int, Sequence[float]]],
    *,
    fold: str,
    patient: str,
    ignored: Sequence[Sequence[float]] = (),
) -> LabelledSlice:
    """A slice from (class, box) pairs and boxes to ignore."""
    return LabelledSlice(
        image=image,
        patient=patient,
        series_uid="",
        fold=fold,
        boxes=np.array([b for _, b in found], np.float32).reshape(-1, 4),
        diameters=np.full(len(found), np.nan, np.float32),
        ignored=np.array(list(ignored), np.float32).reshape(-1, 4),
        classes=np.array([c for c, _ in found], np.intp),
    )
