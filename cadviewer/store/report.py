"""From what was read and found to the report of a case."""

from __future__ import annotations

from cadviewer.findings import Result
from cadviewer.imaging.series import Rejected, Series
from cadviewer.store.case_report import CaseReport, CaseState, case_of, one_line
from cadviewer.store.export.parts import part_of


def of_rejected(rejected: Rejected, *, case: str = "", n_files: int = 1) -> CaseReport:
    """The report of a file that gave no image. case: its name, "" for `case_of` its path."""
    state = CaseState(rejected.state.value)
    return CaseReport(case or case_of(rejected.source), rejected.source, state, one_line(rejected.reason), n_files)


def of_result(series: Series, result: Result, seconds_load: float | None) -> CaseReport:
    """The report of an analysed series: refused when none of its images was in the model's scope."""
    n_files = len(series.files) + len(series.data_files)
    reason = part_of(result.task).refused(result)
    state = CaseState.REFUSED if reason else CaseState.DONE
    report = CaseReport(
        result.case_id, series.source, state, reason, n_files, series, result.task, result, seconds_load
    )
    if state is CaseState.DONE and report.warnings:
        return CaseReport(**(vars(report) | {"reason": "; ".join(report.warnings)}))
    return report
