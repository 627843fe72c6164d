"""From breast ultrasound images to findings: what goes into Hybrid-MT-ESTAN and what its outputs mean. No torch.

Each frame is cut to its B-mode region where the file names one, zero-padded to a square, resized, normalised and shown
to the network in the card's *views* (flipped, zoomed). Mask probabilities and class logits are averaged over the views.

*Probability.* The averaged logit is calibrated, p = σ(logit / temperature + bias), both fitted on the tuning patients.
Its interval joins the spread over the views with how well those patients determine the calibration (the covariance of
both over bootstrapped patients). It says how far the number itself may be off; it is not the chance of being right.

*Call.* Class-conditional split conformal prediction: a class is possible when 1 − p(class) is not above the quantile
kept for that class. One possible class is the call; two or none are `uncertain`. Of lesions of either class at most
`alpha` are then called the other, as long as images come from where the calibration's came from.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from cadviewer.findings import BreastFinding, Call, Estimate, Half
from cadviewer.imaging import windowing
from cadviewer.imaging.series import Series, Volume, Window
from cadviewer.messages import Message
from cadviewer.models.breast import colour_flow
from cadviewer.models.breast.lesion_measures import measure
from cadviewer.models.catalogue import ModelCard
from cadviewer.models.gate import input_gate
from cadviewer.models.gate.finite import sound
from cadviewer.models.runtime import Forward, Progress, no_progress
from cadviewer.models.tasks import Demand, TaskFindings

_SQUARE = 0.02  # share by which a pixel may be higher than wide and still be called square

Gray = NDArray[np.uint8]
Map = NDArray[np.float32]


@dataclass(frozen=True)
class BreastAnalysis:
    """What was found in each frame, and what the reader should know of the whole, one line each."""

    findings: tuple[BreastFinding, ...]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class InputView:
    """One way to show an image: mirrored or not, and enlarged (or made smaller) about its middle by `zoom`."""

    flip: bool = False
    zoom: float = 1.0


@dataclass(frozen=True)
class Seen:
    """What the network says of one view. mask: (S, S) logits as the view was shown, None from one that has no mask."""

    view: InputView
    mask: Map | None
    logit: float


@dataclass(frozen=True)
class Prediction:
    """What the network says of one image before any call.

    mask: (rows, columns) probability of lesion, None from a network that only classifies. logit: mean over views.
    spread: their standard deviation.
    """

    mask: Map | None
    logit: float
    spread: float


def assess(
    volume: Volume,
    forward: Forward,
    card: ModelCard,
    *,
    progress: Progress = no_progress,
    spacing_mm: float | None = None,
    half: Half | None = None,
) -> BreastAnalysis:
    """A finding for each frame of a breast ultrasound image or clip.

    spacing_mm: mm per pixel as the user gave it, for an image whose file does not say; what a file says goes before.
    half: which of two images side by side, None for an image that is one.
    Raises `input_gate.OutOfScope` for a series that is no ultrasound, and where no frame is one that the model reads
    (colour, too small, blank, a CT slice). Among others such a frame gets the call `out_of_scope`, with the reason and
    no score.
    """
    series = volume.series
    input_gate.check_ultrasound(series)
    volume, replaced = sound(volume)
    region = (
        input_gate.half_region(series, volume.pixels[0], half) if half is not None else input_gate.bmode_region(series)
    )
    spacing = _spacing(series, spacing_mm)
    total = volume.pixels.shape[0]
    findings: list[BreastFinding] = []
    unlike = flows = 0
    progress(0, total)
    for k in range(total):
        pixels = volume.pixels[k]
        size = (int(pixels.shape[0]), int(pixels.shape[1]))
        x0, y0, x1, y1 = region or (0, 0, size[1], size[0])
        part = to_gray(pixels, series, k)[y0:y1, x0:x1]
        problem = input_gate.frame_problem(pixels[y0:y1, x0:x1], series)
        if problem:
            findings.append(BreastFinding(frame=k, size=size, call=Call.OUT_OF_SCOPE, reason=problem))
        else:
            unlike += not input_gate.looks_like_bmode(part)
            reading = read(part, forward, card.inputs, aspect=aspect_of(series))
            finding = _finding(k, size, (x0, y0), reading, card, spacing, series.pixel_aspect)
            flow = colour_flow.flow(pixels[y0:y1, x0:x1])
            flows += bool(flow.any())
            if finding.mask is not None and colour_flow.crosses(flow, finding.mask[y0:y1, x0:x1]):
                finding = BreastFinding(frame=k, size=size, call=Call.OUT_OF_SCOPE, reason=_FLOW_OVER_LESION)
            findings.append(finding)
        progress(k + 1, total)
    if all(f.call is Call.OUT_OF_SCOPE for f in findings):
        raise input_gate.OutOfScope(findings[0].reason)
    warnings = (*replaced, *_warnings(series, findings, region, spacing_mm, half))
    if flows and total == 1:
        warnings += (FLOW,)
    elif flows:
        warnings += (
            Message(
                "{flows} of {total} frames show colour flow (Doppler is on): the model knows gray B-mode images alone",
                flows=flows,
                total=total,
            ),
        )
    if unlike:
        warnings += (
            Message("the image is unlike the breast ultrasound that the model knows: the score may mean nothing")
            if total == 1
            else Message(
                "{unlike} of {total} frames are unlike the breast ultrasound that the model knows: the score may mean "
                "nothing",
                unlike=unlike,
                total=total,
            ),
        )
    return BreastAnalysis(tuple(findings), warnings)


FLOW = Message("the image shows colour flow (Doppler is on): the model knows gray B-mode images alone")
_HALVES = {
    Half.LEFT: Message("the left half of a split screen alone was analysed"),
    Half.RIGHT: Message("the right half of a split screen alone was analysed"),
}
_FLOW_OVER_LESION = Message("colour flow over the lesion; the breast model reads gray B-mode images")


def analyse(volume: Volume, forward: Forward, card: ModelCard, demand: Demand, progress: Progress) -> TaskFindings:
    """See `models.tasks.Analyse`; the threshold of a demand is for nodules and leaves the call alone."""
    found = assess(volume, forward, card, progress=progress, spacing_mm=demand.spacing_mm, half=demand.half)
    return TaskFindings(breast=found.findings, warnings=found.warnings)


def _spacing(series: Series, given: float | None) -> tuple[float, float] | None:
    """mm between (rows, columns): the file's own, else what the user gave. Raises ValueError for what is no size."""
    if given is not None and not (math.isfinite(given) and given > 0):
        raise ValueError(Message("a pixel size must be positive, not {given}", given=given))
    if series.geometry.pixel_spacing is not None:
        return series.geometry.pixel_spacing
    return (given * series.pixel_aspect, given) if given is not None else None


def aspect_of(series: Series) -> float:
    """Height of a pixel over its width: by the millimetres that the file says, else by the shape that it says."""
    tall, wide = series.geometry.pixel_spacing or (series.pixel_aspect, 1.0)
    return tall / wide


def _warnings(
    series: Series, findings: Sequence[BreastFinding], region: object, given: float | None, half: Half | None
) -> tuple[str, ...]:
    lines = []
    calibrated = series.geometry.pixel_spacing is not None
    if given is not None:
        lines.append(
            Message("the file says how large a pixel is; the {given:g} mm that were given are not used", given=given)
            if calibrated
            else Message("millimetres by a pixel size of {given:g} mm that was given by the user", given=given)
        )
    elif not calibrated and any(f.lesion_px for f in findings):
        lines.append(Message("the image is not calibrated: no millimetres"))
    if half is not None:
        lines.append(_HALVES[half])
    elif region is not None:
        lines.append(Message("analysed inside the B-mode region that the file names"))
    return tuple(lines)


def _finding(
    frame: int,
    size: tuple[int, int],
    corner: tuple[int, int],
    reading: Prediction,
    card: ModelCard,
    spacing: tuple[float, float] | None,
    aspect: float = 1.0,
) -> BreastFinding:
    calibration = card.calibration
    estimate = calibrated(reading.logit, reading.spread, calibration)
    if reading.mask is None:
        call, reason = decide(estimate.value, card)
        return BreastFinding(frame=frame, size=size, call=call, probability=estimate, reason=reason)
    clear = float(calibration.get("mask_threshold", 0.5))
    part = lesions(reading.mask, clear)
    # A card that was calibrated on normal tissue says below which peak there is no lesion; above, the reader looks
    least = calibration.get("least_peak")
    if least is not None and not part.any() and float(reading.mask.max()) >= float(least):
        part = lesions(reading.mask, float(least))
    mask = np.zeros(size, np.uint8)
    x, y = corner
    mask[y : y + part.shape[0], x : x + part.shape[1]] = part
    pixels = int(np.count_nonzero(part))
    seen = pixels >= float(calibration.get("min_area", 0.0)) * part.size and pixels > 0
    sure = seen and float(reading.mask[part > 0].mean()) >= float(calibration.get("min_confidence", 0.0))
    call, reason = decide(estimate.value, card)
    if not sure:
        if least is not None and part.any():
            call, reason = Call.UNCERTAIN, Message("a lesion hardly stands out: look closely")
        elif estimate.value >= card.threshold:
            call, reason = Call.UNCERTAIN, Message("no clear outline, but the image as a whole looks suspicious")
        else:
            call, reason = Call.NO_LESION, Message("no lesion stands out")
            mask[:] = 0
            pixels = 0
    measured = measure(mask, spacing, aspect=aspect)
    return BreastFinding(
        frame=frame,
        size=size,
        call=call,
        probability=estimate,
        mask=mask,
        lesion_px=pixels,
        reason=reason,
        **(dataclasses.asdict(measured) if measured is not None else {}),
    )


# Pixels --------------------------------------------------------------------------------------------------------------


def to_gray(pixels: NDArray[np.generic], series: Series, frame: int) -> Gray:
    """(rows, columns) uint8, bright echoes bright, of a gray or RGB frame of any type.

    Other than eight bits: by the frame's own window, else from lowest to highest value.
    """
    values = _eight_bits(np.asarray(pixels), series.windows_of(frame))
    if values.ndim == 3:
        values = np.asarray(cv2.cvtColor(np.ascontiguousarray(values), cv2.COLOR_RGB2GRAY), np.uint8)
    return np.asarray(255 - values if series.inverted else values, np.uint8)


def _eight_bits(values: NDArray[Any], windows: Sequence[Window]) -> Gray:
    if values.dtype == np.uint8:
        return np.asarray(values, np.uint8)
    if windows:
        return windowing.to_gray(values, windows[0])
    low, high = float(values.min()), float(values.max())
    scaled = (values.astype(np.float32) - low) * (255 / max(high - low, 1e-6))
    return np.asarray(np.clip(scaled + 0.5, 0, 255), np.uint8)


def pad_to_square(gray: Gray) -> tuple[Gray, tuple[int, int]]:
    """The image in the middle of a black square as wide as its longer side, and (top, left) where it lies there."""
    rows, columns = gray.shape
    side = max(rows, columns)
    top, left = (side - rows) // 2, (side - columns) // 2
    square = np.zeros((side, side), np.uint8)
    square[top : top + rows, left : left + columns] = gray
    return square, (top, left)


def resize(gray: Gray, size: int) -> Gray:
    """A square image at (size, size), averaged when smaller."""
    way = cv2.INTER_AREA if gray.shape[0] > size else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(gray, (size, size), interpolation=way), np.uint8)


def normalise(gray: Gray) -> Map:
    """Gray values less the mean of what is not black, over its deviation: another gain then gives the same input."""
    values = gray.astype(np.float32)
    seen = values[gray > 0]
    if seen.size < 16:
        return np.zeros_like(values)
    return np.asarray((values - seen.mean()) / max(float(seen.std()), 8.0), np.float32)


def _zoomed(values: NDArray[Any], zoom: float) -> NDArray[Any]:
    """A square array enlarged about its middle; black where nothing is."""
    if zoom == 1:
        return values
    centre = (values.shape[0] - 1) / 2
    matrix = np.array([[zoom, 0, centre * (1 - zoom)], [0, zoom, centre * (1 - zoom)]])
    return np.asarray(cv2.warpAffine(np.ascontiguousarray(values), matrix, values.shape[::-1], flags=cv2.INTER_LINEAR))


# The network ---------------------------------------------------------------------------------------------------------


def views(inputs: Mapping[str, Any]) -> list[InputView]:
    """The views of a card: `inputs["views"]` is a list of {"flip": bool, "zoom": float}; just the image without it."""
    return [InputView(bool(v.get("flip", False)), float(v.get("zoom", 1.0))) for v in inputs.get("views", [{}])]


def read(gray: Gray, forward: Forward, inputs: Mapping[str, Any], *, aspect: float = 1.0) -> Prediction:
    """Show one gray image to the network in all views, with square pixels, as the network knows them.

    inputs: `size` (side of the network's input), `channels`, `views`. aspect: height of a pixel over its width.
    """
    rows, columns = int(gray.shape[0]), int(gray.shape[1])
    square = squared(gray, aspect)
    seen = combine(look(square, forward, inputs), (int(square.shape[0]), int(square.shape[1])))
    if seen.mask is None or seen.mask.shape == (rows, columns):
        return seen
    mask = cv2.resize(seen.mask, (columns, rows), interpolation=cv2.INTER_LINEAR)
    return dataclasses.replace(seen, mask=np.asarray(mask, np.float32))


def squared(gray: Gray, aspect: float) -> Gray:
    """The image with square pixels: the side along which pixels are longer gets more of them. aspect: as `read`."""
    if abs(aspect - 1) <= _SQUARE:
        return gray
    rows, columns = gray.shape
    size = (columns, round(rows * aspect)) if aspect > 1 else (round(columns / aspect), rows)
    return np.asarray(cv2.resize(gray, size, interpolation=cv2.INTER_LINEAR), np.uint8)


def look(
    gray: Gray, forward: Forward, inputs: Mapping[str, Any], shown: Sequence[InputView] | None = None
) -> list[Seen]:
    """What the network says of each view of one gray image. shown: None for the views of `inputs`."""
    size, channels = int(inputs["size"]), int(inputs.get("channels", 1))
    small = resize(pad_to_square(gray)[0], size)
    shown = views(inputs) if shown is None else shown
    batch = np.stack([normalise(_zoomed(small, v.zoom)[:, :: -1 if v.flip else 1]) for v in shown])
    batch = np.ascontiguousarray(np.repeat(batch[:, None], channels, 1), np.float32)
    seen: list[Seen] = []
    while len(seen) < len(batch):
        some = batch[len(seen) : len(seen) + max(1, forward.batch_size)]
        mask, logit = forward(some)[:2]  # (n, 1, size, size), or (n, 0, size, size) without a mask; (n,)
        masks: list[Map | None] = list(mask[:, 0]) if mask.size else [None] * len(some)
        for one, value in zip(masks, logit.reshape(len(some)), strict=True):
            seen.append(Seen(shown[len(seen)], one, float(value)))
    return seen


def combine(seen: Sequence[Seen], size: tuple[int, int]) -> Prediction:
    """What several views of one image of `size` (rows, columns) say together."""
    values = np.array([s.logit for s in seen])
    logit, spread = float(values.mean()), float(values.std(ddof=1)) if len(values) > 1 else 0.0
    masks = [(s.view, s.mask) for s in seen if s.mask is not None]
    if not masks:
        return Prediction(None, logit, spread)
    rows, columns = size
    side = max(size)
    large = np.asarray(cv2.resize(_merge(masks), (side, side), interpolation=cv2.INTER_LINEAR), np.float32)
    top, left = (side - rows) // 2, (side - columns) // 2
    return Prediction(large[top : top + rows, left : left + columns], logit, spread)


def _merge(masks: Sequence[tuple[InputView, Map]]) -> Map:
    """Mean probability of mask logits (S, S), put back to where the image is; an enlarged view counts where it was.

    Of several networks with inputs of different sides the largest one counts.
    """
    side = max(mask.shape[0] for _, mask in masks)
    total, weight = np.zeros((side, side), np.float32), np.zeros((side, side), np.float32)
    for view, small in masks:
        mask = small
        if small.shape[0] != side:
            mask = np.asarray(cv2.resize(small, (side, side), interpolation=cv2.INTER_LINEAR), np.float32)
        total += _zoomed(expit(mask)[:, :: -1 if view.flip else 1], 1 / view.zoom)
        weight += _zoomed(np.ones_like(mask), 1 / view.zoom)
    return np.asarray(total / np.maximum(weight, 1e-3), np.float32)


# What it means -------------------------------------------------------------------------------------------------------


def calibrated(logit: float, spread: float, calibration: Mapping[str, Any]) -> Estimate:
    """Probability of malignancy with its 95 % interval, from a mean logit and its standard deviation over views.

    calibration: `temperature`, `bias` and `covariance`, the 2×2 covariance of (1/temperature, bias).
    """
    slope = 1 / float(calibration.get("temperature", 1.0))
    z = slope * logit + float(calibration.get("bias", 0.0))
    (aa, ab), (_, bb) = calibration.get("covariance", ((0.0, 0.0), (0.0, 0.0)))
    variance = aa * logit**2 + 2 * ab * logit + bb + (slope * spread) ** 2
    reach = 1.96 * math.sqrt(max(variance, 0.0))
    low, value, high = (float(expit(v)) for v in (z - reach, z, z + reach))
    return Estimate(value, low, high)


def decide(probability: float, card: ModelCard) -> tuple[Call, str]:
    """The call for a lesion, and why it is uncertain. Without conformal quantiles in the card: by its threshold."""
    conformal = card.calibration.get("conformal")
    if not conformal:
        return (Call.MALIGNANT if probability >= card.threshold else Call.BENIGN), ""
    malignant = 1 - probability <= float(conformal["malignant"])
    benign = probability <= float(conformal["benign"])
    if malignant and not benign:
        return Call.MALIGNANT, ""
    if benign and not malignant:
        return Call.BENIGN, ""
    error = f"{float(conformal['alpha']):.0%}"
    if benign:
        return Call.UNCERTAIN, Message(
            "neither benign nor malignant can be ruled out at an error of {error}", error=error
        )
    return Call.UNCERTAIN, Message("fits neither class at an error of {error}", error=error)


def lesions(probability: Map, threshold: float = 0.5, share: float = 0.3) -> NDArray[np.uint8]:
    """Mask, 0 or 255, of what is above `threshold`: holes filled, pieces below `share` of the largest left out."""
    above = (probability >= threshold).astype(np.uint8)
    contours, _ = cv2.findContours(above, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    mask = np.zeros(probability.shape, np.uint8)
    if not contours:
        return mask
    filled = [np.zeros_like(mask) for _ in contours]
    areas = []
    for piece, contour in zip(filled, contours, strict=True):
        cv2.drawContours(piece, [contour], -1, 255, cv2.FILLED)
        areas.append(int(np.count_nonzero(piece)))
    for piece, area in zip(filled, areas, strict=True):
        if area >= share * max(areas):
            mask |= piece
    return mask
