"""One DICOM series → what can be looked at as one: images of one size, kind and scale, and of one volume.

What one image says of itself never speaks for another: images that mean black by high values, and ultrasound images
of another depth, are apart.

Scanners put into one series what was taken of the same slices several times: echoes, b-values, phases, time points,
kernels. Where the places of its images repeat, a series is told apart by the element that says why; only where every
part is then an evenly spaced volume, and with a warning in each. Everything else stays together.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from cadviewer.imaging import contained
from cadviewer.imaging.dicom import header as dh
from cadviewer.imaging.dicom.frames import Frame
from cadviewer.imaging.dicom.header import Header
from cadviewer.imaging.volume_check import arrange, directions, same_orientation
from cadviewer.messages import Message

_MAIN_SHARE = 0.75  # of the images in one orientation: the others then are not what the series is about
_MOST_PARTS = 100
_PLACE_MM = 0.01


@dataclass(frozen=True)
class Part:
    """Images that belong together. notes: what the user should know, a line each. label: what tells it from the others
    ("echo time 4.6 ms"), "" when there are none.
    """

    frames: list[Frame]
    notes: tuple[str, ...] = ()
    label: str = ""


@dataclass(frozen=True)
class _Trait:
    """An element that tells volumes of one series apart. ranked: its value may grow from slice to slice within one."""

    tag: int
    name: str
    unit: str = ""
    ranked: bool = False


_TRAITS = (
    _Trait(dh.ECHO_TIME, "echo time", " ms"),
    _Trait(dh.ECHO_NUMBER, "echo"),
    _Trait(dh.B_VALUE, "b-value", " s/mm²"),
    _Trait(dh.INVERSION_TIME, "inversion time", " ms"),
    _Trait(dh.TEMPORAL_POSITION, "time point"),
    _Trait(dh.STACK, "stack"),
    _Trait(dh.IMAGE_TYPE, "kind"),
    _Trait(dh.KERNEL, "kernel"),
    _Trait(dh.KVP, "tube voltage", " kV"),
    _Trait(dh.ACQUISITION_NUMBER, "acquisition"),
    _Trait(dh.TRIGGER_TIME, "phase", ranked=True),
    _Trait(dh.FRAME_REFERENCE_TIME, "time", ranked=True),
    _Trait(dh.ACQUISITION_TIME, "time", ranked=True),
)

_FLATTEST = 20.0  # ratio of the sides of a pixel beyond which a header is not believed


def split(frames: Sequence[Frame]) -> list[Part]:
    """The parts of a series, the largest first, each with what to say about the others."""
    groups: dict[tuple[Any, ...], list[Frame]] = defaultdict(list)
    scales = {id(header): _scale(header) for header in {id(f.header): f.header for f in frames}.values()}
    for frame in frames:
        inverted = frame.header.text(dh.PHOTOMETRIC) == "MONOCHROME1"
        # Images with a place are slices: unequal spacings among them are said of the whole.
        scale = (scales[id(frame.header)], frame.spacing, pixel_aspect(frame.header)) if frame.position is None else ()
        kind = (is_localizer(frame.header), frame.rows, frame.columns, frame.colour, inverted, scale)
        groups[kind].append(frame)
    families: list[list[Frame]] = []
    for group in groups.values():
        families.extend(_without_strays(group))
    families.sort(key=len, reverse=True)
    parts = []
    for family in families:
        note = _about_others(family, frames)
        parts += [Part(p.frames, (*note, *p.notes), p.label) for p in _volumes(family)]
    return parts


def _scale(header: Header) -> Any:
    """The ultrasound regions of an image and their scale: the depth changes from image to image of one series."""
    if dh.ULTRASOUND_REGIONS not in header.sequences:
        return ()
    try:
        return contained.call("cadviewer.imaging.dicom.dataset:ultrasound", header.file)
    except Exception:  # noqa: BLE001 - raised again for the part that this image is then, and for no other
        return header.file


def pixel_aspect(header: Header) -> float:
    """Height of a pixel over its width (PS3.3 C.7.6.3.1.7): Pixel Aspect Ratio, or the ratio of a spacing at the
    detector or a nominal one, which are no millimetres of the patient; 1 where nothing sensible is said."""
    for tag in (dh.PIXEL_ASPECT, dh.IMAGER_SPACING, dh.NOMINAL_SPACING):
        numbers = header.numbers(tag)
        if len(numbers) == 2 and min(numbers) > 0 and 1 / _FLATTEST <= numbers[0] / numbers[1] <= _FLATTEST:
            return numbers[0] / numbers[1]
    return 1.0


def is_localizer(header: Header) -> bool:
    return "LOCALIZER" in header.text(dh.IMAGE_TYPE).upper().split("\\")


def _about_others(family: list[Frame], frames: Sequence[Frame]) -> tuple[str, ...]:
    others = len(frames) - len(family)
    if not others:
        return ()
    localizers = sum(is_localizer(f.header) for f in frames) if not is_localizer(family[0].header) else 0
    if others == localizers:
        return (Message("the series also holds {others} image(s): localizer, shown apart", others=others),)
    return (
        Message(
            "the series also holds {others} image(s) of another size, kind, scale or plane, shown apart", others=others
        ),
    )


def _without_strays(group: list[Frame]) -> list[list[Frame]]:
    """Splits off the few images in another plane; an even mixture stays together."""
    middle = group[len(group) // 2]
    main = [f for f in group if _same_plane(f, middle)]
    others = [f for f in group if not _same_plane(f, middle)] if len(main) < len(group) else []
    if others and len(main) >= 3 and len(main) >= _MAIN_SHARE * len(group):
        return [main, others]
    return [group]


def _same_plane(a: Frame, b: Frame) -> bool:
    if a.orientation is None or b.orientation is None:
        return a.orientation is b.orientation
    return same_orientation(a.orientation, b.orientation)


def _volumes(family: list[Frame]) -> list[Part]:
    """The volumes that a family is made of; the family itself where it is one, or cannot be told apart into such."""
    whole = [Part(family)]
    if any(f.position is None or f.orientation is None for f in family):
        return whole
    planes = _planes(family)
    if len(planes) == 1 and not _repeats(family):
        return whole
    found: list[Part] = []
    for plane in planes:
        parts = _once_each(plane)
        if not parts:
            return whole
        names = [_plane_name(plane[0])] if len(planes) > 1 else []
        found += [Part(p.frames, label=" · ".join([*names, p.label] if p.label else names)) for p in parts]
    if len(found) > _MOST_PARTS:
        return whole
    return [
        # The label is for the description alone: it may be any text of the header.
        Part(
            p.frames,
            (Message("volume {k} of {found} in its series, whose images repeat their places", k=k, found=len(found)),),
            p.label,
        )
        for k, p in enumerate(found, start=1)
    ]


def _planes(family: list[Frame]) -> list[list[Frame]]:
    planes: list[list[Frame]] = []
    for frame in family:
        home = next((p for p in planes if _same_plane(p[0], frame)), None)
        if home is None:
            planes.append([frame])
        else:
            home.append(frame)
        if len(planes) > _MOST_PARTS:
            break
    return planes


def _plane_name(frame: Frame) -> str:
    axes = directions(frame.orientation) if frame.orientation is not None else None
    return "oblique" if axes is None else ("sagittal", "coronal", "axial")[int(np.argmax(np.abs(axes[0])))]


def _place(frame: Frame) -> tuple[int, ...]:
    return tuple(round(v / _PLACE_MM) for v in frame.position or ())


def _repeats(frames: Iterable[Frame]) -> bool:
    places = [_place(f) for f in frames]
    return len(set(places)) < len(places)


def _is_volume(frames: list[Frame]) -> bool:
    if len(frames) < 2 or _repeats(frames):
        return False
    return not arrange([f.position for f in frames], [f.orientation for f in frames]).reason


def _once_each(plane: list[Frame]) -> list[Part]:
    """Images of one plane as volumes in which no place repeats; empty where no element tells them apart."""
    if not _repeats(plane):
        return [Part(plane)] if _is_volume(plane) else []
    values = {t: [f.text(t.tag) for f in plane] for t in _TRAITS}
    varying = [t for t in _TRAITS if len(set(values[t])) > 1]
    few = [t for t in varying if len(set(values[t])) <= _MOST_PARTS]
    for traits in (*((t,) for t in few), *combinations(few, 2)):
        keys = list(zip(*(values[t] for t in traits), strict=True))
        if parts := _parted(plane, keys):
            return [Part(frames, label=_label(traits, key)) for key, frames in parts]
    for trait in varying:
        if trait.ranked and (parts := _parted(plane, _ranks(plane, values[trait]))):
            return [Part(frames, label=f"{trait.name} {key[0]}") for key, frames in parts]
    return []


def _parted(plane: list[Frame], keys: Sequence[tuple[str, ...]]) -> list[tuple[tuple[str, ...], list[Frame]]]:
    """The images by their key, in its order; empty unless each part is a volume."""
    parts: dict[tuple[str, ...], list[Frame]] = defaultdict(list)
    for key, frame in zip(keys, plane, strict=True):
        parts[key].append(frame)
    if 1 < len(parts) <= _MOST_PARTS and all(map(_is_volume, parts.values())):
        return sorted(parts.items(), key=lambda part: [_order(v) for v in part[0]])
    return []


def _ranks(plane: list[Frame], values: list[str]) -> list[tuple[str, ...]]:
    """Of each image the how-manieth at its place it is, from 1, by growing value."""
    before: dict[tuple[int, ...], int] = defaultdict(int)
    ranks: list[tuple[str, ...]] = [()] * len(plane)
    for k in sorted(range(len(plane)), key=lambda k: _order(values[k])):
        before[_place(plane[k])] += 1
        ranks[k] = (str(before[_place(plane[k])]),)
    return ranks


def _order(value: str) -> tuple[float, str]:
    """Numbers by their value, before other texts."""
    try:
        number = float(value)
    except ValueError:
        return np.inf, value
    return (number, value) if np.isfinite(number) else (np.inf, value)


def _label(traits: Sequence[_Trait], key: Sequence[str]) -> str:
    return " · ".join(_word(trait, value) for trait, value in zip(traits, key, strict=True))


def _word(trait: _Trait, value: str) -> str:
    if not value:
        return f"no {trait.name}"
    number, _ = _order(value)
    plain = f"{number:g}" if np.isfinite(number) else value.replace("\\", " ")
    return f"{trait.name} {plain}{trait.unit}"
