"""Saving what was read of a case to a file that the user names; written on a thread, whole or not at all."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtWidgets import QFileDialog, QWidget

from cadviewer.background import Background
from cadviewer.findings import Result
from cadviewer.gui.cases.case import Case
from cadviewer.gui.i18n.language import tr, translate
from cadviewer.gui.review.reports import volume_of
from cadviewer.imaging.series import Series, Volume
from cadviewer.store import export
from cadviewer.store.reading import Reading
from cadviewer.store.report import of_result
from cadviewer.store.reporting.content import Report
from cadviewer.store.reporting.phrases import date

if TYPE_CHECKING:
    from cadviewer.store.reporting.writing import Layout

log = logging.getLogger(__name__)


class Saving(QObject):
    """Signals: said(text): it is on the disk. failed(text): it is not, and why."""

    said = Signal(str)
    failed = Signal(str)

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self._window = window
        self.candidates = False  # whether findings below the threshold are saved too: most of the file
        self._thread = Background("saving", self._not_saved)

    def ask(self, case: Case, folder: str) -> None:
        """Ask where to, then save. The name proposed is of the study, see `proposed`: no patient's."""
        kinds = {label_of(found): (name, found.suffix[1:]) for name, found in export.for_files().items()}
        dialog = QFileDialog(self._window, tr("Save the reading"), folder, ";;".join(kinds))
        dialog.selectNameFilter("JSON (*.json)")
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setDefaultSuffix("json")
        dialog.filterSelected.connect(lambda kind: _use_kind(dialog, case.series, *kinds[kind]))
        dialog.selectFile(f"{proposed(case.series)}.json")
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.fileSelected.connect(
            lambda file: self.save(case, Path(file), _meant(Path(file), *kinds[dialog.selectedNameFilter()]))
        )
        dialog.open()

    def save(self, case: Case, path: Path, name: str = "") -> None:
        """Write the case as it is now. name: of the format, "" for what the suffix says (`store.export.write`)."""
        if case.result is not None:
            result = case.result if self.candidates else replace(case.result, candidates=())
            self._thread.do(self._write, case.series, volume_of(case), result, case.reading(), path, name)

    def save_report(self, name: str, report: Report, volume: Volume | None, layout: Layout, path: Path) -> None:
        """Write a report as it was previewed. name: of the format."""
        from cadviewer.store.reporting import writing  # OpenCV, which the window's start does not need

        self._thread.do(self._try, path, lambda: writing.write(name, report, volume, layout, path), True)

    def close(self) -> None:
        self._thread.close()

    def _write(
        self, series: Series, volume: Volume | None, result: Result, reading: Reading, path: Path, name: str
    ) -> None:
        report = of_result(series, result, None)
        self._try(path, lambda: export.write(report, volume, reading, path, name))

    def _try(self, path: Path, write: Callable[[], None], of_report: bool = False) -> None:
        """Write, and say how that went."""
        try:
            write()
        except (OSError, export.ExportError) as error:
            log.warning("a reading could not be saved: %s", type(error).__name__)
            said = (error.strerror or tr("disk error")) if isinstance(error, OSError) else translate(str(error))
            if of_report:
                self.failed.emit(tr("The report was not saved: {reason}", reason=said))
            else:
                self._not_saved(said)
            return
        size = max(1, round(path.stat().st_size / 1000))
        if of_report:
            self.said.emit(tr("The report was saved: {path} ({size} kB)", path=str(path), size=size))
        else:
            self.said.emit(tr("The reading was saved: {path} ({size} kB)", path=str(path), size=size))

    def _not_saved(self, reason: str) -> None:
        self.failed.emit(tr("The reading was not saved: {reason}", reason=reason))


def _use_kind(dialog: QFileDialog, series: Series, name: str, suffix: str) -> None:
    """Another kind of file was chosen: the name that was proposed, and nobody changed, goes with it."""
    dialog.setDefaultSuffix(suffix)
    chosen = dialog.selectedFiles()
    if chosen and Path(chosen[0]).name.startswith(proposed(series)):
        dialog.selectFile(file_name(series, name, suffix))


def file_name(series: Series, name: str, suffix: str) -> str:
    """The name proposed for a format, with what it is where other formats end their files alike."""
    alike = [form for form in export.for_files().values() if form.suffix == f".{suffix}"]
    return f"{proposed(series)}{f'-{name}' if len(alike) > 1 else ''}.{suffix}"


def label_of(form: export.Format) -> str:
    """A format as the dialog lists it: "JSON (*.json)"."""
    return f"{tr(form.label) or form.suffix[1:].upper()} (*{form.suffix})"


def _meant(path: Path, name: str, suffix: str) -> str:
    """The format that was chosen in the dialog; "" where the reader typed the suffix of another one."""
    return name if path.suffix.lower() == f".{suffix}" else ""


def proposed(series: Series) -> str:
    """A name for a file about a series: date of the study and number of the series, else the case's hash."""
    if not series.study_date.isdecimal():
        return series.case_id
    number = f"-series{series.series_number}" if series.series_number is not None else f"-{series.case_id[:6]}"
    return f"{date(series.study_date)}{number}"
