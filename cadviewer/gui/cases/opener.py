"""Opening: from paths to a case on screen. The case on screen stays until the first image of the next one is there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from cadviewer.findings import SPLITS, Task, half_of
from cadviewer.gui.cases.case import Case, Status
from cadviewer.gui.cases.loader import LoadedSeries, Loader
from cadviewer.gui.cases.registry import Cases
from cadviewer.gui.i18n.language import tr
from cadviewer.imaging.annotations import Annotations
from cadviewer.imaging.series import UNTOLD, Rejected, Series, State, Volume


@dataclass
class OpenReport:
    """What came of one request to open something."""

    paths: tuple[Path, ...]
    series: int = 0
    annotations: int = 0
    rejected: list[Rejected] = field(default_factory=list)
    problem: str = ""

    @property
    def refused(self) -> list[Rejected]:
        """What was an image, or should have been one: reports and texts beside the images alarm nobody.

        Nor does a folder of annotations alone, though it has no image.
        """
        folders = self.paths if self.annotations and not self.series else ()
        return [r for r in self.rejected if r.state is not State.SKIPPED and r.source not in folders]


class Opener(QObject):
    """Signals: added(Case); annotated(Annotations): a file of them was found; opened(Case): it is on screen now;
    arrived(Case): more slices of it; removed(): some are not in the window any more; loaded(Case): all of it;
    broken(Case, reason): it could not be read, the case before is on screen again; reported(Report): a request to open
    is over; busy(text, done, total): what is being read, "" for nothing.
    """

    added = Signal(object)
    annotated = Signal(object)
    opened = Signal(object)
    closed = Signal()
    removed = Signal()
    arrived = Signal(object)
    loaded = Signal(object)
    broken = Signal(object, str)
    reported = Signal(object)
    busy = Signal(str, int, int)

    def __init__(self, cases: Cases, loader: Loader, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._cases, self._loader = cases, loader
        self._reports: dict[int, OpenReport] = {}
        self._reading: LoadedSeries | None = None
        self._before: Case | None = None  # on screen until what is being read proves readable
        loader.found.connect(self._found)
        loader.scanning.connect(lambda number, done, total: self.busy.emit("Looking for images", done, total))
        loader.scanned.connect(self._scanned)
        loader.began.connect(self._began)
        loader.progressed.connect(self._progressed)
        loader.finished.connect(self._finished)
        loader.failed.connect(self._failed)

    @property
    def reading(self) -> bool:
        """Whether a series is being read."""
        return self._reading is not None

    def open_paths(self, paths: Sequence[Path]) -> None:
        """Look for series in files and folders; the first one found is opened."""
        report = OpenReport(tuple(paths))
        self.busy.emit(tr("Looking for images"), 0, 0)
        self._reports[self._loader.scan(report.paths)] = report

    def open_made(self, make: Callable[[], Sequence[Path]]) -> None:
        """Open what `make` makes on the scanning thread."""
        self.busy.emit(tr("Preparing"), 0, 0)
        self._reports[self._loader.scan((), make)] = OpenReport(())

    def open_case(self, case: Case) -> None:
        """Put a case on screen, reading it first if need be."""
        if case is self._cases.current and case.stack is not None:
            if self._reading is not None and self._reading.series.case_id != case.case_id:
                self._loader.give_up()  # the reader changed his mind about another one
                self._reading = None
                self.busy.emit("", 0, 0)
            return
        if self._reading is not None and self._reading.series.case_id == case.case_id:
            return
        if case.stack is not None and case.stack.complete:
            self._give_up()
            self._show(case)
            self.loaded.emit(case)
            return
        current = self._cases.current
        if current is None or current.stack is None or current.stack.complete:
            self._before = current
        # else it is itself still being read, and given up now: the one before it stays the last good one
        self._give_up()
        self._reading = self._loader.read(case.series, case.index)
        self.busy.emit(tr("Opening"), 0, len(case.series.slices))

    def close(self, gone: Sequence[Case], after: Case | None) -> None:
        """Take cases out of the window; `after` comes on screen where the open one is among them, else nothing does."""
        ids = {case.case_id for case in gone}
        if self._reading is not None and self._reading.series.case_id in ids:
            self._give_up()
            self.busy.emit("", 0, 0)
        if self._before is not None and self._before.case_id in ids:
            self._before = None
        was_open = self._cases.current is not None and self._cases.current.case_id in ids
        if was_open:
            self._cases.current = None
            self.closed.emit()  # nobody shows its pixels any more
        for case in gone:
            self._cases.remove(case)
        self.removed.emit()
        if was_open and after is not None:
            self.open_case(after)

    def cancel(self) -> bool:
        """Give up what is being read; False when nothing is."""
        if self._reading is None:
            return False
        case = self._cases.get(self._reading.series.case_id)
        self._give_up()
        self.busy.emit("", 0, 0)
        if case is not None and self._is_half(self._cases.current):
            self._back(case)
        return True

    def _give_up(self) -> None:
        """Stop reading. What was partly on screen has no pixels any more once another case is there."""
        if self._reading is None:
            return
        self._loader.give_up()
        case = self._cases.get(self._reading.series.case_id)
        if case is not None and case.stack is self._reading.stack:
            self._cases.drop_pixels(case)
        self._reading = None

    # the scan ----------------------------------------------------------------------------------------------------

    def _found(self, number: int, entries: list[Series | Rejected]) -> None:
        report = self._reports.get(number)
        if report is None:
            return
        for entry in entries:
            if isinstance(entry, Annotations):
                report.annotations += 1
                self.annotated.emit(entry)
                continue
            if isinstance(entry, Rejected):
                report.rejected.append(entry)
                continue
            report.series += 1
            case, new = self._cases.add(entry)
            if new:
                self.added.emit(case)
            if report.series == 1:
                self.open_case(case)

    def _scanned(self, number: int, problem: str) -> None:
        report = self._reports.pop(number, None)
        if report is None:
            return
        report.problem = problem
        if self._reading is None:
            self.busy.emit("", 0, 0)
        self.reported.emit(report)

    # the reading -------------------------------------------------------------------------------------------------

    def _of(self, reading: LoadedSeries) -> Case | None:
        """The case of a reading that is still wanted."""
        return self._cases.get(reading.series.case_id) if reading is self._reading else None

    def _began(self, reading: LoadedSeries) -> None:
        case = self._of(reading)
        if case is None or reading.stack is None or reading.shared is None:
            return
        case.stack = reading.stack
        self._cases.keep(case, reading.shared)
        if case.status is Status.FAILED and case.result is None:
            case.reason = ""  # it can be read this time
        self._show(case)

    def _progressed(self, reading: LoadedSeries) -> None:
        case = self._of(reading)
        if case is not None and case.stack is not None:
            self.busy.emit(tr("Opening"), int(case.stack.loaded.sum()), len(case.stack))
            self.arrived.emit(case)

    def _finished(self, reading: LoadedSeries, volume: Volume) -> None:
        case = self._of(reading)
        if case is None:
            return
        self._reading = self._before = None
        learn(case, reading, volume)
        self.busy.emit("", 0, 0)
        self.arrived.emit(case)
        self.loaded.emit(case)

    def _failed(self, reading: LoadedSeries, reason: str) -> None:
        case = self._of(reading)
        if case is None:
            return
        self._reading = None
        case.fail(reason)
        self.busy.emit("", 0, 0)
        if case is self._cases.current or self._is_half(self._cases.current):
            self._back(case)
        else:
            self._cases.drop_pixels(case)
        self.broken.emit(case, reason)

    def _show(self, case: Case) -> None:
        self._cases.use(case)
        self.opened.emit(case)

    def _back(self, case: Case) -> None:
        """Leave a case that cannot be read for the one before it: the last good state."""
        before, self._before = self._before, None
        self._cases.drop_pixels(case)
        if before is not None and before is not case and before.stack is not None:
            self._show(before)
            return
        self._cases.current = None
        self.closed.emit()
        if before is not None and before is not case:  # its pixels had to make room: they are read again
            self.open_case(before)

    @staticmethod
    def _is_half(case: Case | None) -> bool:
        """Whether a case is on screen of which only a part was read, and no more is to come."""
        return case is not None and case.stack is None


def learn(case: Case, reading: LoadedSeries, volume: Volume) -> None:
    """What reading a case has told about it: its series, and what it is to be analysed for or why that is unclear."""
    case.series, case.last = volume.series, reading.last
    if case.task is None:
        case.task, case.question = reading.task, reading.question
        halved = case.last.get(Task.BREAST)
        if case.question in SPLITS and halved is not None and half_of(halved.result) is not None:
            case.restore(halved)  # the reader has chosen before
        elif case.question and volume.series.modality not in UNTOLD:  # there is nothing to ask the reader
            case.refuse(case.question)
