"""From a volume to the slices that a nodule network sees: pixel size, window, lung mask; and back to source pixels.

Three kinds of input end in the same prepared slices: Hounsfield units (volumes, stacks, single DICOM slices), 8-bit CT
slices whose values span a given window, and 8-bit slices that are already lung-masked (exact 0 outside), which are used
as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from cadviewer import HU_OF_8_BITS
from cadviewer.findings import Box
from cadviewer.imaging.geometry import Geometry
from cadviewer.imaging.lungs import Lungs, find_lungs
from cadviewer.imaging.series import Shape, Volume
from cadviewer.messages import Message
from cadviewer.models.gate.input_gate import OutOfScope, looks_like_bmode
from cadviewer.models.nodules.boxes import Boxes
from cadviewer.models.nodules.detection import Image, repair_wrapped

FIELD_OF_VIEW_MM = 350.0
"""Assumed width of an image whose pixel size nobody knows."""

WIDEST_MM = 2000.0
"""Field of view beyond which no scanner goes; resampling by it would fill any memory."""

NEIGHBOUR_MM = 2.5
"""How far apart the slices of 2.5-D input are: as the thickest slices of LUNA16, so every scan of it has one there."""


def neighbours(index: int, slices: int, count: int, apart_mm: float, slice_mm: float | None) -> tuple[int, ...]:
    """2 · count + 1 slices for 2.5-D input: `count` before slice `index`, itself, `count` after, rising.

    They lie at multiples of `apart_mm`, not of the slice distance: so a channel means the same in a scan of 0.6 mm
    slices and in one of 2.5 mm, as a pixel does in the plane. The nearest slice is taken, but never the same one twice:
    in thicker scans the very next ones. Past its end the scan repeats its last slice.
    slice_mm: distance of the slices; None, or apart_mm 0: the very next ones.
    """
    steps = [max(k, round(k * apart_mm / slice_mm)) if slice_mm else k for k in range(1, count + 1)]
    wanted = [*(index - s for s in reversed(steps)), index, *(index + s for s in steps)]
    return tuple(min(max(i, 0), slices - 1) for i in wanted)


@dataclass(frozen=True)
class Prepared:
    """What is needed to make the slices one by one.

    hounsfield: (slices, rows, columns) values in Hounsfield units, or what stands for them in an 8-bit image.
    pixel_mm: (row, column) pixel size used for resampling, known or assumed; known: whether it is known.
    lungs: None where the slice is used as it is. indices: slices that are searched.
    size: (rows, columns) of a prepared slice; window: HU that become 0 and 1.
    beside: slice → the slices that are its channels (2.5-D input); None: the slice alone.
    """

    hounsfield: NDArray[np.generic]
    pixel_mm: tuple[float, float]
    known: bool
    lungs: Lungs | None
    indices: NDArray[np.intp]
    size: tuple[int, int]
    window: tuple[float, float]
    warnings: tuple[str, ...] = ()
    beside: Callable[[int], tuple[int, ...]] | None = None

    def input(self, k: int) -> Image:
        """What the network sees of the k-th of the searched slices: `slice`, or (channels, rows', columns')."""
        if self.beside is None:
            return self.slice(k)
        indices = self.beside(int(self.indices[k]))
        made = {index: self._make(index) for index in set(indices)}
        return np.stack([made[index] for index in indices])

    def slice(self, k: int) -> Image:
        """The k-th of the searched slices, (rows', columns') in 0…1, 0 outside the lungs."""
        return self._make(int(self.indices[k]))

    def _make(self, index: int) -> Image:
        values = np.asarray(self.hounsfield[index], np.float32)
        if values.shape != self.size:
            values = np.asarray(cv2.resize(values, self.size[::-1], interpolation=cv2.INTER_LINEAR), np.float32)
        low, high = self.window
        scaled = np.nan_to_num(np.clip((values - low) / (high - low), 0, 1))
        if self.lungs is not None:
            scaled = np.where(self.lungs.on_slice(index, self.size), scaled, 0)
        return np.asarray(scaled, np.float32)

    def to_source(self, boxes: Boxes) -> NDArray[np.float64]:
        """Boxes of a prepared slice in edge coordinates of the source's pixels, inside its borders."""
        rows, columns = self.hounsfield.shape[1:]
        factor = np.array([columns / self.size[1], rows / self.size[0]] * 2)
        limit = np.array([columns, rows, columns, rows], float)
        return np.asarray(np.clip(boxes.astype(np.float64) * factor, 0, limit))

    def to_prepared(self, box: Box) -> Box:
        """A box of the source in edge coordinates of its prepared slice."""
        rows, columns = self.hounsfield.shape[1:]
        x, y = self.size[1] / columns, self.size[0] / rows
        return Box(box.slice, box.x0 * x, box.y0 * y, box.x1 * x, box.y1 * y, box.score)


def prepare(
    volume: Volume, inputs: Mapping[str, Any], *, spacing_mm: float | None, window: tuple[float, float]
) -> Prepared:
    """Everything up to the network. Raises OutOfScope for what is no axial chest CT.

    inputs: of the model card: pixel_mm, window, lung_mask; neighbours and neighbour_mm for 2.5-D input; size (rows,
    columns) where slices are resized to one size whatever their pixels are. spacing_mm, window: of 2-D images, as the
    user gave them.
    """
    series = volume.series
    if series.modality not in ("", "CT", "OT", "SC"):
        raise OutOfScope(Message("modality {modality}; the nodule model reads chest CT", modality=series.modality))
    if series.format == "image" and looks_like_bmode(volume.pixels[len(volume.pixels) // 2]):
        raise OutOfScope(Message("this looks like ultrasound; the nodule model reads chest CT"))
    _check_axial(volume.geometry)
    if series.modality == "CT" and not series.hounsfield and volume.pixels.dtype != np.uint8:
        raise OutOfScope(
            Message("a CT whose values are not known to be Hounsfield units; the nodule model reads these alone")
        )
    eight_bit = not series.hounsfield
    warnings: list[str] = []
    values = _eight_bit(volume, window) if eight_bit else volume.pixels
    if values.ndim != 3:
        raise OutOfScope(Message("a colour image; the nodule model reads chest CT"))
    pixel_mm, known = _pixel_size(volume, spacing_mm, warnings)
    if (field := max(values.shape[1] * pixel_mm[0], values.shape[2] * pixel_mm[1])) > WIDEST_MM:
        raise OutOfScope(
            Message(
                "pixels of {pixel_mm:.3g} mm, an image {field:.3g} m wide: no chest CT",
                pixel_mm=max(pixel_mm),
                field=field / 1000,
            )
        )
    as_it_is = eight_bit and all(is_masked(_gray(volume, k)) for k in range(len(values)))
    lungs = None
    indices = np.arange(len(values))
    if as_it_is:
        if series.shape is Shape.IMAGE:
            values = np.stack([_values(repair_wrapped(_gray(volume, k)), window) for k in range(len(values))])
    elif inputs.get("lung_mask", True):
        shape = (int(values.shape[0]), int(values.shape[1]), int(values.shape[2]))
        geometry = Geometry(shape, pixel_mm, volume.geometry.slice_spacing)
        lungs = find_lungs(values, geometry)
        if lungs.found:
            indices = lungs.slices()
        elif series.shape is Shape.IMAGE and eight_bit and is_masked(_gray(volume, 0), far=1.0):
            lungs = None  # masked, with little lung in it
        elif series.shape is Shape.IMAGE and _mostly_lung(values[0]):
            lungs = None
            warnings.append(
                Message("The lungs could not be separated from what lies around them: the whole image was searched.")
            )
        else:
            raise OutOfScope(Message("no lungs found; the nodule model reads chest CT"))
    scale = float(inputs.get("pixel_mm", 1.0))
    size = (max(1, round(values.shape[1] * pixel_mm[0] / scale)), max(1, round(values.shape[2] * pixel_mm[1] / scale)))
    if "size" in inputs:
        size = (int(inputs["size"][0]), int(inputs["size"][1]))
    low, high = inputs.get("window", HU_OF_8_BITS)
    hounsfield_window = (float(low), float(high))
    beside = _beside(volume, inputs)
    return Prepared(values, pixel_mm, known, lungs, indices, size, hounsfield_window, tuple(warnings), beside)


def _beside(volume: Volume, inputs: Mapping[str, Any]) -> Callable[[int], tuple[int, ...]] | None:
    """The channels that a card asks for. Beside a slice that is not of a volume nothing is known: it is repeated."""
    count = int(inputs.get("neighbours", 0))
    if not count:
        return None
    if volume.series.shape is not Shape.VOLUME:
        return lambda index: (index,) * (2 * count + 1)
    slices, slice_mm = volume.geometry.shape[0], volume.geometry.slice_spacing
    apart = float(inputs.get("neighbour_mm", NEIGHBOUR_MM))
    return lambda index: neighbours(index, slices, count, apart, slice_mm)


def is_masked(image: NDArray[np.uint8], *, far: float = 0.12) -> bool:
    """Whether an 8-bit CT slice is lung-masked already: exact 0 around, and at most `far` of it far from lung.

    In a slice that is not, muscle and mediastinum lie farther than 25 px from dark pixels of the lung.
    """
    border = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
    if (border > 0).mean() > 0.02 or (image == 0).mean() < 0.15:
        return False
    seen = image > 0
    dark = (seen & (image < 110)).astype(np.uint8)
    if dark.sum() < 0.03 * seen.sum() or not seen.any():
        return False
    outside = np.pad(image <= 12, 1, constant_values=True).astype(np.uint8)
    cv2.floodFill(outside, None, (0, 0), 2, flags=4)
    around = outside[1:-1, 1:-1] == 2
    if (image[around] > 0).mean() > 0.02:  # air is noisy; a mask is not
        return False
    lung = cv2.morphologyEx(dark, cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
    distance = cv2.distanceTransform(1 - lung, cv2.DIST_L2, 5)
    return bool(lung.any() or far >= 1) and bool((distance[seen] > 25).mean() <= far)


def _mostly_lung(values: NDArray[np.generic]) -> bool:
    hounsfield = np.asarray(values, np.float32)
    return bool(((hounsfield > -990) & (hounsfield < -550)).mean() > 0.15)


def _check_axial(geometry: Geometry) -> None:
    if geometry.direction is None:
        return
    row, column = (np.array(v, float) for v in geometry.direction[1:])
    normal = np.cross(column, row)
    if abs(normal[2]) < 0.8 * np.linalg.norm(normal):
        raise OutOfScope(Message("not axial slices; the nodule model reads axial chest CT"))


def _pixel_size(volume: Volume, spacing_mm: float | None, warnings: list[str]) -> tuple[tuple[float, float], bool]:
    if volume.series.format == "image" and spacing_mm is not None:
        if not (np.isfinite(spacing_mm) and spacing_mm > 0):
            raise ValueError(Message("a pixel size must be positive, not {given}", given=spacing_mm))
        return (spacing_mm, spacing_mm), True
    if volume.geometry.pixel_spacing is not None:
        return volume.geometry.pixel_spacing, True
    if spacing_mm is not None:
        return (spacing_mm, spacing_mm), True
    assumed = FIELD_OF_VIEW_MM / volume.geometry.shape[2]
    warnings.append(
        Message(
            "Pixel size unknown: a field of view of {field_of_view_mm:.0f} mm was assumed; nothing is measured in mm.",
            field_of_view_mm=FIELD_OF_VIEW_MM,
        )
    )
    return (assumed, assumed), False


def _gray(volume: Volume, k: int) -> NDArray[np.uint8]:
    """8-bit gray values of slice k. Raises OutOfScope for true colour."""
    image = volume.pixels[k]
    if image.ndim == 3:
        wide = np.asarray(image, np.int32)
        if np.abs(wide - wide[..., :1]).max(initial=0) > 12:
            raise OutOfScope(Message("a colour image; the nodule model reads chest CT"))
        image = image[..., 0]
    if image.dtype == np.uint8:
        return np.asarray(image, np.uint8)
    if image.dtype == np.uint16:  # 16-bit pictures span the same window with finer steps
        return np.asarray(np.asarray(image, np.float32) / 257, np.uint8)
    raise OutOfScope(Message("the values are not Hounsfield units; the nodule model reads chest CT"))


def _eight_bit(volume: Volume, window: tuple[float, float]) -> NDArray[np.float32]:
    return np.stack([_values(_gray(volume, k), window) for k in range(len(volume.pixels))])


def _values(image: NDArray[np.uint8], window: tuple[float, float]) -> NDArray[np.float32]:
    low, high = window
    if not high > low:
        raise ValueError(f"a window goes from low to high, not {window}")
    return np.asarray(low + image.astype(np.float32) * ((high - low) / 255), np.float32)
