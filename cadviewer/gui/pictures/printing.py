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


def preview(parent: QWidget, images: Sequence[QImage], title: str) -> QPrintPreviewDialog:
    """The dialog in which the pages are looked at and printed. title: stands above each picture; no patient's name."""
    printer = QPrinter(QPrinter.PrinterMode.HighResolution)
    printer.setDocName(title)
    first = images[0]
    landscape = first.width() > first.height()
    printer.setPageOrientation(QPageLayout.Orientation.Landscape if landscape else QPageLayout.Orientation.Portrait)
    dialog = QPrintPreviewDialog(printer, parent)
    dialog.setWindowTitle(tr("Print"))
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    dialog.resize(900, 700)
    dialog.paintRequested.connect(lambda paper: paint(paper, images, title))
    return dialog


def paint(printer: QPrinter, images: Sequence[QImage], title: str) -> None:
    """A picture on each page, as large as it goes, with what it is above and what it is for below."""
    painter = QPainter(printer)
    font = painter.font()
    font.setPointSizeF(9)
    painter.setFont(font)
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
