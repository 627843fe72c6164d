"""The thread that runs a batch for the dialog."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from PySide6.QtCore import QObject, QThread, Signal

from cadviewer import batch
from cadviewer.background import describe
from cadviewer.batch import BatchError, BatchEvent, Options, ResultsError, Runs, Summary
from cadviewer.inference.protocol import Event
from cadviewer.models.catalogue import CardError

MakeEngine = Callable[[Callable[[Event], None]], Runs]


class BatchThread(QThread):
    """`batch.run` on a thread of its own; its events arrive as signals on the thread of whoever connects."""

    event_came = Signal(BatchEvent)
    ended = Signal(Summary)
    failed = Signal(str)

    def __init__(
        self,
        inputs: Sequence[Path],
        out: Path,
        options: Options,
        make_engine: MakeEngine,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._inputs, self._out, self._options, self._make_engine = inputs, out, options, make_engine
        self._cancelled = threading.Event()

    def cancel(self) -> None:
        """End between two steps; what is finished is kept."""
        self._cancelled.set()

    def run(self) -> None:
        """The batch, on its own thread; what happens in it comes as signals."""
        try:
            summary = batch.run(
                self._inputs,
                self._out,
                self._options,
                self.event_came.emit,
                self._cancelled.is_set,
                make_engine=self._make_engine,
            )
        except (ResultsError, CardError, BatchError) as error:
            self.failed.emit(str(error))
        except Exception as error:  # noqa: BLE001 - without an end the dialog would show a run for ever
            self.failed.emit(describe(error))
        else:
            self.ended.emit(summary)
