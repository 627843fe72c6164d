"""What became of each finding since an earlier CT of the same patient. Plain frozen data, without pixels.

Made by `store.matching` from two readings and a registration (`imaging.registration`); a `Reading` carries it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from cadviewer.imaging.geometry import Vector
from cadviewer.store.marks import FindingRef


class State(StrEnum):
    """What became of a finding."""

    NEW = "new"
    GONE = "gone"
    GROWN = "grown"
    STABLE = "stable"
    SHRUNK = "smaller"
    SEEN = "seen before"
    NOT_COVERED = "outside the other CT"


@dataclass(frozen=True)
class Sighting:
    """A finding as one examination shows it.

    number, name: what its window calls it. place: how journals name it. slice: of its best box. centre_mm: LPS.
    The axes in mm, the volume in mm³, as entered or else measured; None where neither. type: as the reader entered or
    a model proposed, "" for neither. category: what Lung-RADS gave it, "" for nothing.
    weak: it lies below the threshold or was rejected, so it is no finding of its examination: it is only looked at
        where another one has no partner. why: which of the two, one phrase.
    """

    number: int
    name: str
    place: FindingRef
    slice: int
    centre_mm: Vector
    long_mm: float | None = None
    short_mm: float | None = None
    volume_mm3: float | None = None
    type: str = ""
    category: str = ""
    weak: bool = False
    why: str = ""

    @property
    def mean_mm(self) -> float | None:
        """Mean of the two axes."""
        return None if self.long_mm is None or self.short_mm is None else (self.long_mm + self.short_mm) / 2


@dataclass(frozen=True)
class Change:
    """One row of a comparison: a finding of today, one of the earlier CT, or both as one nodule.

    now: None where it is gone; prior: None where it is new.
    state: by the measures and their error, see `store.matching`.
    delta_mm: mean diameter now less then; delta_long_mm: of the long axis. delta_volume_percent: of the volume then.
        None where one of the two was not measured.
    doubling_days: volume doubling time, None where the change is within the error of measuring, where it shrank, or
        where a date is not known.
    prior_date: of the earlier CT. days: between the two, None where a date is not known.
    sure: False where the program cannot tell whether the two are one nodule and the reader has not said.
    answered: the reader has said so. doubt: why it is not sure, one line; "" where it is.
    distance_mm: between where the registration puts the one and where the other lies; None for no pair.
    prior_mm, now_mm: LPS mm of its place in the earlier CT and in this one, by the registration where there is no
        finding; None where that place is outside.
    """

    state: State
    now: Sighting | None
    prior: Sighting | None
    delta_mm: float | None = None
    delta_long_mm: float | None = None
    delta_volume_percent: float | None = None
    doubling_days: float | None = None
    prior_date: date | None = None
    days: int | None = None
    sure: bool = True
    answered: bool = False
    doubt: str = ""
    distance_mm: float | None = None
    prior_mm: Vector | None = None
    now_mm: Vector | None = None


@dataclass(frozen=True)
class Comparison:
    """All that was found by comparing a case with an earlier CT of the same patient.

    prior_case: key of the earlier case's journal (`session.case_key`). prior_series_uid: "" where it has none.
    changes: findings of today in the order of the reading, then those that are gone.
    registered: how, one line ("deformable", "rigid: …"). residual_mm: typical error that the registration estimates of
        itself in the lungs. warnings: what the reader should know, one line each.
    """

    prior_case: str
    prior_date: date | None
    changes: tuple[Change, ...]
    registered: str = ""
    residual_mm: float | None = None
    prior_series_uid: str = ""
    warnings: tuple[str, ...] = ()

    def of(self, number: int) -> Change | None:
        """What became of a finding of today; None where it was not compared."""
        return next((c for c in self.changes if c.now is not None and c.now.number == number), None)

    @property
    def gone(self) -> tuple[Change, ...]:
        """What the earlier CT alone shows."""
        return tuple(c for c in self.changes if c.now is None)

    @property
    def unsure(self) -> tuple[Change, ...]:
        """What the reader is asked about."""
        return tuple(c for c in self.changes if not c.sure)
