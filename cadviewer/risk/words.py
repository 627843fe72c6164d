"""What every rule's answer looks like, and the words that the rules share."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum


class NoduleType(StrEnum):
    """How dense a nodule is, or that it lies in an airway (Lung-RADS v2022 alone has lines for the last two)."""

    SOLID = "solid"
    PART_SOLID = "part-solid"
    NON_SOLID = "non-solid"
    AIRWAY_SUBSEGMENTAL = "airway, subsegmental"
    AIRWAY_CENTRAL = "airway, segmental or more central"


@dataclass(frozen=True)
class Rule:
    """A published rule: its name, its version, and where it was read."""

    name: str
    version: str
    source: str

    @property
    def title(self) -> str:
        """ "Lung-RADS v2022"."""
        return f"{self.name} {self.version}"


@dataclass(frozen=True)
class Assessment:
    """What a rule says.

    category: in the rule's own words; None while something is missing.
    management: the rule's recommendation, "" without a category.
    used: (name, value) of every input that the answer rests on.
    missing: what the rule needs and was not told, in words ("nodule type").
    notes: what the reader should know: what was rounded, what another reading of the size would give.
    """

    rule: Rule
    category: str | None = None
    management: str = ""
    used: tuple[tuple[str, str], ...] = ()
    missing: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if (self.category is None) != bool(self.missing):
            raise ValueError("an answer has a category, or says what is missing for it")

    @property
    def headline(self) -> str:
        """The category, or "not determined: …" with what is missing."""
        return self.category if self.category is not None else f"not determined: {', '.join(self.missing)}"


def rounded(value: float, digits: int) -> float:
    """Half away from zero, as people round: 6.25 is 6.3 (Python's `round` gives 6.2)."""
    step = Decimal(1).scaleb(-digits)
    return float(Decimal(repr(float(value))).quantize(step, rounding=ROUND_HALF_UP))


def mean_diameter(long_mm: float | None, short_mm: float | None, digits: int) -> float | None:
    """Mean of the two axes, in mm to so many digits; None unless both are known. Raises ValueError for a size of none.

    With one digit the axes are rounded first, as Lung-RADS v2022 (note on nodule size) has them measured.
    """
    for value in (long_mm, short_mm):
        if value is not None and not value > 0:
            raise ValueError(f"a diameter is positive, not {value}")
    if long_mm is None or short_mm is None:
        return None
    if digits == 0:
        return rounded((long_mm + short_mm) / 2, 0)
    total = Decimal(repr(rounded(long_mm, digits))) + Decimal(repr(rounded(short_mm, digits)))
    return rounded(float(total / 2), digits)


def yes(value: bool | None) -> str:
    """ "yes", "no", or "not determined"."""
    return "not determined" if value is None else "yes" if value else "no"
