"""What the list says of a finding."""

from __future__ import annotations

from dataclasses import replace

from gui_desk import nodule

from cadviewer.findings import Estimate
from cadviewer.gui.cases import wording


def test_a_suspicion_is_shown_as_the_readers_impression_that_it_is() -> None:
    found = replace(nodule(1, 0.9, 2, 3), malignancy=Estimate(0.55, 0.5, 0.6, (0.05, 0.1, 0.3, 0.35, 0.2)))
    assert "readers' impression 4 of 5, moderately suspicious (2–5)" in wording.measures(found)
    assert "%" not in wording.measures(found)
