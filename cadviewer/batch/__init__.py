"""Annotating many inputs: finds the cases, reads ahead, runs the models, keeps what is finished. No Qt.

`run` serves the command line and the window's dialog alike. One thread looks for inputs, a few read them into shared
memory, the engine computes, and the thread that called `run` writes and reports: every event comes on that thread.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from cadviewer.batch import watching
from cadviewer.batch.cards import Cards, lasting
from cadviewer.batch.events import (
    AllFound,
    BatchEvent,
    CaseDone,
    CaseFound,
    CaseProgress,
    CaseStarted,
    Looked,
    Noticed,
    Options,
    Summary,
)
from cadviewer.batch.reading import Readers
from cadviewer.batch.running import BatchError, BatchRun, Runs
from cadviewer.inference.engine import Engine
from cadviewer.inference.protocol import Event
from cadviewer.messages import Message
from cadviewer.store import results
from cadviewer.store.case_report import CaseReport, CaseState
from cadviewer.store.journal import JournalError
from cadviewer.store.results import Existing, ExistingResultsError, ResultsError

__all__ = [
    "AllFound",
    "BatchError",
    "BatchEvent",
    "CaseDone",
    "CaseFound",
    "CaseProgress",
    "CaseReport",
    "CaseStarted",
    "CaseState",
    "Existing",
    "ExistingResultsError",
    "Looked",
    "Noticed",
    "Options",
    "ResultsError",
    "Runs",
    "Summary",
    "run",
]


def run(
    inputs: Sequence[Path],
    out: Path,
    options: Options,
    on_event: Callable[[BatchEvent], None] = lambda event: None,
    cancelled: Callable[[], bool] = lambda: False,
    *,
    make_engine: Callable[[Callable[[Event], None]], Runs] | None = None,
) -> Summary:
    """Annotate files and folders into the folder `out`.

    on_event: called on this thread. cancelled: asked often; True ends the run, which `Existing.RESUME` goes on with.
    make_engine: given the listener for engine events; None starts an engine of the run's own. Its `close` is called.
    Raises ResultsError when `out` cannot be used this way, CardError when a model that was asked for does not exist,
    BatchError when results can no longer be written. An input that cannot be used raises nothing: it is a case.
    """
    cards = Cards(options)
    if options.quiet_for is not None:
        watching.check(inputs, out)
    with results.opened(out, lasting(inputs, options, cards), options.formats, options.existing) as folder:
        this = BatchRun(folder, options, cards, on_event, cancelled)
        readers = Readers(inputs, out, options, cards, this.inbox.put, tuple(folder.finished.values()))

        def own_engine(listen: Callable[[Event], None]) -> Engine:
            engine = Engine(listen, device=options.device, background=False)
            if not folder.finished:  # something to do, most likely: its process starts while the files are looked at
                engine.start()
            return engine

        try:
            return this.run(readers, (make_engine or own_engine)(this.inbox.put))
        except (OSError, JournalError) as error:
            reason = getattr(error, "strerror", None) or error
            raise BatchError(Message("the results cannot be written: {reason}", reason=reason)) from error
