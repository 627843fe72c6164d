"""Which finding of today is which of an earlier CT, and what became of it.

Pairs are those that lie nearest to each other after registration, with a look at size and type: the assignment of
least cost (`scipy.optimize.linear_sum_assignment`) within a bound. What cannot be told from this is not sure, and the
reader is asked; answers come from the journal (`store.marks.Paired`).

What counts as a change: more than 25 % of the volume (British Thoracic Society, Thorax 2015;70:ii1–ii54, after NELSON:
the limits of agreement of one nodule measured twice; six programs had 16 to 22 %, 19 to 26 % below 8 mm: de Hoop, Eur
Radiol 2009;19:800–808), or more than 1.5 mm of the mean diameter (Lung-RADS v2022; the Fleischner Society asks for
2 mm: Bankier, Radiology 2017;285:584–600). Anything less is stable, since it may be an error of measuring.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from cadviewer.findings import Nodule
from cadviewer.imaging import patients
from cadviewer.imaging.geometry import Geometry, Vector, edge_to_index
from cadviewer.imaging.registration import registering
from cadviewer.imaging.registration.maps import Registration, inside, vector
from cadviewer.imaging.series import Series
from cadviewer.messages import Message
from cadviewer.risk import growth, lung_rads
from cadviewer.store.comparison import Change, Comparison, Sighting, State
from cadviewer.store.marks import Answer, Paired
from cadviewer.store.reading import Read, ReadFinding, Reading, facts_of, proposed_type
from cadviewer.store.session import same_finding

NEAR_MM = 5.0
"""So far from its place a nodule may lie, besides what the registration may be off by and a quarter of its size."""
FAR_MM = 15.0
"""Farther, by the same measure, two findings are never proposed as one nodule."""
DOUBTFUL_MM = 5.0
"""Of the registration's own estimate of its error at a place: from here on nothing is sure there."""
POOR_MM = 3.5
"""Of that estimate in the lungs as a whole: from here on nothing is sure anywhere. Phantoms and deformed copies of a
real CT had up to 2.0, CTs of two patients 4.0 and more, a rigid map has 8."""
RIVAL_MM = 6.0
"""By so much the pairs as they are must be nearer than with partners exchanged."""
FACTOR = 2.5
"""Of the mean diameters: a larger one is asked about."""
SIZE_COST, TYPE_COST = 5.0, 3.0
"""In mm of distance: for sizes that differ by a factor of e, and for types that differ."""
THICK_MM = 2.5
"""Slices in which volumes of small nodules are not to be relied on (Nietert, Chest 2009;135:1580–1587)."""

Matrix = NDArray[np.float64]
T = TypeVar("T")


@dataclass(frozen=True)
class Examination:
    """A CT as it is compared. case: key of its journal. on: its date. sightings: its findings, then what is weak."""

    case: str
    geometry: Geometry
    sightings: tuple[Sighting, ...]
    on: date | None = None
    series_uid: str = ""


def refusal(now: Series, prior: Series) -> str:
    """Why two series cannot be matched, one line; "" where they can, as far as that shows without their pixels."""
    if now.case_id == prior.case_id:
        return Message("a CT is not matched with itself")
    if not patients.same(now, prior):
        return Message("the files do not say that the two are of one patient")
    return registering.refusal(now) or registering.refusal(prior)


def in_order(a: T, b: T, dates: tuple[date | None, date | None]) -> tuple[T, T]:
    """(the later, the earlier) of two; as they come where a date is missing or both are the same."""
    first, second = dates
    return (b, a) if first is not None and second is not None and first < second else (a, b)


def examination(case: str, series: Series, reading: Reading, others: Sequence[ReadFinding] = ()) -> Examination:
    """What is compared of a case.

    reading: its findings; what the reader rejected is weak. others: what lies below the threshold.
    """
    known = {read.found.nodule.number for read in reading.findings}
    found = [_sighting(series.geometry, reading, read) for read in reading.findings]
    below = Message("below the threshold")
    found += [
        _sighting(series.geometry, None, Read(other, None, {}), below)
        for other in others
        if other.nodule.number not in known
    ]
    strong_first = sorted(found, key=lambda s: s.weak)
    return Examination(case, series.geometry, tuple(strong_first), facts_of(series).scan_date, series.series_uid)


def _sighting(geometry: Geometry, reading: Reading | None, read: Read, why: str = "") -> Sighting:
    nodule = read.found.nodule
    form = replace(read, change=None).form  # its sizes, without what an earlier comparison knows
    if read.answer is Answer.REJECTED:
        why = Message("rejected by the reader")
    rules = reading.assess(read) if reading is not None else ()
    category = next((a.category for a in rules if a.rule is lung_rads.RULE and a.category in lung_rads.ORDER), None)
    size = [float(form[name]) if name in form else None for name in ("long_mm", "short_mm", "volume_mm3")]
    return Sighting(
        number=nodule.number,
        name=read.found.name,
        place=read.found.place,
        slice=nodule.box.slice,
        centre_mm=nodule.centre_mm or _centre(geometry, nodule),
        long_mm=size[0],
        short_mm=size[1],
        volume_mm3=size[2],
        type=form.get("type") or proposed_type(nodule) or "",
        category=category or "",
        weak=bool(why),
        why=why,
    )


def _centre(geometry: Geometry, nodule: Nodule) -> Vector:
    row, column = edge_to_index(*nodule.box.centre)
    return vector(geometry.to_patient((nodule.box.slice, row, column)))


# pairs ---------------------------------------------------------------------------------------------------------------


def compare(
    now: Examination, prior: Examination, registration: Registration, answers: Sequence[Paired] = ()
) -> Comparison:
    """What became of every finding. answers: of the reader on these two, oldest first."""
    table = _Table(now.sightings, prior.sightings, registration)
    said = _Said(now, prior, answers)
    pairs = dict.fromkeys(said.pairs, True)
    table.forbid(said.apart)
    strong = [[k for k, s in enumerate(side) if not s.weak] for side in (now.sightings, prior.sightings)]
    weak = [[k for k, s in enumerate(side) if s.weak] for side in (now.sightings, prior.sightings)]
    for rows, columns, weakly in (
        (strong[0], strong[1], False),
        (strong[0], weak[1], True),
        (weak[0], strong[1], True),
    ):
        taken = [{pair[n] for pair in (*pairs, *said.alone)} for n in (0, 1)]
        left = [k for k in rows if k not in taken[0]], [k for k in columns if k not in taken[1]]
        pairs |= dict.fromkeys(table.assigned(*left, weak=weakly), False)
    found = _Rows(now, prior, registration, table, pairs, said)
    return Comparison(
        prior_case=prior.case,
        prior_date=prior.on,
        changes=found.all(),
        registered=registration.note or Message("deformable"),
        residual_mm=registration.residual_mm,
        prior_series_uid=prior.series_uid,
        warnings=_warnings(now, prior, registration),
    )


class _Table:
    """Distances of all findings of today, rows, to all of the earlier CT, columns, in mm after registration."""

    def __init__(self, now: Sequence[Sighting], prior: Sequence[Sighting], registration: Registration) -> None:
        self.now, self.prior = now, prior
        here = np.array([s.centre_mm for s in now], float).reshape(-1, 3)
        there = np.array([s.centre_mm for s in prior], float).reshape(-1, 3)
        self.here, self.there = here, there
        forth = np.linalg.norm(registration.to_prior(here)[:, None] - there[None], axis=-1)
        back = np.linalg.norm(registration.to_now(there)[None] - here[:, None], axis=-1)
        self.distance: Matrix = np.asarray((forth + back) / 2)
        self.error = registration.error_mm(here)
        self.spare: Matrix = np.array([[self._size(i, j) / 4 for j in range(len(prior))] for i in range(len(now))])
        self.spare = self.spare.reshape(len(now), len(prior)) + self.error[:, None]
        self.unlikely = np.array([[_factor(a, b) > FACTOR for b in prior] for a in now], bool).reshape(self.spare.shape)
        self._cost = self.distance + np.array([[_difference(a, b) for b in prior] for a in now], float).reshape(
            len(now), len(prior)
        )

    def _size(self, i: int, j: int) -> float:
        return max(self.now[i].mean_mm or 0.0, self.prior[j].mean_mm or 0.0)

    def forbid(self, pairs: Sequence[tuple[int, int]]) -> None:
        """These are not one nodule, the reader says."""
        for i, j in pairs:
            self._cost[i, j] = self.distance[i, j] = math.inf

    def near(self, i: int, j: int) -> bool:
        """Whether one lies where the other one is expected."""
        return bool(self.distance[i, j] <= NEAR_MM + self.spare[i, j])

    def assigned(self, rows: Sequence[int], columns: Sequence[int], *, weak: bool) -> list[tuple[int, int]]:
        """Pairs of least cost in all; none farther than `FAR_MM` and what is spare. weak: one side of them is, and then
        they must be near and alike."""
        if not rows or not columns:
            return []
        part, farthest = np.ix_(list(rows), list(columns)), NEAR_MM if weak else FAR_MM
        never = 1e6
        possible = self.distance[part] <= farthest + self.spare[part]
        if weak:
            possible &= ~self.unlikely[part]  # there are so many that one lies near almost everywhere
        cost = np.where(possible, self._cost[part], never)
        alone = np.full((len(rows), len(rows)), farthest + 2 * SIZE_COST)  # a finding may well have no partner
        chosen = zip(*linear_sum_assignment(np.hstack([cost, alone])), strict=True)
        return [(rows[a], columns[b]) for a, b in chosen if b < len(columns) and cost[a, b] < never]


def _factor(a: Sighting, b: Sighting) -> float:
    """Of the mean diameters, 1 where one is not known."""
    return max(a.mean_mm / b.mean_mm, b.mean_mm / a.mean_mm) if a.mean_mm and b.mean_mm else 1.0


def _difference(a: Sighting, b: Sighting) -> float:
    """How unlike two findings are, as mm of distance."""
    cost = TYPE_COST if a.type and b.type and a.type != b.type else 0.0
    if a.mean_mm and b.mean_mm:
        cost += SIZE_COST * abs(math.log(a.mean_mm / b.mean_mm))
    return cost


class _Said:
    """What the reader said of these two, as places in their sightings; of contradicting answers the last counts.

    pairs: one nodule. apart: not one. alone: (finding of today or None, of the earlier CT or None) without a partner.
    """

    def __init__(self, now: Examination, prior: Examination, answers: Sequence[Paired]) -> None:
        last: dict[tuple[int | None, int | None], bool | None] = {}
        for answer in answers:
            if answer.case != prior.case:
                continue
            here = next((k for k, s in enumerate(now.sightings) if same_finding(s.place, answer.finding)), None)
            there = next((k for k, s in enumerate(prior.sightings) if same_finding(s.place, answer.other)), None)
            if (answer.finding is not None and here is None) or (answer.other is not None and there is None):
                continue  # it is not found any more
            if answer.same:  # a finding is one nodule at most
                last = {pair: same for pair, same in last.items() if not same or (pair[0] != here and pair[1] != there)}
            last[here, there] = answer.same
        whole = {(i, j): same for (i, j), same in last.items() if i is not None and j is not None}
        self.pairs = [pair for pair, same in whole.items() if same]
        self.apart = [pair for pair, same in whole.items() if same is False]
        paired = {("now", i) for i, _ in self.pairs} | {("prior", j) for _, j in self.pairs}
        self.alone = {
            pair
            for pair, same in last.items()
            if same is False and None in pair and not {("now", pair[0]), ("prior", pair[1])} & paired
        }


class _Rows:
    """The rows of a comparison."""

    def __init__(
        self,
        now: Examination,
        prior: Examination,
        registration: Registration,
        table: _Table,
        pairs: dict[tuple[int, int], bool],
        said: _Said,
    ) -> None:
        self._now, self._prior, self._registration = now, prior, registration
        self._table, self._pairs, self._said = table, pairs, said
        self._partner = dict(pairs.keys())
        self._days = (now.on - prior.on).days if now.on is not None and prior.on is not None else None

    def all(self) -> tuple[Change, ...]:
        """Findings of today in their order, then those that are gone; what is weak only as a partner."""
        changes = []
        for i, finding in enumerate(self._now.sightings):
            if i in self._partner:
                changes.append(self._pair(i, self._partner[i]))
            elif not finding.weak:
                changes.append(self._new(i))
        taken = set(self._partner.values())
        changes += [self._gone(j) for j, s in enumerate(self._prior.sightings) if not s.weak and j not in taken]
        return tuple(changes)

    def _pair(self, i: int, j: int) -> Change:
        now, prior = self._now.sightings[i], self._prior.sightings[j]
        answered = self._pairs[i, j]
        doubt = "" if answered else self._doubt(i, j)
        made = measured(now, prior, self._days)
        distance = float(np.linalg.norm(self._registration.to_prior(now.centre_mm)[0] - np.array(prior.centre_mm)))
        return replace(
            made,
            prior_date=self._prior.on,
            sure=not doubt,
            answered=answered,
            doubt=doubt,
            distance_mm=distance,
            prior_mm=prior.centre_mm,
            now_mm=now.centre_mm,
        )

    def _doubt(self, i: int, j: int) -> str:
        """Why it is not sure that two are one nodule, "" where it is."""
        now, prior, table = self._now.sightings[i], self._prior.sightings[j], self._table
        if prior.weak:
            return Message("it is {why} in the earlier CT", why=prior.why)
        if now.weak:
            return Message("it is {why} in this CT", why=now.why)
        if not table.near(i, j):
            return Message("it lies {mm} mm from where it is expected", mm=round(float(table.distance[i, j])))
        if doubt := self._unsure_here(float(table.error[i])):
            return doubt
        if rival := self._rival(i, j):
            return Message("finding {name} is near as well", name=rival)
        if table.unlikely[i, j]:
            return Message("the sizes differ by a factor of {factor}", factor=f"{_factor(now, prior):.1f}")
        return ""

    def _unsure_here(self, error: float) -> str:
        """Why a place is not to be trusted that the registration gives, "" where it is."""
        if self._registration.residual_mm > POOR_MM:
            return Message("the two CTs do not fit each other well")
        if error > DOUBTFUL_MM:
            return Message("the registration is not sure here (± {mm} mm)", mm=round(error))
        return ""

    def _rival(self, i: int, j: int) -> str:
        """What one of the two might as well be paired with, "" for nothing."""
        distance, owner = self._table.distance, {b: a for a, b in self._partner.items()}
        for k, other in enumerate(self._prior.sightings):
            if k == j or other.weak or not self._table.near(i, k):
                continue
            nearer = _exchanged(distance, i, j, owner[k], k) if k in owner else distance[i, k] - distance[i, j]
            if nearer < RIVAL_MM:
                return other.name
        for k, other in enumerate(self._now.sightings):
            if k == i or other.weak or not self._table.near(k, j):
                continue
            taken = self._partner.get(k)
            nearer = distance[k, j] - distance[i, j] if taken is None else _exchanged(distance, i, j, k, taken)
            if nearer < RIVAL_MM:
                return other.name
        return ""

    def _new(self, i: int) -> Change:
        now, table = self._now.sightings[i], self._table
        place = self._registration.to_prior(now.centre_mm)
        if not inside(self._prior.geometry, place)[0]:
            return self._alone(State.NOT_COVERED, now, None, "", False, now_mm=now.centre_mm)
        near = [k for k, s in enumerate(self._prior.sightings) if not s.weak and table.near(i, k)]
        doubt, answered = self._unsure_here(float(table.error[i])), (i, None) in self._said.alone
        owner = {b: a for a, b in self._partner.items()}
        for k in near:
            if k not in owner or not self._pairs[owner[k], k]:  # without a partner: too unlike to be paired unasked
                doubt = Message("finding {name} is near as well", name=self._prior.sightings[k].name)
        return self._alone(State.NEW, now, None, doubt, answered, prior_mm=vector(place[0]), now_mm=now.centre_mm)

    def _gone(self, j: int) -> Change:
        prior, answered = self._prior.sightings[j], (None, j) in self._said.alone
        place = self._registration.to_now(prior.centre_mm)
        if not inside(self._now.geometry, place)[0]:
            return self._alone(State.NOT_COVERED, None, prior, "", answered, prior_mm=prior.centre_mm)
        doubt = self._unsure_here(float(self._registration.error_mm(place)[0]))
        for k, other in enumerate(self._now.sightings):
            if k not in self._partner and not other.weak and self._table.near(k, j):
                doubt = Message("finding {name} is near as well", name=other.name)
        return self._alone(State.GONE, None, prior, doubt, answered, prior_mm=prior.centre_mm, now_mm=vector(place[0]))

    def _alone(
        self,
        state: State,
        now: Sighting | None,
        prior: Sighting | None,
        doubt: str,
        answered: bool,
        *,
        prior_mm: Vector | None = None,
        now_mm: Vector | None = None,
    ) -> Change:
        doubt = "" if answered else doubt
        return Change(
            state,
            now,
            prior,
            prior_date=self._prior.on,
            days=self._days,
            sure=not doubt,
            answered=answered,
            doubt=doubt,
            prior_mm=prior_mm,
            now_mm=now_mm,
        )


def _exchanged(distance: Matrix, i: int, j: int, k: int, m: int) -> float:
    """By how many mm the pairs (i, j) and (k, m) are nearer than (i, m) and (k, j)."""
    return float(distance[i, m] + distance[k, j] - distance[i, j] - distance[k, m])


def _warnings(now: Examination, prior: Examination, registration: Registration) -> tuple[str, ...]:
    found = []
    if registration.note:
        found.append(registration.note)
    if registration.residual_mm > POOR_MM:
        found.append(
            Message(
                "the two CTs do not fit each other well (± {mm} mm): check with the crosshair",
                mm=round(registration.residual_mm),
            )
        )
    slices = [e.geometry.slice_spacing for e in (now, prior)]
    if slices[0] and slices[1] and (max(slices[0], slices[1]) > max(THICK_MM, 1.5 * min(slices[0], slices[1]))):
        a, b = (f"{mm:g}" for mm in (slices[0], slices[1]))
        found.append(Message("slices of {a} mm now and {b} mm then: volumes are hard to compare", a=a, b=b))
    if now.on is None or prior.on is None or now.on <= prior.on:
        found.append(Message("which CT is earlier is not known from the files: no doubling time"))
    return tuple(found)


# measures ------------------------------------------------------------------------------------------------------------


def measured(now: Sighting, prior: Sighting, days: int | None) -> Change:
    """What became of a nodule by its measures; the fields of the pair are left as they are. See above for sources."""
    mm = _less(now.mean_mm, prior.mean_mm)
    percent = None
    if now.volume_mm3 and prior.volume_mm3:
        percent = (now.volume_mm3 / prior.volume_mm3 - 1) * 100
    state = _state(mm, percent)
    doubling = None
    if state is State.GROWN and days is not None and days > 0:
        if percent is not None and percent > 0 and now.volume_mm3 and prior.volume_mm3:
            doubling = growth.doubling_days(prior.volume_mm3, now.volume_mm3, days)
        elif mm is not None and mm > 0 and now.mean_mm and prior.mean_mm:
            doubling = growth.doubling_days(growth.sphere(prior.mean_mm), growth.sphere(now.mean_mm), days)
    return Change(
        state,
        now,
        prior,
        delta_mm=mm,
        delta_long_mm=_less(now.long_mm, prior.long_mm),
        delta_volume_percent=percent,
        doubling_days=doubling,
        days=days,
    )


def _state(mm: float | None, percent: float | None) -> State:
    """By the volume where it changed by more than its error, else by the mean diameter."""
    if mm is None and percent is None:
        return State.SEEN
    limit = growth.SIGNIFICANT * 100
    if percent is not None and abs(percent) > limit:
        return State.GROWN if percent > 0 else State.SHRUNK
    if mm is not None and abs(mm) > growth.SIGNIFICANT_MM:
        return State.GROWN if mm > 0 else State.SHRUNK
    return State.STABLE


def _less(now: float | None, prior: float | None) -> float | None:
    return None if now is None or prior is None else now - prior
