"""Every file of the conformance set in the real window: shown, or refused with a reason, and nothing raised."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pydicom
import pytest
from gui_desk import Desk

from cadviewer.gui.cases.case import Case
from cadviewer.gui.cases.opener import OpenReport
from cadviewer.imaging.annotations import Annotations


@pytest.mark.timeout(600)
def test_every_conformance_file_is_shown_or_refused_with_a_reason(desk: Desk, dicom_conformance: Path) -> None:
    bot, opener = desk.bot, desk.window.opener
    reports: list[OpenReport] = []
    annotations: list[Annotations] = []
    opener.annotated.connect(annotations.append)
    broken: dict[str, str] = {}
    opener.reported.connect(reports.append)
    opener.broken.connect(lambda case, reason: broken.setdefault(case.case_id, reason))
    desk.window.open_paths([dicom_conformance])
    bot.waitUntil(lambda: bool(reports) and not opener.reading, timeout=120_000)
    (report,) = reports
    assert all(r.reason.strip() and "\n" not in r.reason for r in report.rejected)
    cases: list[Case] = list(desk.window.cases)
    files = {f for case in cases for f in case.series.files} | {r.source for r in report.rejected}
    files |= {found.source for found in annotations}
    assert files == {f for f in dicom_conformance.rglob("*") if f.is_file()}
    shown = 0
    for case in cases:
        opener.open_case(case)
        bot.waitUntil(
            lambda case=case: case.case_id in broken or (case.stack is not None and case.stack.complete), timeout=60_000
        )
        if case.case_id in broken:
            assert broken[case.case_id].strip()
        else:
            assert desk.case is case
            assert not desk.viewport.grab().isNull()
            shown += len(case.series.files)
    copies = {r.source for r in report.rejected if r.reason.startswith("a copy of another file")}
    assert _instances(copies) <= _instances(f for case in cases for f in case.series.files)
    assert (shown, len(copies), broken) == (100, 47, {})  # many of the set's images are there in several encodings


def _instances(files: Iterable[Path]) -> set[str]:
    headers = (pydicom.dcmread(file, force=True, stop_before_pixels=True) for file in files)
    return {str(header.get("SOPInstanceUID", "")) for header in headers}
