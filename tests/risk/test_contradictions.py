"""Entries that cannot both be true are named."""

from __future__ import annotations

import pytest

from cadviewer.risk import contradictions as c


@pytest.mark.parametrize(
    ("case", "finding", "said"),
    [
        ({}, {"long_mm": "6", "short_mm": "7"}, (c.SHORT,)),
        ({}, {"long_mm": "6", "short_mm": "6.04"}, ()),
        ({}, {"long_mm": "6", "solid_long_mm": "8", "type": "part-solid"}, (c.SOLID_LONGER,)),
        ({}, {"long_mm": "9", "solid_long_mm": "3", "type": "solid"}, (c.NO_PART,)),
        ({}, {"solid_long_mm": "3", "solid_short_mm": "5", "type": "part-solid"}, (c.SOLID_SHORT,)),
        ({}, {"prior_long_mm": "3", "prior_short_mm": "5"}, (c.PRIOR_SHORT,)),
        ({}, {"prior_long_mm": "3", "status": "new"}, (c.NEW,)),
        ({"scan_date": "2024-03-01", "prior_date": "2024-03-01"}, {}, (c.DATE,)),
        ({"scan_date": "2024-03-01", "prior_date": "2023-03-01"}, {"long_mm": "7", "short_mm": "5"}, ()),
    ],
)
def test_what_contradicts_is_named(case: dict[str, str], finding: dict[str, str], said: tuple[str, ...]) -> None:
    assert c.contradictions(case, finding) == said
