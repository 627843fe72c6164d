"""From a row of a finished run to its finding on screen: the case is opened if need be, the finding selected."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject

from cadviewer.findings import Box, overlap
from cadviewer.gui.cases.case import Case
from cadviewer.gui.cases.opener import Opener
from cadviewer.gui.cases.registry import Cases
from cadviewer.gui.engine.analysis import Analysis
from cadviewer.gui.review.review_controller import ReviewController
from cadviewer.gui.viewing.workspace import Workspace

if TYPE_CHECKING:  # OpenCV, which the window's start does not need
    from cadviewer.store.finished_runs import Row


class FindingOpener(QObject):
    """One at a time: what was wanted before is no longer, as soon as another is or the reader opens something else."""

    def __init__(
        self,
        cases: Cases,
        opener: Opener,
        analysis: Analysis,
        review: ReviewController,
        workspace: Workspace,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._cases, self._opener, self._review, self._workspace = cases, opener, review, workspace
        self._wanted: Row | None = None
        opener.reported.connect(self._scanned)
        opener.opened.connect(self._opened)
        opener.loaded.connect(self._loaded)
        analysis.changed.connect(self._changed)

    def go(self, row: Row) -> None:
        """Show a finding, or the case where it is about none."""
        self._wanted = row
        case = self._case(row)
        if case is None:
            self._opener.open_paths([row.source])
        else:
            self._show(case, row)

    def _case(self, row: Row) -> Case | None:
        """The case that a row is about, among those of the window."""
        uid, path = row.series_uid, str(row.source)
        exact = [c for c in self._cases if c.case_id == row.case]
        # A series of images of two sizes is two cases of one UID: then neither stands for the other.
        alike = [c for c in self._cases if (c.series.series_uid == uid if uid else _path(c) == path)]
        return exact[0] if exact else alike[0] if len(alike) == 1 else None

    def _scanned(self) -> None:
        row = self._wanted
        case = self._case(row) if row is not None else None
        if row is not None and case is not None:
            self._show(case, row)

    def _show(self, case: Case, row: Row) -> None:
        if row.slice is not None:
            case.index = row.slice
        shown = case is self._cases.current and case.stack is not None
        self._opener.open_case(case)
        if shown:
            self._loaded(case)

    def _opened(self, case: Case) -> None:
        if self._wanted is not None and case is not self._case(self._wanted) and not self._opener.reading:
            self._wanted = None

    def _loaded(self, case: Case) -> None:
        row = self._wanted
        if row is None or case is not self._case(row) or row.slice is None:
            return
        self._workspace.go_to_image(row.slice)
        if row.box is not None:
            x0, y0, x1, y1 = row.box
            self._workspace.viewport.centre_on((x0 + x1) / 2, (y0 + y1) / 2)
        self._changed(case)

    def _changed(self, case: Case) -> None:
        """The findings are there: select the one at that place."""
        row = self._wanted
        if row is None or case is not self._case(row) or case.stack is None or not case.stack.complete:
            return
        if row.box is None or row.slice is None:
            self._wanted = None
            return
        place = Box(row.slice, *row.box, row.score or 0.0)
        near = (n for n in case.findings() if any(b.slice == place.slice and overlap(b, place) >= 0.5 for b in n.boxes))
        if (nodule := next(near, None)) is not None:
            self._wanted = None
            self._review.choose(nodule.number)


def _path(case: Case) -> str:
    return os.path.abspath(case.series.source)
