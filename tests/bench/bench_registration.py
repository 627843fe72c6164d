"""Measured: registering two CTs of one phantom patient, against its rigid part alone, and how far off nodules are then.

`make bench`, or `pytest -m bench -s tests/bench/bench_registration.py`: processor time of all threads, and the clock.
"""

from __future__ import annotations

import time

import numpy as np
import pytest
from chest_pairs import pair

from cadviewer.imaging.registration.maps import Registration
from cadviewer.imaging.registration.registering import align, both, register
from cadviewer.imaging.registration.run import Run

pytestmark = pytest.mark.bench


def timed(deformable: bool) -> tuple[float, float, Registration]:
    """(processor seconds, seconds by the clock, what was found)."""
    made = pair("breathing")
    cpu, clock = time.process_time(), time.perf_counter()
    found = register(made.now.volume, made.before.volume, deformable=deformable)
    return time.process_time() - cpu, time.perf_counter() - clock, found


def test_registering_takes_seconds_and_places_nodules_within_millimetres() -> None:
    made = pair("breathing")
    align(*both(made.now.volume, made.before.volume), Run(), deformable=False)  # imports are not measured
    before, now = (np.array([p[k] for p in made.places]) for k in (0, 1))
    off = {}
    for name, deformable in (("rigid", False), ("deformable", True)):
        cpu, clock, found = timed(deformable)
        off[name] = np.linalg.norm(found.to_prior(now) - before, axis=1).max()
        print(f"\n{name}: {cpu:.1f} s of processor, {clock:.1f} s by the clock, nodules up to {off[name]:.1f} mm off")
    assert off["deformable"] < 3 < off["rigid"]
