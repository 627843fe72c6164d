"""Pictures on paper: a page each, with a preview that is Qt's own."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QImage, QPageLayout, QPainter
from PySide6.QtPrintSupport import QPrinter, QPrintPreviewDialog
from PySide6.QtWidgets import QWidget

from cadviewer.gui.cases.wording import RESEARCH
from cadviewer.gui.i18n.language import tr

MARGIN_LINES = 2.2
"""Room above and below a picture, in lines of text."""


LONGEST = 2048
"""Longer side in pixels of a picture that is made for paper: 250 to the inch on A4 across."""


class Preview(QPrintPreviewDialog):
    """The pages as they will be, and the button that prints them.

    title: stands above each picture; no patient's name.
    """

    def __init__(self, images: Sequence[QImage], title: str, parent: QWidget) -> None:
        self._printer = QPrinter(QPrinter.PrinterMode.HighResolution)  # which the dialog does not keep alive
        self._printer.setDocName(title)
        wide = images[0].width() > images[0].height()
        orientation = QPageLayout.Orientation.Landscape if wide else QPageLayout.Orientation.Portrait
        self._printer.setPageOrientation(orientation)
        super().__init__(self._printer, parent)
        self.setWindowTitle(tr("Print"))
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.resize(900, 700)
        self.paintRequested.connect(lambda printer: paint(printer, images, title))


def paint(printer: QPrinter, images: Sequence[QImage], title: str) -> None:
    """A picture on each page, as large as it goes, with what it is above and what it is for below."""
    painter = QPainter(printer)
    font = painter.font()
    font.setPointSizeF(9)
    painter.setFont(font)
    painter.setPen(Qt.GlobalColor.black)  # the theme's may be a light one
    line = painter.fontMetrics().height()
    for number, image in enumerate(images, start=1):
        if number > 1:
            printer.newPage()
        page = QRectF(painter.viewport())
        inner = page.adjusted(0, MARGIN_LINES * line, 0, -MARGIN_LINES * line)
        factor = min(inner.width() / image.width(), inner.height() / image.height())
        width, height = image.width() * factor, image.height() * factor
        left, top = inner.left() + (inner.width() - width) / 2, inner.top() + (inner.height() - height) / 2
        painter.drawImage(QRectF(left, top, width, height), image)
        painter.drawText(page, Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft, title)
        foot = Qt.AlignmentFlag.AlignBottom
        painter.drawText(page, foot | Qt.AlignmentFlag.AlignLeft, tr(RESEARCH))
        painter.drawText(page, foot | Qt.AlignmentFlag.AlignRight, f"{number} / {len(images)}")
    painter.end()
