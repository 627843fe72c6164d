"""Findings of two CTs are matched: the right list on phantoms with known truth, and questions where it is unsure."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from chest_pairs import MOTIONS, examined, pair, registered, result

from cadviewer.imaging.geometry import Geometry, Vector
from cadviewer.imaging.registration.maps import Registration, Warp
from cadviewer.imaging.registration.registering import register
from cadviewer.imaging.series import Patient, Shape
from cadviewer.risk import form, lung_rads
from cadviewer.store import matching
from cadviewer.store.comparison import Change, Comparison, Sighting, State
from cadviewer.store.marks import FindingRef, Paired
from cadviewer.store.reading import facts, lung_rads_status, read

TRUTH = {0: State.GROWN, 1: State.STABLE, 2: State.NEW, 3: State.GONE, 4: State.STABLE}
"""Of `phantoms.pairs.FOLLOWED`, by its place there."""


def compared(name: str, seed: int = 3) -> Comparison:
    return matching.compare(examined(name, 1, seed), examined(name, 0, seed), registered(name, seed))


@pytest.mark.parametrize(("name", "seed"), [*((name, 3) for name in (*MOTIONS, "thick")), ("breathing", 8)])
def test_phantom_pairs_give_the_right_list_and_no_wrong_pair(name: str, seed: int) -> None:
    made, found = pair(name, seed), compared(name, seed)
    states = []
    for (before, now), truth in zip(made.places, TRUTH.values(), strict=True):
        change = next(c for c in found.changes if _at(c.now, now) or _at(c.prior, before))
        states.append(change.state)
        if truth in (State.GROWN, State.STABLE):  # both ends are this nodule
            assert _at(change.now, now), truth
            assert _at(change.prior, before), truth
        assert change.sure, change.doubt
    assert states == list(TRUTH.values())
    assert len(found.changes) == len(TRUTH)
    assert found.residual_mm is not None
    assert found.residual_mm < 3


def _at(seen: Sighting | None, place: Vector) -> bool:
    return seen is not None and float(np.linalg.norm(np.subtract(seen.centre_mm, place))) < 0.01


def test_growth_is_measured_and_the_doubling_time_follows_from_the_dates() -> None:
    grown = next(c for c in compared("breathing").changes if c.state is State.GROWN)
    assert grown.now is not None
    assert grown.prior is not None
    assert grown.days == 365
    assert grown.delta_mm == pytest.approx(4.0, abs=0.8)  # 8 → 12 mm
    assert grown.delta_volume_percent == pytest.approx(((12 / 8) ** 3 - 1) * 100, rel=0.25)
    true_doubling = 365 * np.log(2) / np.log((12 / 8) ** 3)
    assert grown.doubling_days == pytest.approx(true_doubling, rel=0.2)
    stable = next(c for c in compared("breathing").changes if c.state is State.STABLE)
    assert stable.doubling_days is None


def test_the_order_of_opening_does_not_matter() -> None:
    made = pair("moved")
    series = [made.now.volume.series, made.before.volume.series]
    dates = [date(2024, 1, 10), date(2023, 1, 10)]
    assert matching.in_order(*series, (dates[0], dates[1])) == (series[0], series[1])
    assert matching.in_order(series[1], series[0], (dates[1], dates[0])) == (series[0], series[1])
    assert matching.in_order("a", "b", (None, dates[1])) == ("a", "b")


def test_what_is_registered_the_other_way_round_gives_the_opposite_list() -> None:
    forth = registered("turned")
    back = replace(forth, forward=forth.backward, backward=forth.forward, prior=forth.now, now=forth.prior)
    found = matching.compare(examined("turned", 0), examined("turned", 1), back)
    states = sorted(c.state.value for c in found.changes)
    assert states == sorted(s.value for s in (State.SHRUNK, State.STABLE, State.GONE, State.NEW, State.STABLE))
    assert any("not known from the files" in w for w in found.warnings)  # the dates run backwards


def test_different_patients_and_other_images_are_refused() -> None:
    now, prior = (p.volume.series for p in (pair("moved").now, pair("moved").before))
    assert matching.refusal(now, prior) == ""
    other = replace(prior, patient=Patient("Phantom^Other", "PHANTOM-99", "F", "19700101"))
    assert "of one patient" in matching.refusal(now, other)
    unnamed = replace(prior, patient=Patient())
    assert "of one patient" in matching.refusal(now, unnamed)
    assert "itself" in matching.refusal(now, now)
    assert "Hounsfield" in matching.refusal(now, replace(prior, hounsfield=False))
    assert "slices are missing" in matching.refusal(
        now, replace(prior, shape=Shape.STACK, not_volume="slices are missing")
    )


# made by hand ---------------------------------------------------------------------------------------------------------

GRID = Geometry((60, 60, 60), (5.0, 5.0), 5.0, (0.0, 0.0, 0.0), ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0)))
STILL = Warp(np.eye(3), np.zeros(3), GRID, np.zeros((60, 60, 60, 3), np.float32))


def still(likeness: float = 1.0) -> Registration:
    """Two CTs that lie alike, and how much they look alike."""
    return Registration(STILL, STILL, GRID, np.full(GRID.shape, likeness, np.float32), 1.0, GRID, GRID)


def seen(number: int, x: float, size: float = 8.0, y: float = 100.0, *, weak: bool = False) -> Sighting:
    place = FindingRef("m", "0" * 64, number, number, x, y, x + size, y + size)
    volume = np.pi / 6 * size**3
    return Sighting(
        number, str(number), place, number, (x, y, 100.0), size, size, volume, weak=weak, why="rejected by the reader"
    )


def exam(*sightings: Sighting, case: str = "now", on: date | None = date(2024, 1, 10)) -> matching.Examination:
    return matching.Examination(case, GRID, sightings, on)


def prior_exam(*sightings: Sighting) -> matching.Examination:
    return exam(*sightings, case="prior", on=date(2023, 1, 10))


def states(found: Comparison) -> list[tuple[str, str, str]]:
    return [(c.now.name if c.now else "", c.prior.name if c.prior else "", c.state.value) for c in found.changes]


def test_two_candidates_near_are_asked_about_and_the_answer_settles_it() -> None:
    now, prior = exam(seen(1, 100)), prior_exam(seen(11, 97), seen(12, 104))
    found = matching.compare(now, prior, still())
    (pair_,) = [c for c in found.changes if c.now and c.prior]
    assert not pair_.sure
    assert pair_.doubt == "finding 12 is near as well"
    no = Paired(now.sightings[0].place, "prior", prior.sightings[0].place, False)
    found = matching.compare(now, prior, still(), [no])
    assert states(found) == [("1", "12", "stable"), ("", "11", "gone")]
    yes = Paired(now.sightings[0].place, "prior", prior.sightings[0].place, True)
    found = matching.compare(now, prior, still(), [no, yes])  # the last answer counts
    assert states(found) == [("1", "11", "stable"), ("", "12", "gone")]
    assert found.changes[0].sure
    assert found.changes[0].answered
    back = replace(yes, same=None)
    assert not matching.compare(now, prior, still(), [yes, back]).changes[0].sure
    assert not matching.compare(now, prior, still(), [replace(yes, case="another")]).changes[0].answered


def test_pairs_are_those_of_least_distance_in_all() -> None:
    now, prior = exam(seen(1, 100), seen(2, 112)), prior_exam(seen(11, 108), seen(12, 118))
    assert states(matching.compare(now, prior, still()))[:2] == [("1", "11", "stable"), ("2", "12", "stable")]


def test_far_apart_is_no_pair_and_farther_than_expected_is_asked() -> None:
    assert states(matching.compare(exam(seen(1, 100)), prior_exam(seen(11, 130)), still())) == [
        ("1", "", "new"),
        ("", "11", "gone"),
    ]
    (change,) = matching.compare(exam(seen(1, 100)), prior_exam(seen(11, 112)), still()).changes
    assert (change.sure, change.doubt) == (False, "it lies 12 mm from where it is expected")


def test_where_the_two_do_not_look_alike_nothing_is_sure() -> None:
    found = matching.compare(exam(seen(1, 100), seen(2, 200)), prior_exam(seen(11, 100)), still(likeness=0.1))
    assert [c.sure for c in found.changes] == [False, False]
    assert all("registration is not sure" in c.doubt for c in found.changes)
    new = Paired(seen(2, 200).place, "prior", None, False)
    found = matching.compare(exam(seen(1, 100), seen(2, 200)), prior_exam(seen(11, 100)), still(0.1), [new])
    assert found.of(2) is not None
    assert found.changes[1].sure


def test_ct_of_another_patient_under_the_same_id_gives_nothing_that_is_sure() -> None:
    """The files cannot tell; that the two do not fit each other does."""
    now, prior = pair("breathing"), pair("breathing", 8)
    found = register(now.now.volume, prior.before.volume)
    assert found.residual_mm > matching.POOR_MM
    compared_ = matching.compare(examined("breathing", 1), examined("breathing", 0, 8), found)
    assert not any(change.sure for change in compared_.changes if change.state is not State.NOT_COVERED)


def test_a_very_different_size_is_asked_about() -> None:
    (change,) = matching.compare(exam(seen(1, 100, 20.0)), prior_exam(seen(11, 100, 6.0)), still()).changes
    assert (change.state, change.sure) == (State.GROWN, False)
    assert "factor of 3.3" in change.doubt


def test_what_the_earlier_ct_has_below_the_threshold_is_no_new_finding_but_a_question() -> None:
    found = matching.compare(exam(seen(1, 100)), prior_exam(seen(11, 101, weak=True)), still())
    assert states(found) == [("1", "11", "stable")]
    assert found.changes[0].doubt == "it is rejected by the reader in the earlier CT"
    tiny = matching.compare(exam(seen(1, 100)), prior_exam(seen(11, 101, 3.0, weak=True)), still())
    assert states(tiny) == [("1", "", "new")]
    alone = matching.compare(exam(seen(1, 100)), prior_exam(seen(11, 150, weak=True)), still())
    assert states(alone) == [("1", "", "new")]  # and what is weak is not gone


def test_what_lies_outside_the_other_ct_is_neither_new_nor_gone() -> None:
    found = matching.compare(exam(seen(1, 400)), prior_exam(seen(11, 500)), still())
    assert [c.state for c in found.changes] == [State.NOT_COVERED, State.NOT_COVERED]


@pytest.mark.parametrize(
    ("before", "now", "state", "doubles"),
    [
        ((8.0, 300.0), (8.6, 370.0), State.STABLE, False),  # + 23 %
        ((8.0, 300.0), (8.6, 380.0), State.GROWN, True),  # + 27 %
        ((8.0, None), (9.5, None), State.STABLE, False),  # 1.5 mm is not more than 1.5 mm
        ((8.0, None), (9.6, None), State.GROWN, True),
        ((9.6, None), (8.0, None), State.SHRUNK, False),
        ((8.0, 300.0), (9.8, 340.0), State.GROWN, True),  # by its diameter alone
        ((None, None), (8.0, None), State.SEEN, False),
    ],
)
def test_what_counts_as_a_change(
    before: tuple[float | None, float | None], now: tuple[float | None, float | None], state: State, doubles: bool
) -> None:
    a, b = (replace(seen(1, 100), long_mm=size[0], short_mm=size[0], volume_mm3=size[1]) for size in (before, now))
    change = matching.measured(b, a, 365)
    assert (change.state, change.doubling_days is not None) == (state, doubles)


@pytest.mark.parametrize(
    ("state", "mm", "days", "word"),
    [
        (State.NEW, None, 365, lung_rads.Status.NEW),
        (State.STABLE, 0.4, 365, lung_rads.Status.STABLE),
        (State.SHRUNK, -3.0, 365, lung_rads.Status.STABLE),
        (State.GROWN, 2.0, 365, lung_rads.Status.GROWING),
        (State.GROWN, 2.0, 90, lung_rads.Status.GROWING),
        (State.GROWN, 2.0, 730, None),  # 1 mm a year
        (State.GROWN, 4.0, 730, lung_rads.Status.GROWING),
        (State.GROWN, 1.2, 365, None),  # by its volume alone
        (State.GONE, None, 365, None),
    ],
)
def test_what_lung_rads_is_told(state: State, mm: float | None, days: int, word: lung_rads.Status | None) -> None:
    assert lung_rads_status(Change(state, seen(1, 0), None, delta_mm=mm, days=days)) is word


def test_the_rules_take_a_sure_change_and_the_reader_overrules_it() -> None:
    made, found = pair("breathing"), result(pair("breathing").now)
    changes = compared("breathing")
    reading = read((), found.nodules, found, made.now.volume.series, changes)
    grown = next(r for r in reading.findings if r.change is not None and r.change.state is State.GROWN)
    assert grown.form["status"] == "growing"
    assert grown.change is not None
    assert grown.change.prior is not None
    assert float(grown.form["prior_long_mm"]) == grown.change.prior.long_mm
    assert grown.change.prior.mean_mm == pytest.approx(8, abs=1)
    assert reading.form["prior_date"] == "2023-01-10"
    case = {**reading.form, "setting": "screening"}
    rules = form.assess(case, {**grown.form, "type": "solid", "feature": "none of these"})
    assert rules[0].category == "4B"  # growing, 8 mm and more
    assert rules[2].category is not None
    assert rules[2].category.endswith("days")
    assert replace(grown, values={"status": "stable or smaller"}).form["status"] == "stable or smaller"
    assert "prior_volume_mm3" not in replace(grown, values={"prior_long_mm": "12"}).form
    unsure = replace(grown.change, sure=False)
    assert facts(grown.found.nodule, unsure).status is None
    new = next(r for r in reading.findings if r.change is not None and r.change.state is State.NEW)
    assert new.form["status"] == "new"
    assert len(form.assess(case, new.form)) == 2  # no doubling time is asked of what is new


def test_two_that_are_too_unlike_to_be_paired_are_asked_about() -> None:
    now = exam(replace(seen(1, 100, size=30), type="solid"))
    prior = prior_exam(replace(seen(11, 112, size=3), type="non-solid"))
    found = matching.compare(now, prior, still())
    assert [c.state.value for c in found.changes] == ["new", "gone"]
    assert [c.doubt for c in found.changes] == ["finding 11 is near as well", "finding 1 is near as well"]


def test_a_finding_that_the_reader_calls_new_is_paired_with_nothing() -> None:
    now, prior = exam(seen(1, 100)), prior_exam(seen(11, 100))
    new = Paired(now.sightings[0].place, "prior", None, False)
    found = matching.compare(now, prior, still(), [new])
    assert states(found) == [("1", "", "new"), ("", "11", "gone")]
    assert found.changes[0].answered
    assert found.changes[0].sure
