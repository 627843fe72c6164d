"""The other cases of the list: read and analysed one after the other once nobody waits for the open one.

Their jobs have the priority of a batch, so the case that is opened next interrupts them.
"""

from __future__ import annotations

from PySide6.QtCore import QObject, QTimer

from cadviewer.gui.cases.case import Case
from cadviewer.gui.cases.loader import LoadedSeries, Loader
from cadviewer.gui.cases.opener import Opener, learn
from cadviewer.gui.cases.registry import Cases
from cadviewer.gui.engine.analysis import Analysis
from cadviewer.imaging.series import Volume
from cadviewer.inference.protocol import Priority


class Prefetch(QObject):
    """Looks for something to do whenever a case has changed."""

    def __init__(
        self, cases: Cases, loader: Loader, opener: Opener, analysis: Analysis, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._cases, self._loader, self._opener, self._analysis = cases, loader, opener, analysis
        self._reading: LoadedSeries | None = None
        self._tried: list[Case] = []
        self._soon = QTimer(self, singleShot=True, interval=0)
        self._soon.timeout.connect(self._go_on)
        analysis.changed.connect(lambda case: self._soon.start())
        opener.added.connect(lambda case: self._soon.start())
        loader.read_ahead.connect(self._read)

    def _go_on(self) -> None:
        if self._reading is not None or self._opener.reading or any(case.running for case in self._cases):
            return
        case = next((c for c in self._cases.ordered() if self._wanted(c)), None)
        if case is not None:
            self._tried = [*(c for c in self._tried if self._cases.get(c.case_id) is c), case]
            self._reading = self._loader.ahead(case.series)

    def _wanted(self, case: Case) -> bool:
        """Whether nothing is known of a case, nobody has it on screen and it was not tried in vain."""
        untouched = case.stack is None and case.result is None and not case.reason and not case.question
        return (
            untouched
            and not case.stopped
            and case is not self._cases.current
            and not any(c is case for c in self._tried)
        )

    def _read(self, reading: LoadedSeries, volume: Volume | None) -> None:
        self._reading = None
        case = self._cases.get(reading.series.case_id)
        opened = case is None or case.stack is not None or case is self._cases.current
        if volume is None or case is None or opened or reading.stack is None or reading.shared is None:
            if volume is not None and reading.shared is not None:
                reading.stack = None
                reading.shared.close()
            self._soon.start()
            return
        case.stack = reading.stack
        self._cases.keep(case, reading.shared)
        learn(case, reading, volume)
        if case.task is not None:
            self._analysis.begin(case, self._analysis.usual(case.task), Priority.BATCH)
        self._cases.trim()
        self._analysis.changed.emit(case)
