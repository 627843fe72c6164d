"""How fast a nodule grows: the volume doubling time, by volumes or else by mean diameters.

VDT = Δt · ln 2 / ln(V2 / V1), of diameters Δt · ln 2 / (3 · ln(d2 / d1)) (a sphere). Bands and the 25 % below which a
change of volume may be an error of measuring: British Thoracic Society guidelines, Callister et al., Thorax
2015;70:ii1–ii54, after NELSON.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date

from cadviewer.risk.words import Assessment, Rule

RULE = Rule("Volume doubling time", "BTS 2015", "Thorax 2015;70:ii1–ii54")

SIGNIFICANT = 0.25
"""Least relative change of volume that counts."""
SIGNIFICANT_MM = 1.5
"""Change of the mean diameter that must be exceeded to count (growth in Lung-RADS v2022): less is the error of the two
measurements, which the third power would make a doubling time of."""


@dataclass(frozen=True)
class Look:
    """A nodule at one time; None is not known. mean_mm: mean diameter."""

    on: date | None = None
    volume_mm3: float | None = None
    mean_mm: float | None = None

    def __post_init__(self) -> None:
        for value in (self.volume_mm3, self.mean_mm):
            if value is not None and not value > 0:
                raise ValueError(f"a size is positive, not {value}")


def doubling_days(before: float, after: float, days: float) -> float | None:
    """Days in which a volume doubles; negative where it shrinks, None where it stays exactly the same.

    Raises ValueError unless volumes and days are positive.
    """
    if not (before > 0 and after > 0 and days > 0):
        raise ValueError("volumes and the time between them are positive")
    return None if before == after else days * math.log(2) / math.log(after / before)


def assess(earlier: Look, now: Look) -> Assessment:
    """The doubling time and what the guideline makes of it, or what is missing."""
    missing = [name for name, at in (("date of the earlier CT", earlier.on), ("date of this CT", now.on)) if at is None]
    pair, by = _pair(earlier, now)
    if pair is None:
        missing.append("a volume or both axes of both CTs")
    if earlier.on is not None and now.on is not None and earlier.on >= now.on:
        missing.append("an earlier CT that is earlier than this one")
    if missing or pair is None or earlier.on is None or now.on is None:
        return Assessment(RULE, missing=tuple(missing))
    days = (now.on - earlier.on).days
    change = pair[1] / pair[0] - 1
    used = (
        ("days", str(days)),
        (by, f"{pair[0]:.0f} → {pair[1]:.0f} mm³ ({change * 100:+.0f} %)".replace("-", "−")),
    )
    notes = () if by == "volume" else ("volumes are those of spheres of the mean diameters",)
    if by != "volume" and earlier.mean_mm is not None and now.mean_mm is not None:
        if abs(now.mean_mm - earlier.mean_mm) <= SIGNIFICANT_MM:
            told = f"The mean diameter changed by no more than {SIGNIFICANT_MM} mm"
            return Assessment(RULE, "no significant change", told, used, notes=notes)
    elif abs(change) < SIGNIFICANT:
        return Assessment(
            RULE, "no significant change", f"The volume changed by less than {SIGNIFICANT:.0%}", used, notes=notes
        )
    time = doubling_days(pair[0], pair[1], days)
    if time is None or time < 0:
        return Assessment(RULE, "smaller", "The nodule has shrunk; a doubling time has no meaning", used, notes=notes)
    return Assessment(RULE, f"{time:.0f} days", _band(time), used, notes=notes)


def _pair(earlier: Look, now: Look) -> tuple[tuple[float, float] | None, str]:
    """Both volumes and how they were come by."""
    if earlier.volume_mm3 is not None and now.volume_mm3 is not None:
        return (earlier.volume_mm3, now.volume_mm3), "volume"
    if earlier.mean_mm is not None and now.mean_mm is not None:
        return (sphere(earlier.mean_mm), sphere(now.mean_mm)), "volume by mean diameter"
    return None, ""


def sphere(diameter_mm: float) -> float:
    """Volume in mm³ of a sphere."""
    return math.pi / 6 * diameter_mm**3


def _band(days: float) -> str:
    if days < 400:
        return "Suspicious (doubles in less than 400 days)"
    if days <= 600:
        return "Indeterminate (doubles in 400 to 600 days)"
    return "Probably benign (takes more than 600 days to double)"
