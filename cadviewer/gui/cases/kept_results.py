"""Results on their way to the disk, for the next time their case is opened; written on a thread of their own."""

from __future__ import annotations

import logging

from PySide6.QtCore import QObject, Signal

from cadviewer.background import Background
from cadviewer.findings import Result
from cadviewer.gui.cases.case import Case
from cadviewer.gui.i18n.language import tr
from cadviewer.imaging.series import Series
from cadviewer.store import last_results
from cadviewer.store.session import case_key

log = logging.getLogger(__name__)


class KeptResults(QObject):
    """Signal: failed(text): a result will not be there the next time."""

    failed = Signal(str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._thread = Background("results", lambda said: self._not_kept())

    def close(self) -> None:
        """Write what is still to be written, then end."""
        self._thread.close()

    def keep(self, case: Case) -> None:
        """Keep the result of a case that was just made."""
        if case.result is not None:
            self._thread.do(self._keep, case.series, case.result, case.used_mm)

    def _keep(self, series: Series, result: Result, spacing_mm: float | None) -> None:
        try:
            last_results.keep(case_key(series), result, spacing_mm)
        except (OSError, ValueError) as error:
            log.warning("a result could not be kept: %s", type(error).__name__)
            self._not_kept()

    def _not_kept(self) -> None:
        self.failed.emit(tr("This result could not be kept: it will be made again when the case is opened again"))
