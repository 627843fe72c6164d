"""The outline of the tumour mask over an ultrasound image. The inside stays free: it is what one looks at."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QPainter, QPainterPath, QPen, QPolygonF

from cadviewer.findings import BreastFinding
from cadviewer.gui.canvas.marks import paint_corners
from cadviewer.gui.canvas.overlay_text import HALO
from cadviewer.gui.canvas.viewport import FindingMarks, Kind, Viewport
from cadviewer.gui.cases.case import Case
from cadviewer.gui.widgets import style


class MaskOutline:
    """The layer of the mask of the frame on screen."""

    kind = Kind.MARK

    def __init__(self) -> None:
        self.case: Case | None = None
        self._of: BreastFinding | None = None
        self._path = QPainterPath()

    def paint(self, painter: QPainter, viewport: Viewport) -> None:
        if self.case is None or self.case.result is None or viewport.stack is not self.case.stack:
            return
        finding = next((f for f in self.case.result.breast if f.frame == viewport.index), None)
        if finding is None or finding.mask is None:
            return
        if finding is not self._of:
            self._of, self._path = finding, QPainterPath()
            for line in outlines(finding.mask):
                self._path.addPolygon(QPolygonF([QPointF(x, y) for x, y in line.tolist()]))
        path = viewport.transform().map(self._path)
        if viewport.findings is FindingMarks.NONE:
            return
        if viewport.findings is FindingMarks.CORNERS:
            pens = QPen(HALO, 3.8), QPen(style.MASK, 1.9)
            paint_corners(painter, path.boundingRect().adjusted(-2, -2, 2, 2), pens)
            return
        for colour, width in ((HALO, 3.8), (style.MASK, 1.9)):
            painter.strokePath(path, QPen(colour, width, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))


def outlines(mask: NDArray[np.uint8]) -> list[NDArray[np.float64]]:
    """Closed lines (n, 2) of (x, y) edge coordinates around the regions of a (rows, columns) mask, holes too.

    Half-way between the centres of pixels of 0 and 255 (marching squares).
    """
    import contourpy  # with its compiled part, which nothing else of the first frame needs

    padded = np.pad(mask > 0, 1).astype(np.float64)
    lines = contourpy.contour_generator(z=padded).lines(0.5)
    return [np.asarray(line, np.float64) - 0.5 for line in lines]  # padding taken off, centres to edges
