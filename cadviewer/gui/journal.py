"""The reader's decisions on their way to the disk: written on a thread of their own, shown when they are there.

`store.session` is the journal itself; here is only the thread, and a picture of the journal after each record.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

from PySide6.QtCore import QObject, Signal

from cadviewer.gui.case import Kept
from cadviewer.gui.image.shapes import Drawing, of_measure
from cadviewer.gui.lang import tr
from cadviewer.imaging.series import Series
from cadviewer.store.session import (
    Deleted,
    Entry,
    JournalError,
    Mark,
    Measure,
    Session,
    case_key,
    decisions,
)

log = logging.getLogger(__name__)


class Journal(QObject):
    """Journals of the cases of this window. Signals arrive on the window's thread, in the order of the calls.

    kept(case id, Kept): what counts now. failed(case id, reason): nothing was recorded. told(case id, text): something
    the user should know of the journal, or that there was nothing to undo.
    """

    kept = Signal(str, object)
    failed = Signal(str, str)
    told = Signal(str, str)
    _done = Signal()  # after the others, so that whoever waits finds everything shown

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._thread = ThreadPoolExecutor(1, "journal")
        self.pending = 0
        """Records that have not been answered yet."""
        self._done.connect(self._answered)
        self._sessions: dict[str, Session] = {}  # of the thread alone
        self._pairs: dict[str, str] = {}  # id of a changed mark's new record -> of the deletion of its old one

    def close(self) -> None:
        """Write what is still to be written, then end."""
        self._thread.shutdown(wait=True)

    def open(self, series: Series) -> None:
        """Read what was decided on a case before."""
        self._do(series, lambda session: None)

    def record(self, series: Series, *marks: Mark) -> None:
        """Make marks last, all of them or none; each is undone by itself."""
        self._do(series, lambda session: session.record_all(*marks))

    def replace(self, series: Series, old: str, mark: Mark) -> None:
        """A mark was changed: as it is now, then the end of the old one, undone together."""

        def both(session: Session) -> None:
            new, end = session.record_all(mark, Deleted(old))
            self._pairs[new.id] = end.id

        self._do(series, both)

    def undo(self, series: Series) -> None:
        def once(session: Session) -> None:
            if session.undo(self._pairs) is None:
                self.told.emit(series.case_id, tr("Nothing to undo"))

        self._do(series, once)

    def redo(self, series: Series) -> None:
        def once(session: Session) -> None:
            if session.redo(self._pairs) is None:
                self.told.emit(series.case_id, tr("Nothing to redo"))

        self._do(series, once)

    def _answered(self) -> None:
        self.pending -= 1

    def _do(self, series: Series, step: Callable[[Session], object]) -> None:
        self.pending += 1
        self._thread.submit(self._step, series, step)

    def _step(self, series: Series, step: Callable[[Session], object]) -> None:
        case_id = series.case_id
        try:
            session = self._sessions.get(case_id)
            if session is None:
                session = self._sessions[case_id] = Session(case_key(series))
                for problem in session.problems:
                    self.told.emit(case_id, problem)
            step(session)
            entries = session.entries()
            self.kept.emit(case_id, Kept(decisions(entries), drawn(entries), entries))
        except (JournalError, OSError) as error:
            log.warning("the journal could not be written: %s", type(error).__name__)
            self.failed.emit(case_id, tr("This could not be saved and does not count: {why}", why=_why(error)))
        finally:
            self._done.emit()


def _why(error: Exception) -> str:
    return error.strerror or tr("disk error") if isinstance(error, OSError) else str(error)


def drawn(entries: Iterable[Entry]) -> tuple[Drawing, ...]:
    """The shapes among the records that count."""
    found = (of_measure(e.id, e.mark) for e in entries if isinstance(e.mark, Measure))
    return tuple(shape for shape in found if shape is not None)
