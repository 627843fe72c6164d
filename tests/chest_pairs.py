"""Pairs of phantom CTs for tests, each made once, with their findings measured as the program does."""

from __future__ import annotations

import functools
from dataclasses import replace

from cadviewer.findings import Box, Nodule, Provenance, Result, Task
from cadviewer.imaging.registration.maps import Registration
from cadviewer.imaging.registration.registering import register
from cadviewer.models.nodules.measurement import measure
from cadviewer.phantoms.pairs import Motion, Pair, chest_pair
from cadviewer.phantoms.phantom import Phantom
from cadviewer.store.matching import Examination, examination
from cadviewer.store.reading import read, shown

MOTIONS = {
    "moved": Motion((8.0, -5.0, 14.0), (0.0, 0.0, 0.0)),
    "turned": Motion((5.0, 4.0, -6.0), (4.0, -3.0, 5.0)),
    "breathing": Motion((8.0, -5.0, 12.0), (3.0, -2.0, 4.0), breath=18.0, wobble=2.5, dense=50.0),
}
THICK = ((48, 240, 240), (5.0, 1.4, 1.4))


@functools.cache
def pair(name: str, seed: int = 3) -> Pair:
    """One of `MOTIONS`, or "thick": the earlier CT in slices of 5 mm."""
    if name == "thick":
        return chest_pair(
            seed,
            motion=MOTIONS["breathing"],
            shapes=(THICK[0], (110, 300, 300)),
            spacings=(THICK[1], (2.2, 1.15, 1.15)),
        )
    return chest_pair(seed, motion=MOTIONS[name])


@functools.cache
def registered(name: str, seed: int = 3) -> Registration:
    """The later CT of a pair to the earlier one."""
    made = pair(name, seed)
    return register(made.now.volume, made.before.volume)


def result(phantom: Phantom) -> Result:
    """The truth of a phantom as if a model had found it: boxes, and what the program measures in them."""
    volume, geometry = phantom.volume, phantom.volume.geometry
    assert geometry.pixel_spacing is not None
    found = []
    for number, truth in enumerate(phantom.nodules, start=1):
        widest = max(truth.boxes, key=lambda b: (b[3] - b[1]) * (b[4] - b[2]))
        boxes = tuple(Box(*b, score=0.9 if b is widest else 0.8) for b in truth.boxes)
        measured = measure(volume.pixels, boxes, geometry.pixel_spacing, geometry.slice_spacing)
        assert measured is not None
        found.append(
            Nodule(
                number,
                boxes,
                centre_mm=truth.centre_mm,
                long_mm=measured.long_mm,
                short_mm=measured.short_mm,
                volume_mm3=measured.volume_mm3,
            )
        )
    by = Provenance("cadviewer", "phantom", "1", "0" * 64, 0.5, "none", "{}")
    return Result(volume.series.case_id, Task.NODULES, by, nodules=tuple(found))


@functools.cache
def examined(name: str, time: int, seed: int = 3) -> Examination:
    """The earlier (0) or the later (1) CT of a pair as it is compared."""
    made = pair(name, seed)
    return of(made.now if time else made.before, f"case{time}")


def of(phantom: Phantom, key: str, candidates: tuple[Nodule, ...] = ()) -> Examination:
    """A phantom as it is compared. candidates: below the threshold."""
    found = replace(result(phantom), candidates=candidates)
    series = phantom.volume.series
    return examination(key, series, read((), found.nodules, found, series), shown((), candidates, found))
