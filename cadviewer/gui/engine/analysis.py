"""Jobs of the window: handing the open case to the engine and taking only what belongs to it (property 2)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtCore import QObject, Signal

import cadviewer
from cadviewer.findings import Half, Task
from cadviewer.gui.cases.case import Case
from cadviewer.gui.cases.registry import Cases
from cadviewer.gui.engine.requests import JobRequests
from cadviewer.inference.protocol import AnalyseJob, Finished, JobEvent, Priority, Progressed, SharedArray
from cadviewer.models import catalogue
from cadviewer.models.catalogue import CardError, ModelCard
from cadviewer.store.last_results import Last


@dataclass(frozen=True)
class AnalysisOrder:
    """How to analyse: with which model (None for the task's own), above which score (None for the card's), and which
    half of a split screen (None for all of an image)."""

    task: Task
    model: str | None = None
    threshold: float | None = None
    half: Half | None = None


class Analysis(QObject):
    """Signals: changed(Case): its state is another; progressed(Case): its job is further on, and nothing else;
    found(Case): it has a result that was just made.

    usual: how a task is analysed when nobody says.
    """

    changed = Signal(object)
    progressed = Signal(object)
    found = Signal(object)

    def __init__(self, cases: Cases, requests: JobRequests, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._cases, self._requests = cases, requests
        self.usual: Callable[[Task], AnalysisOrder] = AnalysisOrder

    def consider(self, case: Case) -> None:
        """A case is read and on screen: show what was found before, else analyse it, if anybody knows what for."""
        if case.result is None and not case.running and not case.reason and case.task is not None:
            self.begin(case, self.usual(case.task))
        else:
            self.changed.emit(case)

    def begin(self, case: Case, order: AnalysisOrder, priority: Priority = Priority.OPEN) -> None:
        """Take the result that this program and the same model made of a case before, or make one."""
        last = case.last.get(order.task)
        if last is not None and self._of_now(last, order):
            case.restore(last)
            self.changed.emit(case)
        else:
            self.run(case, order, priority)

    def _of_now(self, last: Last, order: AnalysisOrder) -> bool:
        """Whether a kept result is what an analysis would be made with."""
        by = last.result.provenance
        try:
            card = self._card(order)
        except CardError:
            return False
        return (by.application, by.model, by.weights_sha256) == (cadviewer.APPLICATION, card.name, card.weights_sha256)

    def run(self, case: Case, order: AnalysisOrder, priority: Priority = Priority.OPEN) -> None:
        """Analyse a case that is read. An earlier job of it is cancelled. BATCH: nobody waits for it."""
        if not self._requests.can_ask(case):
            return
        self.leave(case)
        try:
            card = self._card(order)
        except CardError as error:
            case.task = order.task
            case.fail(str(error))
            self.changed.emit(case)
            return

        def job(request: int, pixels: SharedArray) -> AnalyseJob:
            case.begin(request, order.task, card.name, order.half)
            return AnalyseJob(
                case.case_id,
                request,
                order.task,
                card.name,
                case.series,
                pixels,
                priority,
                threshold=order.threshold,
                spacing_mm=case.used_mm,
                half=order.half,
            )

        self._requests.ask(case, job, self._take)
        case.ahead = priority is Priority.BATCH
        self.changed.emit(case)

    @staticmethod
    def _card(order: AnalysisOrder) -> ModelCard:
        return catalogue.card(order.model) if order.model else catalogue.default(order.task)

    def follow(self, case: Case) -> None:
        """Analyse again, with the same model, when the reader has entered another pixel size than was used."""
        asked = case.running or case.result is not None
        if asked and case.task is not None and case.used_mm != case.spacing_mm:
            self.run(
                case,
                AnalysisOrder(case.task, case.model or None, half=case.half),
                Priority.BATCH if case.ahead else Priority.OPEN,
            )

    def leave(self, case: Case) -> None:
        """The case's running job, if any, is not wanted any more: nothing it still says counts, and the result that it
        would have replaced stays.
        """
        if case.running and case.request_id is not None:
            request = case.request_id
            case.drop_job()
            self._requests.leave(request)
            if case.former is not None and case.former.spacing_mm == case.spacing_mm:
                case.restore(case.former)
            self.changed.emit(case)

    def cancel(self) -> bool:
        """The user ends the job of the open case; False when none runs."""
        case = self._cases.current
        if case is None or not case.running:
            return False
        self.leave(case)
        case.stopped = case.result is None
        self.changed.emit(case)
        return True

    def _take(self, case: Case, event: JobEvent) -> None:
        further = isinstance(event, Progressed) and case.started
        if case.take(event):
            (self.progressed if further else self.changed).emit(case)
            if isinstance(event, Finished):
                self.found.emit(case)
