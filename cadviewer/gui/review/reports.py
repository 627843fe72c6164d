"""The report of a case that is open: as text for the clipboard, and what the preview and the files are made from."""

from __future__ import annotations

from dataclasses import replace

from cadviewer import translations
from cadviewer.gui.cases.case import Case
from cadviewer.imaging.examination import NOTHING, Examination
from cadviewer.imaging.series import Volume
from cadviewer.store.reporting import templates
from cadviewer.store.reporting.content import Report, report_of


def report_of_case(case: Case, examination: Examination = NOTHING, impression: str | None = None) -> Report | None:
    """As it is read now; None where there is no result to report. impression: instead of the one that is kept."""
    if case.result is None or case.concealed:
        return None
    report = report_of(case.series, case.result, case.reading(), examination=examination)
    return report if impression is None else replace(report, impression=impression)


def volume_of(case: Case) -> Volume | None:
    """Its pixels, None while they are not all there."""
    whole = case.stack is not None and case.stack.complete
    return Volume(case.series, case.stack.pixels) if case.stack is not None and whole else None


def text_of(case: Case, number: int | None = None) -> str:
    """The report as text without whose it is, or of one finding what the report says of it; "" for nothing.

    Raises `store.export.ExportError` where a site's template is wrong.
    """
    report = report_of_case(case)
    if report is None:
        return ""
    finding = report.finding(case.name(number)) if number is not None else None
    words = translations.spoken()
    if finding is not None:
        return templates.line_of(report, finding, words)
    return templates.render(report.anonymous(), words)
