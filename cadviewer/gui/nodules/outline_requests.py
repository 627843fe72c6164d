"""What the reader drew is outlined anew by the network that outlines the model's findings, while the reader goes on.

The outline by density (`gui.review.finding_measurement`) is there at once and is kept; the network's takes its place
when the engine has answered, and where there is no such model, or it sees nothing, the first one stays.
"""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QObject, Signal

from cadviewer.findings import Nodule, Result, Task
from cadviewer.gui.cases.case import Case
from cadviewer.gui.cases.journal_thread import JournalThread
from cadviewer.gui.cases.registry import Cases
from cadviewer.gui.engine.requests import LAST, JobRequests
from cadviewer.gui.i18n.language import tr
from cadviewer.inference.protocol import Failed, Finished, JobEvent, OutlineJob, SharedArray
from cadviewer.models import catalogue, own_models
from cadviewer.store.session import DrawnOutline, Outlined

ROLE = "outline"


@dataclass(frozen=True)
class _Asked:
    """A finding on its way: its case, its number then, and the record that drew it."""

    case_id: str
    number: int
    key: str


class OutlineRequests(QObject):
    """Signals: changed(Case): other findings of it are being outlined; said(text): a remark for the status line."""

    changed = Signal(object)
    said = Signal(str)

    def __init__(
        self, cases: Cases, requests: JobRequests, journal: JournalThread, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._cases, self._requests, self._journal = cases, requests, journal
        self._asked: dict[int, _Asked] = {}

    def ask(self, case: Case, number: int) -> None:
        """Have a finding outlined that the reader has just drawn, or whose box was changed."""
        nodule, key = case.finding(number), case.drawn_by(number)
        cards = catalogue.cards(Task.NODULES, role=ROLE)
        if nodule is None or not key or not cards or not case.series.hounsfield:
            return
        if not self._requests.can_ask(case):
            return
        self._leave(case, number)
        # Where no model names one, the shipped one: an own model is used only where it is named.
        card = next((c for c in cards if c.name == _named_by(case)), min(cards, key=own_models.is_own))

        def job(request: int, pixels: SharedArray) -> OutlineJob:
            return OutlineJob(case.case_id, request, Task.NODULES, card.name, case.series, pixels, boxes=nodule.boxes)

        self._asked[self._requests.ask(case, job, self._take)] = _Asked(case.case_id, number, key)
        self._tell(case)

    def _leave(self, case: Case, number: int) -> None:
        """An earlier box of a finding is not waited for any more."""
        for request, asked in list(self._asked.items()):
            if (asked.case_id, asked.number) == (case.case_id, number):
                self._requests.leave(request)
                del self._asked[request]

    def _tell(self, case: Case) -> None:
        case.outlining = frozenset(a.key for a in self._asked.values() if a.case_id == case.case_id)
        self.changed.emit(case)

    def _take(self, case: Case, event: JobEvent) -> None:
        if not isinstance(event, LAST):
            return
        asked = self._asked.pop(event.request_id)
        name = case.name(asked.number)
        match event:
            case Finished(result=result) if result.nodules:
                self._journal.record(case.series, _mark(asked.key, result, result.nodules[0]))
            case Finished():
                self._say(case, tr("Finding {number}: the network outlines nothing here", number=name))
            case Failed(reason=reason):
                text = tr("Finding {number} stays outlined by density: {reason}", number=name, reason=reason)
                self._say(case, text)
        self._tell(case)

    def _say(self, case: Case, text: str) -> None:
        if case is self._cases.current:
            self.said.emit(text)


def _named_by(case: Case) -> str:
    """The companion that the case's own model works with."""
    used = case.result.provenance.companions if case.result is not None else ()
    return next((companion.model for companion in used if companion.role == ROLE), "")


def _mark(key: str, result: Result, nodule: Nodule) -> Outlined:
    by = result.provenance
    return Outlined(
        key,
        by.model,
        by.model_version,
        by.weights_sha256,
        tuple(
            DrawnOutline(k, tuple((round(float(x), 2), round(float(y), 2)) for x, y in points))
            for k, points in sorted(nodule.outlines.items())
        ),
        long_mm=_rounded(nodule.long_mm, 3),
        short_mm=_rounded(nodule.short_mm, 3),
        volume_mm3=_rounded(nodule.volume_mm3, 2),
    )


def _rounded(value: float | None, digits: int) -> float | None:
    return round(float(value), digits) if value is not None and value > 0 else None
