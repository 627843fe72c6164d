"""Entries of the form that cannot both be true: a rule would take them all the same."""

from __future__ import annotations

from collections.abc import Mapping

from cadviewer.risk.lung_rads import Status
from cadviewer.risk.words import NoduleType

SHORT = "the short axis is longer than the long one"
SOLID_LONGER = "the solid part is longer than the nodule"
SOLID_SHORT = "the solid part's short axis is longer than its long one"
NO_PART = "a solid part is entered, and the type is not part-solid"
PRIOR_SHORT = "the earlier short axis is longer than the earlier long one"
NEW = "new since the earlier CT, and an earlier size is entered"
DATE = "the earlier CT is not before this one"
WORDS = (SHORT, SOLID_LONGER, SOLID_SHORT, NO_PART, PRIOR_SHORT, NEW, DATE)
_TENTH = 0.05  # mm: what rounding to a tenth may turn round


def contradictions(case: Mapping[str, str], finding: Mapping[str, str]) -> tuple[str, ...]:
    """What contradicts in the fields of a case and of one of its findings, of `WORDS`, in that order."""

    def longer(name: str, other: str) -> bool:
        return name in finding and other in finding and float(finding[name]) > float(finding[other]) + _TENTH

    solid = any(name in finding for name in ("solid_long_mm", "solid_short_mm"))
    earlier = any(name in finding for name in ("prior_long_mm", "prior_short_mm", "prior_volume_mm3"))
    dates = case.get("prior_date"), case.get("scan_date")
    found = {
        SHORT: longer("short_mm", "long_mm"),
        SOLID_LONGER: longer("solid_long_mm", "long_mm"),
        SOLID_SHORT: longer("solid_short_mm", "solid_long_mm"),
        NO_PART: solid and finding.get("type") in (NoduleType.SOLID, NoduleType.NON_SOLID),
        PRIOR_SHORT: longer("prior_short_mm", "prior_long_mm"),
        NEW: earlier and finding.get("status") == Status.NEW,
        DATE: all(dates) and str(dates[0]) >= str(dates[1]),
    }
    return tuple(text for text in WORDS if found[text])
