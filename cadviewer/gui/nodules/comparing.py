"""The open CT compared with an earlier one of the same patient: registered beside the window, matched here.

The registration is kept as long as both cases are open; the list follows whatever becomes of the findings of either.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, Signal

from cadviewer.background import Background
from cadviewer.findings import Task
from cadviewer.gui.cases.case import Case, Compared
from cadviewer.gui.cases.journal_thread import JournalThread
from cadviewer.gui.cases.registry import Cases
from cadviewer.gui.i18n.language import tr, translate
from cadviewer.imaging.registration.run import Cancelled
from cadviewer.imaging.series import InputError, Volume
from cadviewer.store.comparison import Change, Comparison
from cadviewer.store.reading import facts_of
from cadviewer.store.session import Paired, case_key, paired

if TYPE_CHECKING:
    from cadviewer.imaging.registration.maps import Registration

Pair = tuple[str, str]
"""Case ids of the later and of the earlier CT."""


class Comparing(QObject):
    """Signals: changed(Case): its comparison is another; said(text): a remark for the status line;
    registered(): two cases can be linked by what was found.
    """

    changed = Signal(object)
    said = Signal(str)
    registered = Signal()
    _moved = Signal(object, float)
    _ended = Signal(object, object)  # the pair, and a Registration or why there is none

    def __init__(self, cases: Cases, journal: JournalThread, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._cases, self._journal = cases, journal
        self._found: dict[Pair, Registration] = {}
        self._running: dict[Pair, threading.Event] = {}
        self._thread = Background("comparing")
        self._moved.connect(self._progress)
        self._ended.connect(self._take)

    def close(self) -> None:
        """End what runs."""
        for stop in self._running.values():
            stop.set()
        self._thread.close(drop=True)

    # asking ------------------------------------------------------------------------------------------------------

    def earlier(self, case: Case) -> list[Case]:
        """The CTs of the same patient that this one can be compared with, the latest first."""
        found = [other for other in self._comparable(case) if not _later(other, case)]
        return sorted(found, key=lambda other: -_day(other))

    def any_later(self, case: Case) -> bool:
        """Whether this is the earlier one of two that can be compared."""
        return any(_later(other, case) for other in self._comparable(case))

    def _comparable(self, case: Case) -> list[Case]:
        others = [other for other in self._cases.ordered() if other is not case]
        if not others:
            return []
        from cadviewer.store import matching  # OpenCV and SciPy, which the window's start does not need

        return [other for other in others if not matching.refusal(case.series, other.series)]

    def compare(self, case: Case, prior: Case) -> None:
        """Register two cases whose pixels are there, and match their findings."""
        from cadviewer.store import matching

        reason = matching.refusal(case.series, prior.series)
        for each in (case, prior):
            if not reason and (each.stack is None or not each.stack.complete):
                reason = tr("the pixels of both CTs must be read first")
            if not reason and each.concealed:
                reason = tr("finish the first read of both CTs first")
        self.leave(case)
        case.compared = Compared(prior, reason=reason)
        pair = case.case_id, prior.case_id
        if not reason and pair not in self._found:
            case.compared = Compared(prior, done=0.0)
            stop = self._running[pair] = threading.Event()
            assert case.stack is not None
            assert prior.stack is not None
            volumes = Volume(case.series, case.stack.pixels), Volume(prior.series, prior.stack.pixels)
            self._thread.do(self._register, pair, volumes, stop)
        self.refresh(case)
        self.changed.emit(case)

    def leave(self, case: Case) -> None:
        """The comparison of a case is not wanted any more; a registration that runs is ended."""
        for pair in [p for p in self._running if p[0] == case.case_id]:
            self._running.pop(pair).set()
        case.compared = None

    def forget(self) -> None:
        """A case was closed."""
        open_ = {case.case_id for case in self._cases}
        self._found = {pair: found for pair, found in self._found.items() if open_.issuperset(pair)}
        for case in list(self._cases):
            if case.compared is not None and case.compared.prior.case_id not in open_:
                self.leave(case)
                self.changed.emit(case)

    def cancel(self, case: Case) -> None:
        """The reader ends the registration that runs."""
        self.leave(case)
        self.changed.emit(case)

    def _register(self, pair: Pair, volumes: tuple[Volume, Volume], stop: threading.Event) -> None:
        """On the thread."""
        from cadviewer.imaging.registration import aside

        if stop.is_set():
            return
        try:
            found = aside.register(*volumes, stop=stop.is_set, progress=lambda share: self._moved.emit(pair, share))
        except Cancelled:
            return
        except InputError as error:
            self._ended.emit(pair, error)
        except (MemoryError, OSError):
            self._ended.emit(pair, InputError(tr("there is not enough memory")))
        else:
            self._ended.emit(pair, found)

    def _progress(self, pair: Pair, share: float) -> None:
        case = self._cases.get(pair[0])
        if pair in self._running and case is not None and case.compared is not None:
            case.compared = replace(case.compared, done=share)
            self.changed.emit(case)

    def _take(self, pair: Pair, found: Registration | InputError) -> None:
        wanted = self._running.pop(pair, None)
        case = self._cases.get(pair[0])
        if wanted is None or case is None or case.compared is None or case.compared.prior.case_id != pair[1]:
            return
        if isinstance(found, InputError):
            case.compared = Compared(case.compared.prior, reason=translate(str(found)))
        else:
            self._found[pair] = found
            case.compared = Compared(case.compared.prior)
            self.refresh(case)
            self.registered.emit()
            self.said.emit(tr("The two CTs are registered in {seconds:.0f} s", seconds=found.seconds))
        self.changed.emit(case)

    # the list ----------------------------------------------------------------------------------------------------

    def refresh(self, case: Case) -> None:
        """Something of a case is different: what it is compared with, and what is compared with it, are matched again.

        `changed` is told of the others alone.
        """
        for each in list(self._cases):
            if each.compared is None or case not in (each, each.compared.prior):
                continue
            if each.compared.done is None:
                self._match(each, each.compared)
            if each is not case:
                self.changed.emit(each)

    def _match(self, case: Case, compared: Compared) -> None:
        registration = self._found.get((case.case_id, compared.prior.case_id))
        if registration is None:
            return
        from cadviewer.store import matching

        reason = next((said for each in (case, compared.prior) if (said := _not_read(each, case))), "")
        if reason:
            case.compared = replace(compared, reason=reason, comparison=None)
            return
        examined = [
            matching.examination(case_key(each.series), each.series, each.reading(compared=False), each.found())
            for each in (case, compared.prior)
        ]
        comparison = matching.compare(examined[0], examined[1], registration, paired(case.kept.entries))
        row = _same_row(comparison, compared.change)
        case.compared = replace(compared, reason="", comparison=comparison, row=row)

    def look_at(self, case: Case, row: int) -> None:
        """The reader looks at a row of the list."""
        if case.compared is not None:
            case.compared = replace(case.compared, row=row)
            now = case.compared.change
            case.selected = now.now.number if now is not None and now.now is not None else None
            self.changed.emit(case)

    def next_row(self, case: Case, by: int) -> int | None:
        """The row after the one looked at, round and round; None where there is no list."""
        compared = case.compared
        if compared is None or compared.comparison is None or not compared.comparison.changes:
            return None
        count = len(compared.comparison.changes)
        return (compared.row + by) % count if compared.row is not None else 0 if by > 0 else count - 1

    def answer(self, case: Case, same: bool) -> None:
        """Whether the two findings that the reader looks at are one nodule; kept by the journal.

        Of a finding without a partner only "no" can be said: it has none.
        """
        compared = case.compared
        change = compared.change if compared is not None else None
        if compared is None or compared.comparison is None or change is None:
            self.said.emit(tr("Choose a row of the comparison first"))
        elif same and (change.now is None or change.prior is None):
            self.said.emit(tr("There is no finding at that place in the other CT"))
        else:
            now, prior = (seen.place if seen is not None else None for seen in (change.now, change.prior))
            self._journal.record(case.series, Paired(now, compared.comparison.prior_case, prior, same))

    # linking -----------------------------------------------------------------------------------------------------

    def maps(self, first: Case, second: Case) -> tuple[_Map, _Map, float] | None:
        """From a point of the first case to the second, back, and the error in mm; None without a registration."""
        forth, back = (self._found.get((a.case_id, b.case_id)) for a, b in ((first, second), (second, first)))
        if forth is not None:
            return _single(forth.to_prior), _single(forth.to_now), forth.residual_mm
        if back is not None:
            return _single(back.to_now), _single(back.to_prior), back.residual_mm
        return None


_Map = Callable[[NDArray[np.float64]], NDArray[np.float64]]


def _single(points: _Map) -> _Map:
    """A map of one point, (3,), from one of many."""
    return lambda point: points(point)[0]


def _day(case: Case) -> int:
    """The date of a CT as a number, 0 where it is not known."""
    on = facts_of(case.series).scan_date
    return on.toordinal() if on is not None else 0


def _later(other: Case, case: Case) -> bool:
    """Whether a CT is no earlier one: of a later date, or of the same."""
    return 0 not in (_day(other), _day(case)) and _day(other) >= _day(case)


def _same_row(comparison: Comparison, change: Change | None) -> int | None:
    """Where what the reader looked at is now: findings that were one row may be two, and the other way round."""
    if change is None:
        return None
    now, prior = (seen.number if seen is not None else None for seen in (change.now, change.prior))
    for k, each in enumerate(comparison.changes):
        if now is not None and each.now is not None and each.now.number == now:
            return k
        if now is None and each.prior is not None and each.prior.number == prior:
            return k
    return None


def _not_read(each: Case, case: Case) -> str:
    """Why the findings of a case cannot be compared yet, "" where they can."""
    if each.concealed:
        return tr("finish the first read of both CTs first")
    if each.result is not None and each.task is Task.NODULES:
        return ""
    which = tr("this CT") if each is case else tr("the earlier CT")
    if each.running:
        return tr("{which} is still being analysed", which=which)
    return tr("{which} has not been analysed: open it first", which=which)
