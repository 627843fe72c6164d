"""The reader's decisions on their way to the disk: written on a thread of their own, shown when they are there.

`store.session` is the journal itself; here is only the thread, a picture of the journal after each record, and what
could not be written: it is tried again with whatever is recorded next of its case, and when the window closes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from PySide6.QtCore import QObject, Signal

from cadviewer.background import Background, describe, log_where
from cadviewer.gui.canvas.shapes import Drawing, of_measure
from cadviewer.gui.cases.case import JournalState
from cadviewer.gui.i18n.language import tr
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
    effective,
)

log = logging.getLogger(__name__)


class JournalThread(QObject):
    """Journals of the cases of this window. Signals arrive on the window's thread, in the order of the calls.

    kept(case id, Kept): what counts now. failed(case id, reason): something is not recorded, see `unsaved`.
    told(case id, text): something the user should know of the journal, or that there was nothing to undo.
    """

    kept = Signal(str, object)
    failed = Signal(str, str)
    told = Signal(str, str)
    _done = Signal()  # after the others, so that whoever waits finds everything shown

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._thread = Background("journal")
        self.pending = 0
        """Records that have not been answered yet."""
        self._done.connect(self._answered)
        self._sessions: dict[str, Session] = {}  # of the thread alone
        self._unsaved: dict[str, tuple[_Unsaved, ...]] = {}  # by case; written by the thread alone
        self._pairs: dict[str, str] = {}  # id of a changed mark's new record -> of the deletion of its old one

    def close(self) -> None:
        """Write what is still to be written, then end."""
        self.again()
        self._thread.close()

    def again(self) -> None:
        """Try once more to write what could not be."""
        for waiting in list(self._unsaved.values()):
            self._do(waiting[0].series, _nothing)

    @property
    def any_unsaved(self) -> bool:
        return bool(self._unsaved)

    def unsaved(self, case_id: str) -> tuple[Drawing, ...]:
        """The shapes of a case that could not be written so far."""
        marks = [m for waiting in self._unsaved.get(case_id, ()) for m in waiting.marks]
        found = (of_measure(f"unsaved {n}", m) for n, m in enumerate(marks) if isinstance(m, Measure))
        return tuple(shape for shape in found if shape is not None)

    def open(self, series: Series) -> None:
        """Read what was decided on a case before."""
        self._do(series, _nothing)

    def record(self, series: Series, *marks: Mark) -> None:
        """Make marks last, all of them or none; each is undone by itself."""
        self._do(series, lambda session: session.record_all(*marks), marks)

    def replace(self, series: Series, old: str, mark: Mark) -> None:
        """A mark was changed: as it is now, then the end of the old one, undone together."""

        def both(session: Session) -> None:
            new, end = session.record_all(mark, Deleted(old))
            self._pairs[new.id] = end.id

        self._do(series, both, (mark,))

    def undo(self, series: Series) -> None:
        """Take back the last record of a case that counts."""

        def once(session: Session) -> None:
            if session.undo(self._pairs) is None:
                self.told.emit(series.case_id, tr("Nothing to undo"))

        self._do(series, once)

    def redo(self, series: Series) -> None:
        """Let the record count again that was taken back last."""

        def once(session: Session) -> None:
            if session.redo(self._pairs) is None:
                self.told.emit(series.case_id, tr("Nothing to redo"))

        self._do(series, once)

    def _answered(self) -> None:
        self.pending -= 1

    def _do(self, series: Series, step: _Step, marks: tuple[Mark, ...] = ()) -> None:
        """marks: what the step records; where there are any, it is not given up until it is done."""
        self.pending += 1
        self._thread.do(self._work, _Unsaved(series, step, marks))

    def _work(self, asked: _Unsaved) -> None:
        """On the thread: what waits of this case, then what is asked."""
        case_id = asked.series.case_id
        waiting = [*self._unsaved.pop(case_id, ()), asked]
        try:
            session = self._session(asked.series)
            while waiting:
                waiting[0].step(session)
                del waiting[0]
            history = session.history()
            entries = effective(history)
            kept = JournalState(
                decisions(entries), drawn(entries), entries, session.can_undo(history), session.can_redo(history)
            )
            self.kept.emit(case_id, kept)
        except Exception as error:  # noqa: BLE001 - whatever it is, what was made is not on the disk
            if not isinstance(error, JournalError | OSError):
                log_where(error, "the journal: ")
            log.warning("the journal could not be written: %s", type(error).__name__)
            left = tuple(w for w in waiting if w.marks)
            if left:
                self._unsaved[case_id] = left
            why = _why(error)
            said = tr("Not saved: {why}. It is tried again.", why=why) if left else tr("This failed: {why}", why=why)
            self.failed.emit(case_id, said)
        finally:
            self._done.emit()

    def _session(self, series: Series) -> Session:
        session = self._sessions.get(series.case_id)
        if session is None:
            session = self._sessions[series.case_id] = Session(case_key(series))
            for problem in session.problems:
                self.told.emit(series.case_id, problem)
        return session


_Step = Callable[[Session], object]


@dataclass(frozen=True)
class _Unsaved:
    """A step on the journal of a case, with the marks that it makes."""

    series: Series
    step: _Step
    marks: tuple[Mark, ...] = ()


def _nothing(session: Session) -> None:
    """Only look at what the journal holds."""


def _why(error: Exception) -> str:
    if isinstance(error, OSError):
        return error.strerror or tr("disk error")
    return str(error) if isinstance(error, JournalError) else describe(error)


def drawn(entries: Iterable[Entry]) -> tuple[Drawing, ...]:
    """The shapes among the records that count."""
    found = (of_measure(e.id, e.mark) for e in entries if isinstance(e.mark, Measure))
    return tuple(shape for shape in found if shape is not None)
