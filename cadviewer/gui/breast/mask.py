"""The outline of the tumour mask over an ultrasound image. The inside stays free: it is what one looks at."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import Qt
from PySide6.QtGui import QPainter, QPainterPath, QPen

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
            for (x0, y0), (x1, y1) in outline(finding.mask).tolist():
                self._path.moveTo(x0, y0)
                self._path.lineTo(x1, y1)
        path = viewport.transform().map(self._path)
        if viewport.findings is FindingMarks.NONE:
            return
        if viewport.findings is FindingMarks.CORNERS:
            pens = QPen(HALO, 3.8), QPen(style.MASK, 1.9)
            paint_corners(painter, path.boundingRect().adjusted(-2, -2, 2, 2), pens)
            return
        for colour, width in ((HALO, 3.8), (style.MASK, 1.9)):
            painter.strokePath(path, QPen(colour, width, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))


_A, _B, _C, _D = 1, 2, 4, 8  # the corners of a cell: top left, top right, bottom right, bottom left
_TOP, _RIGHT, _BOTTOM, _LEFT = (0.5, 0.0), (1.0, 0.5), (0.5, 1.0), (0.0, 0.5)  # the middles of its sides, (x, y)
_LINES = {
    _A: ((_LEFT, _TOP),),
    _B: ((_TOP, _RIGHT),),
    _C: ((_RIGHT, _BOTTOM),),
    _D: ((_BOTTOM, _LEFT),),
    _A | _B: ((_LEFT, _RIGHT),),
    _B | _C: ((_TOP, _BOTTOM),),
    _C | _D: ((_LEFT, _RIGHT),),
    _A | _D: ((_TOP, _BOTTOM),),
    _B | _C | _D: ((_LEFT, _TOP),),
    _A | _C | _D: ((_TOP, _RIGHT),),
    _A | _B | _D: ((_RIGHT, _BOTTOM),),
    _A | _B | _C: ((_BOTTOM, _LEFT),),
    _A | _C: ((_LEFT, _TOP), (_RIGHT, _BOTTOM)),
    _B | _D: ((_TOP, _RIGHT), (_BOTTOM, _LEFT)),
}


def outline(mask: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Line pieces (n, 2, 2) of (x, y) edge coordinates around the regions of a (rows, columns) mask, holes too.

    Marching squares half-way between the centres of pixels of 0 and 255; pieces in no particular order.
    """
    m = np.pad(mask > 0, 1).astype(np.uint8)
    cells = m[:-1, :-1] * _A + m[:-1, 1:] * _B + m[1:, 1:] * _C + m[1:, :-1] * _D
    pieces = [np.empty((0, 2, 2))]
    for cell, lines in _LINES.items():
        rows, columns = np.nonzero(cells == cell)
        corner = np.stack([columns, rows], axis=-1)[:, None, :] - 0.5  # centre of its top left pixel, padding taken off
        pieces += [corner + np.array(line) for line in lines]
    return np.concatenate(pieces)
