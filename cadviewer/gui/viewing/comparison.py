"""The second series beside the open one: which it may be, and reading it while the first stays on screen."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal

from cadviewer.gui.cases.case import Case
from cadviewer.gui.cases.loader import LoadedSeries, Loader
from cadviewer.gui.cases.registry import Cases, study
from cadviewer.gui.i18n.language import tr
from cadviewer.imaging import patients
from cadviewer.imaging.series import Volume


class Comparison(QObject):
    """Signals: ready(Case): the wanted series has its pixels; said(text): a line for the status bar."""

    ready = Signal(object)
    said = Signal(str)

    def __init__(self, cases: Cases, loader: Loader, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._cases, self._loader = cases, loader
        self._wanted: Case | None = None
        loader.read_ahead.connect(self._read)  # after `Ahead`, which keeps the pixels

    def candidates(self) -> list[Case]:
        """Every other series that is no single picture of another kind, the likeliest first."""
        case = self._cases.current
        if case is None:
            return []
        others = [c for c in self._cases.ordered() if c is not case and c.series.modality == case.series.modality]
        return sorted(others, key=lambda c: _unlikeness(case, c))

    def likeliest(self) -> Case | None:
        """The most probable one of the same patient; None where there is none: another's is never proposed."""
        case = self._cases.current
        same = [c for c in self.candidates() if case is not None and patients.same(case.series, c.series)]
        return next(iter(same), None)

    def want(self, case: Case) -> None:
        """Show a series beside the open one as soon as it is read."""
        self._wanted = case
        if case.stack is not None and case.stack.complete:
            self._wanted = None
            self.ready.emit(case)
        else:
            self.said.emit(tr("Reading the second series…"))
            self._loader.ahead(case.series)

    def _read(self, reading: LoadedSeries, volume: Volume | None) -> None:
        case = self._wanted
        if case is None or reading.series.case_id != case.case_id:
            return
        self._wanted = None
        if case.stack is not None and case is not self._cases.current:
            self.said.emit("")
            self.ready.emit(case)
        elif volume is None:
            self.said.emit(tr("The second series could not be read: open it to see why"))


def _unlikeness(case: Case, other: Case) -> tuple[bool, bool, int]:
    """Smallest for the series that is most probably meant: another examination, of the same kind and as many images."""
    a, b = case.series, other.series
    return study(case) == study(other), a.description != b.description, abs(len(a.slices) - len(b.slices))
