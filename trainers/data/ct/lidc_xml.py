"""The readers' contours of LIDC-IDRI (`LidcReadMessage` XML): nodules of 3 mm and more, slice by slice.

A contour is the list of the pixels just outside the nodule (LIDC's "outer border"): the nodule is what they enclose.
Readers do not say whose nodule is whose: contours of several readers that overlap are taken for one nodule.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from trainers.config import ConfigError
from trainers.data.ct.lidc_crops import consensus

SPACE = {"l": "http://www.nih.gov"}
LARGEST = 32767
"""Of a pixel's index: the contours are filled by OpenCV, whose fixed-point numbers end there."""
_WHOLE = re.compile(r"[+-]?\d{1,9}")


@dataclass(frozen=True)
class LidcReading:
    """What one reader drew of one nodule. reader: from 0; contours: SOP instance UID → (pixels (n, 2) of (x, y) indices
    just outside the nodule, whether they add to it or cut a hole); texture, malignancy: ratings from 1 to 5."""

    reader: int
    contours: Mapping[str, tuple[tuple[NDArray[np.int32], bool], ...]]
    texture: int | None = None
    malignancy: int | None = None


@dataclass(frozen=True)
class ReadNodule:
    """A nodule that several readers outlined. masks: (readers, slices, rows, columns) bool, all of one volume."""

    masks: NDArray[np.bool_]
    readings: tuple[LidcReading, ...]

    @property
    def consensus(self) -> NDArray[np.bool_]:
        """(slices, rows, columns): what at least half of those readers count in."""
        return consensus(self.masks)


def read(path: Path) -> list[LidcReading]:
    """Every outlined nodule of every reader. Raises ConfigError naming a file that is not such a message.

    Nothing outside the file is fetched for it, and expat (2.4.1 on) stops entities that blow up.
    """
    try:
        root = ET.parse(path).getroot()
    except (OSError, ET.ParseError, LookupError, ValueError) as error:  # the last two of an encoding it does not know
        raise ConfigError(f"{path}: not readable as XML ({error})") from error
    sessions = root.findall("l:readingSession", SPACE)
    if not sessions:
        raise ConfigError(f"{path}: no reading session of LIDC-IDRI")
    found = []
    try:
        for reader, session in enumerate(sessions):
            for nodule in session.findall("l:unblindedReadNodule", SPACE):
                contours: dict[str, list[tuple[NDArray[np.int32], bool]]] = defaultdict(list)
                for roi in nodule.findall("l:roi", SPACE):
                    points = [(_number(e, "xCoord"), _number(e, "yCoord")) for e in roi.findall("l:edgeMap", SPACE)]
                    if len(points) > 2:  # a single point marks a nodule under 3 mm
                        adds = _text(roi, "inclusion").upper() != "FALSE"
                        contours[_text(roi, "imageSOP_UID")].append((np.array(points, np.int32), adds))
                if contours:
                    kept = {uid: tuple(parts) for uid, parts in contours.items()}
                    found.append(LidcReading(reader, kept, _rating(nodule, "texture"), _rating(nodule, "malignancy")))
    except ValueError as error:
        raise ConfigError(f"{path}: damaged ({error})") from error
    return found


def nodules(readings: Sequence[LidcReading], sop_uids: Sequence[str], size: tuple[int, int]) -> list[ReadNodule]:
    """Nodules with a consensus, readings of different readers joined where they overlap.

    sop_uids: of the slices of the volume, in its order; size: (rows, columns). Readings on other slices are left out,
    as are nodules of which less than half of the readers agree on any pixel.
    """
    masks = [(reading, mask) for reading in readings if (mask := mask_of(reading, sop_uids, size)).any()]
    groups: list[list[tuple[LidcReading, NDArray[np.bool_]]]] = []
    for reading, mask in masks:
        for group in groups:
            if any((mask & other).any() for _, other in group):
                group.append((reading, mask))
                break
        else:
            groups.append([(reading, mask)])
    joined = []
    for group in groups:
        by_reader: dict[int, NDArray[np.bool_]] = {}
        for reading, mask in group:
            by_reader[reading.reader] = by_reader.get(reading.reader, np.zeros_like(mask)) | mask
        nodule = ReadNodule(np.stack(list(by_reader.values())), tuple(r for r, _ in group))
        if nodule.consensus.any():
            joined.append(nodule)
    return joined


def mask_of(reading: LidcReading, sop_uids: Sequence[str], size: tuple[int, int]) -> NDArray[np.bool_]:
    """(slices, rows, columns): pixels inside the contours, without the contours themselves."""
    mask = np.zeros((len(sop_uids), *size), bool)
    for k, uid in enumerate(sop_uids):
        for points, adds in reading.contours.get(uid, ()):
            filled, border = np.zeros(size, np.uint8), np.zeros(size, np.uint8)
            cv2.fillPoly(filled, [points], 1)
            cv2.polylines(border, [points], True, 1)
            inside = (filled > 0) & (border == 0)
            mask[k] = mask[k] | inside if adds else mask[k] & ~inside
    return mask


def _text(parent: ET.Element, name: str) -> str:
    found = parent.find(f"l:{name}", SPACE)
    return (found.text or "").strip() if found is not None else ""


def _number(parent: ET.Element, name: str) -> int:
    """Raises ValueError for what is no place in an image. Contours may leave it by a few pixels."""
    return _whole(name, _text(parent, name), -LARGEST, LARGEST)


def _whole(name: str, text: str, low: int, high: int) -> int:
    value = int(text) if _WHOLE.fullmatch(text) else None
    if value is None or not low <= value <= high:
        raise ValueError(f"{name}: {text[:20]!r} is no whole number from {low} to {high}")
    return value


def _rating(nodule: ET.Element, name: str) -> int | None:
    text = "".join(_text(part, name) for part in nodule.findall("l:characteristics", SPACE)[:1])
    return _whole(name, text, 0, 9) if text else None
