"""Augmentation of ultrasound images: geometry, the look of other machines, and marks that a network must not lean on.

Everything works on (rows, columns) uint8 arrays with a `numpy` generator, so that a seed gives the same image again.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from trainers.data.ultrasound import domains as domain_ultrasound

Gray = NDArray[np.uint8]


@dataclass(frozen=True)
class Strength:
    """How far augmentation goes. `paper()` is arXiv 2308.02101 §3.1: flip, ±20 % shifts, 20° rotation, nothing else.

    rotate: degrees either way; shift: share of the side; zoom, aspect: largest factor either way.
    looks, marks, erase: probability of each change of gray values, of painted calipers and text, of blank patches.
    domain, framing: probability of each of the stronger changes of `domain_ultrasound`, and of another field of view.
    """

    rotate: float = 18
    shift: float = 0.12
    zoom: float = 1.35
    aspect: float = 1.2
    looks: float = 0.4
    marks: float = 0.3
    erase: float = 0.25
    domain: float = 0.0
    framing: float = 0.0

    @classmethod
    def paper(cls) -> Strength:
        return cls(rotate=20, shift=0.2, zoom=1, aspect=1, looks=0, marks=0, erase=0)

    @classmethod
    def other_hospitals(cls) -> Strength:
        """Further than the default in everything, for images of hospitals that are not in the training set."""
        return cls(zoom=1.5, aspect=1.35, looks=0.4, marks=0.35, erase=0.3, domain=0.25, framing=0.3)


def augment(
    image: Gray, mask: Gray, size: int, strength: Strength, generator: np.random.Generator
) -> tuple[Gray, Gray]:
    """A changed copy of a square image and its mask (0 or 1), both (size, size)."""
    if strength.framing and generator.random() < strength.framing:
        image, mask = domain_ultrasound.framing(image, mask, generator)
    enough = 0.3 * int(mask.sum()) * (size / image.shape[0]) ** 2
    for left in reversed(range(3 if strength.framing else 1)):
        moved = _warp(image, mask, size, strength, generator)
        if not left or moved[1].sum() >= enough:  # a lesion that is mostly out of sight does not have its label
            break
    image, mask = moved
    for change in LOOKS:
        if generator.random() < strength.looks:
            image = change(image, generator)
    if strength.domain:  # no number is drawn without it, so that older runs are repeated as they were
        for change in domain_ultrasound.LOOKS:
            if generator.random() < strength.domain:
                image = change(image, generator)
    if generator.random() < strength.erase:
        image = erase(image, generator)
    if generator.random() < strength.marks:
        image = paint_marks(image, generator)
    return image, mask


def without_lesion(image: Gray, mask: Gray, generator: np.random.Generator) -> Gray | None:
    """The tissue on one side of the lesion, at its own scale in the middle of a black square as large as `image`.

    Stands in for a normal breast, of which the training set has none. None where no side is left that is wide enough.
    """
    rows, columns = np.nonzero(mask)
    seen = np.nonzero(image.any(axis=1))[0], np.nonzero(image.any(axis=0))[0]
    if not len(rows) or not len(seen[0]):
        return None
    side = image.shape[0]
    gap = side // 24
    top, bottom, left, right = seen[0][0], seen[0][-1] + 1, seen[1][0], seen[1][-1] + 1
    parts = [
        (top, rows.min() - gap, left, right),
        (rows.max() + 1 + gap, bottom, left, right),
        (top, bottom, left, columns.min() - gap),
        (top, bottom, columns.max() + 1 + gap, right),
    ]
    whole = (bottom - top) * (right - left)
    wide = [p for p in parts if min(p[1] - p[0], p[3] - p[2]) >= side / 3.2 and _area(p) >= 0.3 * whole]
    if not wide:
        return None
    y0, y1, x0, x1 = wide[int(generator.integers(len(wide)))]
    square = np.zeros_like(image)
    y, x = (side - (y1 - y0)) // 2, (side - (x1 - x0)) // 2
    square[y : y + y1 - y0, x : x + x1 - x0] = image[y0:y1, x0:x1]
    return square


def _area(part: tuple[int, int, int, int]) -> int:
    return (part[1] - part[0]) * (part[3] - part[2])


def _warp(image: Gray, mask: Gray, size: int, s: Strength, g: np.random.Generator) -> tuple[Gray, Gray]:
    side = image.shape[0]
    angle = np.deg2rad(g.uniform(-s.rotate, s.rotate))
    zoom = np.exp(g.uniform(-1, 1) * np.log(s.zoom)) * size / side
    aspect = np.exp(g.uniform(-0.5, 0.5) * np.log(s.aspect))
    flip = -1.0 if g.random() < 0.5 else 1.0
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = turn @ np.diag([flip * zoom * aspect, zoom / aspect])
    centre = np.array([(size - 1) / 2, (size - 1) / 2]) + g.uniform(-s.shift, s.shift, 2) * size
    offset = centre - matrix @ np.array([(side - 1) / 2, (side - 1) / 2])
    affine = np.column_stack([matrix, offset])
    warped = cv2.warpAffine(image, affine, (size, size), flags=cv2.INTER_LINEAR)
    # Linear interpolation and a cut at one half keep the outline where the image has it; nearest would shift it.
    cut = cv2.warpAffine(mask * np.uint8(255), affine, (size, size), flags=cv2.INTER_LINEAR) > 127
    return np.asarray(warped, np.uint8), cut.astype(np.uint8)


def gamma(image: Gray, g: np.random.Generator) -> Gray:
    """Another gray map of the display."""
    table = 255 * (np.arange(256) / 255) ** np.exp(g.uniform(-0.55, 0.55))
    return np.asarray(cv2.LUT(image, (table + 0.5).astype(np.uint8)), np.uint8)


def contrast(image: Gray, g: np.random.Generator) -> Gray:
    """Another gain and offset; exact black (outside the sector) stays black."""
    table = np.arange(256) * g.uniform(0.65, 1.45) + g.uniform(-25, 25)
    table[0] = 0
    return np.asarray(cv2.LUT(image, np.clip(table, 0, 255).astype(np.uint8)), np.uint8)


def depth_gain(image: Gray, g: np.random.Generator) -> Gray:
    """Time-gain compensation set otherwise: a smooth change of brightness along depth."""
    knots = g.uniform(0.65, 1.35, 4)
    curve = np.interp(np.linspace(0, 3, image.shape[0]), np.arange(4), knots)
    return np.clip(image * curve[:, None], 0, 255).astype(np.uint8)


def speckle(image: Gray, g: np.random.Generator) -> Gray:
    """Multiplicative noise with grains of one to three pixels."""
    rows, columns = image.shape
    grain = g.uniform(1, 3)
    noise = g.standard_normal((int(rows / grain) + 1, int(columns / grain) + 1), np.float32)
    grains = cv2.resize(noise, (columns, rows), interpolation=cv2.INTER_LINEAR)
    return np.clip(image * (1 + g.uniform(0.05, 0.25) * grains), 0, 255).astype(np.uint8)


def blur(image: Gray, g: np.random.Generator) -> Gray:
    """A softer image."""
    return np.asarray(cv2.GaussianBlur(image, (0, 0), g.uniform(0.4, 1.4)), np.uint8)


def coarser(image: Gray, g: np.random.Generator) -> Gray:
    """Lower resolution, sometimes with the blocks of a JPEG."""
    rows, columns = image.shape
    factor = g.uniform(0.4, 0.9)
    small = cv2.resize(image, (int(columns * factor), int(rows * factor)), interpolation=cv2.INTER_AREA)
    if g.random() < 0.3:
        encoded = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, int(g.integers(30, 80))])[1]
        small = np.asarray(cv2.imdecode(encoded, cv2.IMREAD_GRAYSCALE))
    return np.asarray(cv2.resize(small, (columns, rows), interpolation=cv2.INTER_LINEAR), np.uint8)


LOOKS = (gamma, contrast, depth_gain, speckle, blur, coarser)


def erase(image: Gray, g: np.random.Generator) -> Gray:
    """One or two patches of one gray value: shadows, arrows' boxes, what a lesion must not depend on."""
    image = image.copy()
    rows, columns = image.shape
    for _ in range(g.integers(1, 3)):
        h, w = (int(v) for v in g.uniform(0.05, 0.25, 2) * (rows, columns))
        y, x = g.integers(0, rows - h), g.integers(0, columns - w)
        image[y : y + h, x : x + w] = g.integers(0, 120)
    return image


def paint_marks(image: Gray, g: np.random.Generator) -> Gray:
    """Calipers, dotted measuring lines and text anywhere, whatever the label: burned-in marks then tell nothing."""
    image = image.copy()
    rows, columns = image.shape
    for _ in range(g.integers(1, 3)):
        a, b = ((int(g.integers(0, columns)), int(g.integers(0, rows))) for _ in range(2))
        paint_calipers(image, a, b, g)
    if g.random() < 0.5:
        paint_text(image, (int(g.integers(0, columns // 2)), int(g.integers(8, rows))), g)
    return image


def paint_calipers(image: Gray, a: tuple[int, int], b: tuple[int, int], g: np.random.Generator) -> None:
    """Two markers at the points (x, y), in most cases with the dotted line between them. Changes the image."""
    bright = int(g.integers(150, 256))
    marker = int(g.choice([cv2.MARKER_CROSS, cv2.MARKER_TILTED_CROSS, cv2.MARKER_STAR]))
    for point in (a, b):
        cv2.drawMarker(image, point, bright, marker, int(g.integers(5, 11)), 1)
    if g.random() < 0.6:
        for t in np.linspace(0, 1, max(2, int(np.hypot(a[0] - b[0], a[1] - b[1]) / 5))):
            y, x = int(a[1] + t * (b[1] - a[1])), int(a[0] + t * (b[0] - a[0]))
            image[min(max(y, 0), image.shape[0] - 1), min(max(x, 0), image.shape[1] - 1)] = bright


def paint_text(image: Gray, place: tuple[int, int], g: np.random.Generator) -> None:
    """Some letters and digits; place: (x, y) of the left end of their base line. Changes the image."""
    text = "".join(g.choice(list("ABCDLRT0123456789.+x "), g.integers(3, 12)))
    cv2.putText(image, text, place, cv2.FONT_HERSHEY_PLAIN, float(g.uniform(0.5, 0.9)), int(g.integers(150, 256)))
