"""What every importer of breast ultrasound gives: cases on disk with mask, label and patient."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray


class DataError(ValueError):
    """A data set is not as its layout says; the message names the file."""


@dataclass(frozen=True)
class UltrasoundCase:
    """One breast ultrasound image with its truth.

    masks: files whose union outlines the lesion; empty where there is none (a normal breast).
    malignant: None where the set does not say (a normal breast counts as benign: False).
    patient: images with the same value are never split; fold: the set's own, 1-based, None where it has none.
    pixel_mm: mm per pixel, None when unknown. doppler: colour flow is drawn over the image.
    """

    name: str
    image: Path
    masks: tuple[Path, ...]
    malignant: bool | None
    patient: str
    fold: int | None = None
    birads: str = ""
    device: str = ""
    pixel_mm: float | None = None
    doppler: bool = False

    @property
    def normal(self) -> bool:
        """Whether the image shows no lesion."""
        return not self.masks

    def gray(self) -> NDArray[np.uint8]:
        """(rows, columns) uint8. Raises DataError."""
        return to_gray(_load(self.image))

    def read(self) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Gray image and mask (0 or 1), both (rows, columns) uint8 of the image's size. Raises DataError."""
        gray = self.gray()
        mask = np.zeros(gray.shape, np.uint8)
        for path in self.masks:
            part = to_gray(_load(path))
            if part.shape != gray.shape:
                raise DataError(f"{path.name}: its size {part.shape} is not that of {self.image.name}, {gray.shape}")
            mask |= (part > 127).astype(np.uint8)
        return gray, mask


PICTURES = (".png", ".bmp", ".jpg", ".jpeg", ".tif", ".tiff")


def pictures(folder: Path) -> dict[str, Path]:
    """The pictures of a folder by their name without ending; {} where there is no such folder."""
    if not folder.is_dir():
        return {}
    return {p.stem: p for p in sorted(folder.iterdir()) if p.suffix.lower() in PICTURES and p.is_file()}


def find_folder(data: Path, names: Sequence[str], holds: Callable[[Path], bool]) -> Path | None:
    """The first of `data` itself, `data/bus/NAME` and `data/NAME` that holds a set; None when none does."""
    tops = (data, *(data / "bus" / n for n in names), *(data / n for n in names))
    return next((folder for folder in tops if holds(folder)), None)


def to_gray(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(rows, columns) gray of gray, BGR or BGRA pixels; transparent ones are composited on black."""
    if pixels.ndim == 2:
        return pixels
    if pixels.shape[2] == 4:
        alpha = pixels[..., 3:].astype(np.float32) / 255
        pixels = (pixels[..., :3] * alpha + 0.5).astype(np.uint8)
    return np.asarray(cv2.cvtColor(pixels[..., :3], cv2.COLOR_BGR2GRAY), np.uint8)


def _load(path: Path) -> NDArray[np.uint8]:
    # imdecode and not imread: the latter cannot open paths outside the code page on Windows.
    try:
        data = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError as error:
        raise DataError(f"{path.name}: cannot be read ({error.strerror})") from error
    pixels = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if data.size else None
    if pixels is None:
        raise DataError(f"{path.name}: not an image")
    if pixels.dtype != np.uint8:
        raise DataError(f"{path.name}: {pixels.dtype} pixels, where eight bits were expected")
    return np.asarray(pixels, np.uint8)
