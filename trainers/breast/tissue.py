"""`cadviewer-train tissue`: what a breast model says of tissue without a lesion, cut out beside the known ones.

Stands in for normal breasts, of which the sets hold a handful. A model that learned from such cuts (`normals` in its
settings) knows their kind, if not these patients: real normal breasts are harder.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cadviewer import atomic
from cadviewer.models import runtime
from cadviewer.models.breast import analysis as breast
from cadviewer.models.breast.analysis import pad_to_square
from cadviewer.models.catalogue import ModelCard
from cadviewer.models.gate import input_gate
from cadviewer.models.runtime import Forward
from trainers.breast.evaluation import sets, volume_of
from trainers.data.ultrasound.augmentation import Gray, without_lesion
from trainers.data.ultrasound.cases import UltrasoundCase
from trainers.metrics import bootstrap

CALLS = ("no_lesion", "benign", "uncertain", "malignant", "out_of_scope")


def cut(case: UltrasoundCase, seed: int) -> Gray | None:
    """(rows, columns) of tissue beside the lesion of an image; None where no side of it is wide enough."""
    gray, mask = case.read()
    square, _ = pad_to_square(gray)
    lesion, _ = pad_to_square(np.asarray(mask > 0, np.uint8))
    tissue = without_lesion(square, lesion, np.random.default_rng(seed))
    if tissue is None:
        return None
    rows, columns = np.nonzero(tissue.any(axis=1))[0], np.nonzero(tissue.any(axis=0))[0]
    return np.ascontiguousarray(tissue[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])


def calls(cases: Sequence[UltrasoundCase], forward: Forward, card: ModelCard) -> list[tuple[UltrasoundCase, str]]:
    """The call on each cut, of the images that leave one."""
    found = []
    for number, case in enumerate(cases):
        tissue = cut(case, number)
        if tissue is None:
            continue
        try:
            found.append((case, breast.assess(volume_of(case, tissue), forward, card).findings[0].call.value))
        except input_gate.OutOfScope:
            found.append((case, "out_of_scope"))
    return found


def run(card: ModelCard, data: Path, out: Path, *, split: str, device: str) -> dict[str, dict[str, Any]]:
    """Share of each call in each set, with intervals over patients; writes `tissue.csv` (a row per cut) into `out`."""

    forward = runtime.ready(card, device)
    out.mkdir(parents=True, exist_ok=True)
    made: dict[str, dict[str, Any]] = {}
    with atomic.text(out / "tissue.csv") as stream:
        writer = csv.writer(stream)
        writer.writerow(["set", "name", "patient", "call"])
        for name, cases in sets(data, split, card).items():
            found = calls([c for c in cases if not c.normal], forward, card)
            writer.writerows([name, case.name, case.patient, call] for case, call in found)
            if found:
                made[name] = shares(found)
    return made


def shares(found: Sequence[tuple[UltrasoundCase, str]]) -> dict[str, Any]:
    """How many cuts, of how many patients, and the share of each call."""
    patients = [case.patient for case, _ in found]
    counted: dict[str, Any] = {"cuts": len(found), "patients": len(set(patients))}
    for call in (*CALLS, *sorted(Counter(c for _, c in found).keys() - set(CALLS))):
        said = np.array([c == call for _, c in found], float)
        counted[call] = bootstrap.bootstrap(lambda rows, said=said: float(said[rows].mean()), patients)  # type: ignore[misc]
    return counted
