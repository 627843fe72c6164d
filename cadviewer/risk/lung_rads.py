"""Lung-RADS v2022, for screening CT alone.

Source: American College of Radiology, Lung-RADS v2022 (November 2022); Christensen et al., "ACR Lung-RADS v2022:
Assessment Categories and Management Recommendations", CHEST 2024;165(3):738–753, table of categories and its notes.

Sizes are mean diameters to 0.1 mm, or volumes to 1 mm³ where no diameters are known. What the table has no line for is
"not determined" here, and says so. Not covered: atypical cysts, and a 4B lesion after its diagnostic work-up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from cadviewer.risk.words import Assessment, NoduleType, Rule, mean_diameter, rounded

RULE = Rule(
    "Lung-RADS",
    "v2022",
    "ACR 2022; CHEST 2024;165:738–753",
)

VOLUMES: Mapping[float, int] = {4: 34, 6: 113, 8: 268, 10: 524, 15: 1767, 30: 14137}
"""mm³ of the table for its diameters in mm."""

GROWTH_MM = 1.5
"""Growth is an increase in mean diameter of more than this within 12 months."""

ORDER = ("1", "2", "3", "4A", "4B", "4X")

MANAGEMENT: Mapping[str, str] = {
    "1": "12-month screening LDCT",
    "2": "12-month screening LDCT",
    "3": "6-month LDCT",
    "4A": "3-month LDCT; PET/CT may be considered if there is a solid nodule or solid component of ≥ 8 mm (268 mm³)",
    "4B": "Diagnostic chest CT with or without contrast, PET/CT if there is a solid nodule or solid component of "
    "≥ 8 mm (268 mm³), tissue sampling, or referral for further clinical evaluation",
}

RISK: Mapping[str, str] = {"1": "< 1 %", "2": "< 1 %", "3": "1–2 %", "4A": "5–15 %", "4B": "> 15 %", "4X": "> 15 %"}
"""Probability of malignancy that the table gives for a category."""


class Status(StrEnum):
    """What became of a nodule since an earlier screening CT."""

    BASELINE = "baseline"
    NEW = "new"
    STABLE = "stable or smaller"
    GROWING = "growing"
    SLOW = "slowly growing over several exams"


class Feature(StrEnum):
    """What changes a category that size would give."""

    NONE = "none of these"
    BENIGN = "benign calcification or fat"
    JUXTAPLEURAL = "juxtapleural, smooth, oval, lentiform or triangular"
    SUSPICIOUS = "suspicious, e.g. spiculation"


class Incomplete(StrEnum):
    """Why an exam is category 0, or that it is not."""

    COMPLETE = "complete"
    PART = "part of the lungs cannot be evaluated"
    PRIOR = "a prior chest CT is being located"
    INFLAMMATORY = "may be infectious or inflammatory"


@dataclass(frozen=True)
class Nodule:
    """What is known of one nodule; None is not known. Sizes in mm and mm³.

    solid_*: of the solid component of a part-solid nodule. solid_growing: whether that component is new or has grown.
    previous: the category at the earlier CT, months ago, where the axes were previous_long_mm and previous_short_mm.
    """

    type: NoduleType | None = None
    long_mm: float | None = None
    short_mm: float | None = None
    volume_mm3: float | None = None
    status: Status | None = None
    feature: Feature | None = None
    solid_long_mm: float | None = None
    solid_short_mm: float | None = None
    solid_volume_mm3: float | None = None
    solid_growing: bool | None = None
    previous: str | None = None
    months: float | None = None
    previous_long_mm: float | None = None
    previous_short_mm: float | None = None

    def __post_init__(self) -> None:
        if self.previous is not None and self.previous not in ORDER:
            raise ValueError(f"a category is one of {', '.join(ORDER)}, not {self.previous}")


class _Missing(Exception):
    """The table cannot be read on; the message is what is missing."""


@dataclass(frozen=True)
class _Size:
    """A size to be held against the table: mm, or mm³ where mm is None."""

    mm: float | None
    mm3: float | None
    name: str

    @property
    def known(self) -> bool:
        return self.mm is not None or self.mm3 is not None

    def under(self, diameter: float) -> bool:
        """Whether it is smaller than a diameter of the table."""
        if self.mm is not None:
            return self.mm < diameter
        if self.mm3 is not None:
            return self.mm3 < VOLUMES[diameter]
        raise _Missing(self.name)

    def step(self, *lines: tuple[float, str], last: str) -> str:
        """The category of the first line whose diameter this is smaller than."""
        return next((category for diameter, category in lines if self.under(diameter)), last)


def assess(nodule: Nodule) -> Assessment:
    """The category of one nodule and what is recommended for it. Raises ValueError for a size of zero or less."""
    whole, solid = _sizes(nodule, by_volume=False)
    missing, category = _read(nodule, whole, solid)
    if category is None:
        by_size = _provisional(nodule, whole, solid)
        hint = (f"by size alone: category {by_size}",) if by_size else ()
        return Assessment(RULE, used=_used(nodule, whole, solid), missing=missing, notes=hint)
    notes = _notes(nodule, category, whole)
    return Assessment(RULE, category, management(category), _used(nodule, whole, solid), notes=notes)


def management(category: str) -> str:
    """What the table recommends for a category from 1 to 4X."""
    return MANAGEMENT["4B" if category == "4X" else category]


def assess_exam(
    nodules: Sequence[tuple[str, Assessment]],
    *,
    incomplete: Incomplete | None = None,
    other_findings: bool | None = None,
    unread: int = 0,
) -> Assessment:
    """The category of the exam: 0, or that of the most suspicious nodule, with S for other significant findings.

    nodules: (name, answer) of each. unread: findings that the reader has not said anything about yet.
    """
    used = [("exam", incomplete.value)] if incomplete is not None else []
    if incomplete not in (None, Incomplete.COMPLETE):
        words = {
            Incomplete.PART: "Additional LDCT images",
            Incomplete.PRIOR: "Comparison with the prior chest CT",
            Incomplete.INFLAMMATORY: "1–3 month LDCT",
        }
        return _with_s("0", words[incomplete], used, other_findings)
    used += [(name, answer.headline) for name, answer in nodules]
    known = [a.category for _, a in nodules if a.category is not None]
    worst = max(known, key=ORDER.index, default="1")
    missing = [f"{name}: {', '.join(a.missing)}" for name, a in nodules if a.category is None]
    if unread:
        missing.append(f"{unread} finding{'s' if unread > 1 else ''} not read yet")
    if incomplete is None:
        missing.insert(0, "whether the exam is complete")
    if missing and (worst != "4X" or incomplete is None):
        return Assessment(RULE, used=tuple(used), missing=tuple(missing))
    return _with_s(worst, management(worst), used, other_findings)


def _with_s(category: str, words: str, used: list[tuple[str, str]], other_findings: bool | None) -> Assessment:
    notes = () if other_findings is not None else ("modifier S (other significant findings): not determined",)
    if other_findings:
        category, words = f"{category}S", f"{words}; and as appropriate for the other significant findings"
    return Assessment(RULE, category, words, tuple(used), notes=notes)


# the table -----------------------------------------------------------------------------------------------------------


def _read(nodule: Nodule, whole: _Size, solid: _Size) -> tuple[tuple[str, ...], str | None]:
    """(what is missing, None) or ((), category)."""
    if nodule.feature is Feature.BENIGN:
        return (), "1"
    missing = [name for name, value in (("nodule type", nodule.type), ("baseline or new", nodule.status)) if not value]
    if nodule.feature is None:
        missing.append("features")
    if not missing:
        try:
            return (), _category(nodule, whole, solid)
        except _Missing as error:
            missing.append(str(error))
    elif not _in_airway(nodule) and not whole.known:
        missing.append(whole.name)
    return tuple(missing), None


def _in_airway(nodule: Nodule) -> bool:
    return nodule.type in (NoduleType.AIRWAY_SUBSEGMENTAL, NoduleType.AIRWAY_CENTRAL)


def _category(nodule: Nodule, whole: _Size, solid: _Size) -> str:
    category = _plain(nodule, whole, solid)
    if nodule.feature is Feature.SUSPICIOUS and ORDER.index(category) >= ORDER.index("3"):
        return "4X"
    return category


def _plain(nodule: Nodule, whole: _Size, solid: _Size) -> str:
    """The table without category 1 and 4X. Raises _Missing."""
    still = nodule.status in (Status.BASELINE, Status.NEW, Status.STABLE)
    if nodule.type is NoduleType.SOLID and nodule.feature is Feature.JUXTAPLEURAL and still and whole.under(10):
        return "2"
    if _in_airway(nodule):
        return _airway(nodule)
    if nodule.type is NoduleType.NON_SOLID:
        return _non_solid(nodule, whole)
    if nodule.status is Status.SLOW:
        return "4B"
    if nodule.status is Status.STABLE:
        return _stable(nodule, whole, solid)
    if nodule.type is NoduleType.PART_SOLID:
        return _part_solid(nodule, whole, solid)
    if nodule.status is Status.GROWING:
        return whole.step((8, "4A"), last="4B")
    if nodule.status is Status.NEW:
        return whole.step((4, "2"), (6, "3"), (8, "4A"), last="4B")
    return _by_size(nodule, whole, solid)


def _by_size(nodule: Nodule, whole: _Size, solid: _Size) -> str:
    """The lines for a baseline exam."""
    if nodule.type is NoduleType.NON_SOLID:
        return whole.step((30, "2"), last="3")
    if nodule.type is NoduleType.SOLID:
        return whole.step((6, "2"), (8, "3"), (15, "4A"), last="4B")
    if whole.under(6):
        return "2"
    return solid.step((6, "3"), (8, "4A"), last="4B")


def _part_solid(nodule: Nodule, whole: _Size, solid: _Size) -> str:
    if nodule.status is Status.BASELINE:
        return _by_size(nodule, whole, solid)
    if nodule.status is Status.NEW:
        # Under 6 mm in total two lines can hold, that for the total and that for a new solid component: the higher one.
        if whole.under(6) and (not solid.known or solid.under(4)):
            return "3"
        return solid.step((4, "4A"), last="4B")
    if nodule.solid_growing is None:
        raise _Missing("whether the solid component is new or growing")
    if nodule.solid_growing:
        return solid.step((4, "4A"), last="4B")
    return _by_size(nodule, whole, solid)


def _non_solid(nodule: Nodule, whole: _Size) -> str:
    if whole.under(30) or nodule.status in (Status.STABLE, Status.SLOW):
        return "2"
    if nodule.status is not Status.GROWING:
        return "3"
    before = mean_diameter(nodule.previous_long_mm, nodule.previous_short_mm, 1)
    if before is None:
        raise _Missing("the earlier diameters")
    if before < 30:
        return "3"
    raise _Missing("a line of the table for a non-solid nodule of ≥ 30 mm that grows by more than 1.5 mm in 12 months")


def _airway(nodule: Nodule) -> str:
    if nodule.type is NoduleType.AIRWAY_SUBSEGMENTAL and nodule.status in (
        Status.BASELINE,
        Status.NEW,
        Status.STABLE,
    ):
        return "2"
    if nodule.type is NoduleType.AIRWAY_CENTRAL and nodule.status is Status.BASELINE:
        return "4A"
    if nodule.type is NoduleType.AIRWAY_CENTRAL and nodule.status is not Status.NEW:
        return "4B"
    assert nodule.status is not None
    raise _Missing(f"a line of the table for a nodule in such an airway that is {nodule.status.value}")


def _stable(nodule: Nodule, whole: _Size, solid: _Size) -> str:
    """Stepped management of nodules that are stable or smaller, unless a size threshold was crossed."""
    if nodule.previous is None:
        raise _Missing("the category at the earlier CT")
    if nodule.type is NoduleType.PART_SOLID and nodule.solid_growing is None:
        raise _Missing("whether the solid component is new or growing")
    if nodule.type is NoduleType.PART_SOLID and nodule.solid_growing:
        return solid.step((4, "4A"), last="4B")
    now = _by_size(nodule, whole, solid)
    if _crossed(nodule, whole, now):
        return now
    if nodule.previous in ("1", "2"):
        return "2"
    wait = {"3": 6, "4A": 3}.get(nodule.previous)
    if wait is None:
        raise _Missing("the outcome of the diagnostic work-up")
    if nodule.months is None:
        raise _Missing("months since the earlier CT")
    if nodule.months < wait:
        raise _Missing(f"a CT {wait} months after the earlier one")
    return "2" if nodule.previous == "3" else "3"


def _crossed(nodule: Nodule, whole: _Size, now: str) -> bool:
    """Whether a stable nodule is in a higher size category than before, which counts even without growth."""
    if whole.mm is None:
        return False
    before = mean_diameter(nodule.previous_long_mm, nodule.previous_short_mm, 1)
    thresholds = (6.0, 8.0, 15.0) if nodule.type is NoduleType.SOLID else (6.0,)
    within = [t for t in thresholds if t <= whole.mm <= t + GROWTH_MM]
    if before is None:
        if within:
            raise _Missing("the earlier diameters, as a size threshold may have been crossed")
        return False
    return any(before < t <= whole.mm for t in thresholds) and now != "2"


# words ---------------------------------------------------------------------------------------------------------------


def _sizes(nodule: Nodule, *, by_volume: bool) -> tuple[_Size, _Size]:
    def one(long: float | None, short: float | None, volume: float | None, name: str) -> _Size:
        if volume is not None and not volume > 0:
            raise ValueError(f"a volume is positive, not {volume}")
        mm = None if by_volume else mean_diameter(long, short, 1)
        return _Size(mm, rounded(volume, 0) if volume is not None else None, name)

    return (
        one(nodule.long_mm, nodule.short_mm, nodule.volume_mm3, "size (long and short axis, or volume)"),
        one(nodule.solid_long_mm, nodule.solid_short_mm, nodule.solid_volume_mm3, "size of the solid component"),
    )


def _provisional(nodule: Nodule, whole: _Size, solid: _Size) -> str | None:
    """What size alone would give when nothing but the features is missing."""
    if nodule.feature is not None or nodule.type is None or nodule.status is None:
        return None
    try:
        return _plain(nodule, whole, solid)
    except _Missing:
        return None


def _notes(nodule: Nodule, category: str, whole: _Size) -> tuple[str, ...]:
    notes = [f"published probability of malignancy {RISK[category]}"]
    by_volume = _sizes(nodule, by_volume=True)
    if whole.mm is not None and by_volume[0].mm3 is not None and not _in_airway(nodule):
        solid_too = nodule.type is not NoduleType.PART_SOLID or by_volume[1].mm3 is not None
        missing, other = _read(nodule, *by_volume) if solid_too else (("",), None)
        if not missing and other != category:
            notes.append(f"by volume it would be category {other}")
    return tuple(notes)


def _used(nodule: Nodule, whole: _Size, solid: _Size) -> tuple[tuple[str, str], ...]:
    pairs: list[tuple[str, str]] = []
    if nodule.type is not None:
        pairs.append(("type", nodule.type.value))
    pairs += _size_words("", whole)
    if nodule.type is NoduleType.PART_SOLID:
        pairs += _size_words("solid component, ", solid)
        if nodule.solid_growing is not None:
            pairs.append(("solid component new or growing", "yes" if nodule.solid_growing else "no"))
    if nodule.status is not None:
        pairs.append(("since the earlier CT", nodule.status.value))
    if nodule.feature is not None:
        pairs.append(("features", nodule.feature.value))
    if nodule.status is Status.STABLE and nodule.previous is not None:
        pairs.append(("earlier category", nodule.previous))
        if nodule.months is not None:
            pairs.append(("months since", f"{nodule.months:g}"))
    return tuple(pairs)


def _size_words(prefix: str, size: _Size) -> list[tuple[str, str]]:
    if size.mm is not None:
        return [(f"{prefix}mean diameter", f"{size.mm:.1f} mm")]
    return [(f"{prefix}volume", f"{size.mm3:.0f} mm³")] if size.mm3 is not None else []
