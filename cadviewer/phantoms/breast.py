"""A breast ultrasound image whose truth is known: layered tissue, speckle, and a lesion that is benign or malignant.

Speckle is the magnitude of a complex Gaussian field blurred by the system's point spread (Rayleigh statistics; Wagner
et al., IEEE Trans. Sonics Ultrason. 1983), log-compressed as scanners show it. Benign and malignant lesions differ as
the BI-RADS lexicon describes: oval, smooth, wider than tall, with enhancement behind it; or irregular, spiculated,
taller than wide, with a shadow.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

Array = NDArray[np.float32]

PIXEL_MM = 0.1
"""mm for each pixel of the image, both ways."""
_DYNAMIC_RANGE = 52.0  # dB from black to white
_WHITE = 14.0  # dB that are shown as white
_LOOKS = 2
_PSF = (1.0, 2.1)  # pixels, axial and lateral


def breast_ultrasound(
    seed: int = 0, *, malignant: bool | None = None, shape: tuple[int, int] = (400, 336)
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], bool]:
    """(image, mask, malignant): 8-bit gray and 0/255, both of `shape` (rows, columns).

    malignant: None lets the seed decide. The same seed gives the same image.
    """
    rng = np.random.default_rng([seed, 2])
    chosen = bool(rng.random() < 0.5) if malignant is None else malignant
    depth, across = (np.arange(n, dtype=np.float32) * np.float32(PIXEL_MM) for n in shape)
    y, x = depth[:, None], across[None, :]
    echo, middle = _layers(x, y, rng)
    distance, mask = _lesion_shape(x, y, middle, chosen, rng)
    _lesion(echo, x, y, distance, mask, chosen, rng)
    echo -= np.float32(0.32 if chosen else 0.26) * np.maximum(y - 12, 0)  # what gain does not make up for at depth
    image = _speckle(echo, rng)
    return image, np.where(mask, 255, 0).astype(np.uint8), chosen


def _smooth(rng: np.random.Generator, shape: tuple[int, ...], sigma: tuple[float, float]) -> Array:
    """Gaussian noise of unit variance, blurred by (row, column) sigma in pixels."""
    white = rng.standard_normal(shape, dtype=np.float32)
    field = cv2.GaussianBlur(white, (0, 0), sigmaX=sigma[1], sigmaY=sigma[0], borderType=cv2.BORDER_REFLECT)
    return np.asarray(field / max(float(field.std()), 1e-6), np.float32)


def _wave(rng: np.random.Generator, x: Array, height: float) -> Array:
    """A slow random curve along x, (1, columns) mm."""
    curve = np.zeros_like(x)
    for scale in (45.0, 22.0, 11.0):
        curve += height * scale / 45 * np.sin(2 * np.pi * x / scale + rng.uniform(0, 2 * np.pi)).astype(np.float32)
    return curve


def _step(value: Array, width: float) -> Array:
    """0 well below 0, 1 well above, softly over `width`."""
    return np.asarray(expit(value / width), np.float32)


def _layers(x: Array, y: Array, rng: np.random.Generator) -> tuple[Array, float]:
    """Echo level in dB, (rows, columns), of skin, fat, gland, deep fat and muscle; and the gland's middle depth, mm."""
    shape = np.broadcast_shapes(x.shape, y.shape)
    total = float(y[-1, 0])
    skin = 1.4 + _wave(rng, x, 0.1)
    gland = total * rng.uniform(0.16, 0.22) + _wave(rng, x, 1.2)
    back = total * rng.uniform(0.58, 0.64) + _wave(rng, x, 1.2)
    muscle = back + 3.0 + _wave(rng, x, 0.5)
    lung = muscle + total * 0.2 + _wave(rng, x, 0.4)
    fat_level, gland_level = -19.0, -11.0
    echo = np.full(shape, -9.0, np.float32)
    for boundary, level in ((skin, fat_level), (gland, gland_level), (back, fat_level - 1), (muscle, -18.0)):
        part = _step(y - boundary, 0.12)
        echo += part * (np.float32(level) - echo)
    inside = _step(y - gland, 0.4) * _step(back - y, 0.4)
    echo += inside * (3.2 * _smooth(rng, shape, (7, 20)) + 2.0 * _smooth(rng, shape, (3, 9)))
    fibres = _step(y - muscle, 0.2)
    echo += fibres * 3.0 * _smooth(rng, shape, (1.6, 40))
    fat = _step(y - skin, 0.2) * _step(gland - y, 0.3)
    echo += fat * 1.5 * _smooth(rng, shape, (8, 14))
    _septa(echo, x, y, skin, gland, back, rng)
    for boundary, strength in ((skin, 7.0), (gland, 4.0), (back, 5.0), (muscle, 9.0), (lung, 14.0)):
        patchy = np.clip(1 + 0.5 * _smooth(rng, shape, (2, 25)), 0, 2)
        echo += np.float32(strength) * patchy * np.exp(-(((y - boundary) / 0.22) ** 2)).astype(np.float32)
    echo -= 16 * _step(np.asarray(y - lung - 0.8, np.float32), 0.5)
    return echo, float(gland.mean() + back.mean()) / 2


def _septa(echo: Array, x: Array, y: Array, skin: Array, gland: Array, back: Array, rng: np.random.Generator) -> None:
    """Bright curved strands of connective tissue through fat and gland."""
    for _ in range(9):
        top, bottom = (skin, gland) if rng.random() < 0.5 else (gland, back)
        share = rng.uniform(0.1, 0.9)
        curve = top + share * (bottom - top) + _wave(rng, x, 1.3) + rng.uniform(-0.25, 0.25) * (x - x.mean())
        start = rng.uniform(0, float(x[0, -1]) * 0.7)
        length = rng.uniform(6, 20)
        along = _step(x - start, 0.8) * _step(start + length - x, 0.8)
        within = _step(y - skin - 0.3, 0.3) * _step(back - y, 0.3)
        echo += np.float32(rng.uniform(4, 9)) * along * within * np.exp(-(((y - curve) / 0.2) ** 2)).astype(np.float32)


def _lesion_shape(
    x: Array, y: Array, middle: float, malignant: bool, rng: np.random.Generator
) -> tuple[Array, NDArray[np.bool_]]:
    """Signed distance in mm, nearly, to the lesion's edge, negative inside; and its mask."""
    width, height = float(x[0, -1]), float(y[-1, 0])
    if malignant:
        a = rng.uniform(0.13, 0.18) * width
        b = a * rng.uniform(1.05, 1.35)
    else:
        a = rng.uniform(0.17, 0.25) * width
        b = a * rng.uniform(0.5, 0.68)
    b = min(b, 0.2 * height)
    cx = width * rng.uniform(0.42, 0.58)
    cy = max(middle * rng.uniform(0.92, 1.02), b + 0.1 * height)
    tilt = np.float32(rng.uniform(-0.2, 0.2))
    u = (x - cx) * np.cos(tilt) + (y - cy) * np.sin(tilt)
    v = (y - cy) * np.cos(tilt) - (x - cx) * np.sin(tilt)
    angle = np.arctan2(v / b, u / a)
    edge = np.ones_like(angle)
    orders = ((2, 0.07), (3, 0.09), (5, 0.07), (8, 0.05), (13, 0.035)) if malignant else ((2, 0.03), (3, 0.02))
    for order, size in orders:
        edge += np.float32(size * rng.uniform(0.6, 1.2)) * np.cos(order * angle + np.float32(rng.uniform(0, 6.3)))
    radius = np.sqrt((u / a) ** 2 + (v / b) ** 2)
    distance = ((radius - edge) * min(a, b)).astype(np.float32)
    return distance, distance < 0


def _lesion(
    echo: Array, x: Array, y: Array, distance: Array, mask: NDArray[np.bool_], malignant: bool, rng: np.random.Generator
) -> None:
    """Changes `echo` within and behind the lesion."""
    columns = np.flatnonzero(mask.any(axis=0))
    bottom = np.where(mask.any(axis=0), mask.shape[0] - 1 - mask[::-1].argmax(axis=0), 0) * PIXEL_MM
    centre, half = x[0, columns].mean(), (x[0, columns[-1]] - x[0, columns[0]]) / 2
    behind = _step(y - np.float32(bottom[columns].mean()) * np.float32(0.98), 0.9)
    across = np.exp(-(np.abs((x - centre) / half) ** 4) * 0.9).astype(np.float32)
    shape = echo.shape
    if malignant:
        _strands(echo, x, y, distance, mask, rng)
        echo += 6.0 * np.exp(-(((distance - 0.7) / 0.8) ** 2)) * (1 + 0.4 * _smooth(rng, shape, (6, 9)))
        inside = _step(-distance, 0.28)
        echo += inside * (-27 + 2.6 * _smooth(rng, shape, (5, 8)) - echo)
        echo -= 15 * behind * across * (1 + 0.15 * _smooth(rng, shape, (30, 5)))
    else:
        echo += 6.0 * np.exp(-(((distance - 0.15) / 0.22) ** 2)).astype(np.float32)
        inside = _step(-distance, 0.12)
        echo += inside * (-25 + 1.2 * _smooth(rng, shape, (6, 10)) - echo)
        echo += 5.5 * behind * across
        for side in (-1, 1):  # refraction at the edges throws thin shadows
            echo -= 5 * behind * np.exp(-(((x - centre - side * half * 1.02) / 0.45) ** 2)).astype(np.float32)


def _strands(
    echo: Array, x: Array, y: Array, distance: Array, mask: NDArray[np.bool_], rng: np.random.Generator
) -> None:
    rows, columns = np.nonzero(mask)
    cx, cy = columns.mean() * PIXEL_MM, rows.mean() * PIXEL_MM
    angle = np.arctan2(y - np.float32(cy), x - np.float32(cx))
    for _ in range(10):
        turn = np.angle(np.exp(1j * (angle - rng.uniform(-np.pi, np.pi)))).astype(np.float32)
        reach = np.exp(-np.maximum(distance, 0) / np.float32(rng.uniform(1.2, 2.6)))
        width = np.float32(rng.uniform(0.025, 0.05))
        echo -= 9 * reach * np.exp(-((turn / width) ** 2)) * (distance > -0.5)


def _speckle(echo: Array, rng: np.random.Generator) -> NDArray[np.uint8]:
    """dB → what the screen shows: the mean of a few looks (spatial compounding), log-compressed."""
    axial, lateral = _PSF
    amplitude = 10 ** (echo / 20)
    magnitude = np.zeros_like(amplitude)
    for _ in range(_LOOKS):
        real, imaginary = (
            cv2.GaussianBlur(
                rng.standard_normal(echo.shape, dtype=np.float32) * amplitude,
                (0, 0),
                sigmaX=lateral,
                sigmaY=axial,
                borderType=cv2.BORDER_REFLECT,
            )
            for _ in range(2)
        )
        magnitude += np.hypot(real, imaginary)
    gain = 2 * np.sqrt(np.pi * axial * lateral) / _LOOKS  # blurring took this much from the standard deviation
    level = 20 * np.log10(magnitude * gain + 10 ** (-70 / 20))
    gray = cv2.GaussianBlur(np.clip(1 + (level - _WHITE) / _DYNAMIC_RANGE, 0, 1).astype(np.float32), (0, 0), 0.5)
    return np.asarray(np.clip(np.rint(255 * gray**1.2), 0, 255), np.uint8)
