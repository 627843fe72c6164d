"""The report of a case before it leaves the window: shown as it will be, the impression written in it, then copied,
saved or printed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QPageSize, QTextCursor
from PySide6.QtWidgets import (
    QApplication,
    QDialog,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QPlainTextEdit,
    QPushButton,
    QTextBrowser,
    QVBoxLayout,
    QWidget,
)

from cadviewer import translations
from cadviewer.background import Background
from cadviewer.gui.cases.case import Case
from cadviewer.gui.i18n.language import tr, translate
from cadviewer.gui.review.reports import report_of_case, volume_of
from cadviewer.gui.review.saving import Saving, label_of, proposed
from cadviewer.gui.widgets.fields import Choice
from cadviewer.imaging import examination
from cadviewer.imaging.examination import NOTHING, Examination
from cadviewer.store import export
from cadviewer.store.export import ExportError
from cadviewer.store.reporting import templates, writing
from cadviewer.store.reporting.content import IMPRESSION, Report
from cadviewer.store.reporting.key_pictures import key_pictures
from cadviewer.store.reporting.pdf import Paper
from cadviewer.store.reporting.templates import Kind, Picture
from cadviewer.store.reporting.writing import Layout

if TYPE_CHECKING:
    from PySide6.QtPrintSupport import QPrinter

PAUSE_MS = 700
"""The preview follows the impression when nothing was typed for so long."""
KEPT_MS = 4000
"""And the journal keeps it."""
PAPERS = {Paper.A4: "A4", Paper.LETTER: "Letter"}


class ReportPreview(QDialog):
    """Signals: impression_entered(text or None): the reader wants it kept. copied(): the text is on the clipboard."""

    impression_entered = Signal(object)
    copied = Signal()
    _header_read = Signal(object)
    _pictures_made = Signal(str, object)

    def __init__(self, case: Case, saving: Saving, folder: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._case, self._saving, self._folder = case, saving, folder
        self._examination: Examination = NOTHING
        self._pictures: dict[str, list[Picture]] = {}  # by language: captions are in it
        self._asked: set[str] = set()
        self._thread = Background("report")
        self.setWindowTitle(tr("Report"))
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.page = QTextBrowser()
        self.page.setAccessibleName(tr("Report"))
        self.page.setStyleSheet("QTextBrowser { background: #ffffff; color: #111111; }")
        self.page.setOpenLinks(False)
        self.impression = QPlainTextEdit(case.reading().values.get(IMPRESSION, ""))
        self.impression.setAccessibleName(tr("Impression"))
        self.impression.setPlaceholderText(tr("Your impression; it is kept with the case"))
        self.impression.setTabChangesFocus(True)
        self.language, self.template, self.paper = Choice(), Choice(), Choice()
        self.said = QLabel()
        self.said.setWordWrap(True)
        self.said.setObjectName("dim")
        self._follow, self._keep = self._timer(PAUSE_MS, self.render_report), self._timer(KEPT_MS, self.keep)
        self._fill_choices()
        self._arrange()
        self.impression.textChanged.connect(self._typed)
        self._header_read.connect(self._take_header)
        self._pictures_made.connect(self._take_pictures)
        saving.said.connect(self.say)
        saving.failed.connect(self.say)
        self._thread.do(lambda: self._header_read.emit(examination.of_series(case.series)))
        self.render_report()
        self.impression.moveCursor(QTextCursor.MoveOperation.End)
        self.impression.setFocus()
        self.resize(860, 900)
        if parent is not None:
            self.resize(self.size().boundedTo(parent.screen().availableGeometry().size() * 0.95))

    def _timer(self, ms: int, then: Callable[[], object]) -> QTimer:
        timer = QTimer(self)
        timer.setSingleShot(True)
        timer.setInterval(ms)
        timer.timeout.connect(then)
        return timer

    def _fill_choices(self) -> None:
        for code, name in translations.available().items():
            self.language.addItem(name, code)
        self.language.setCurrentIndex(max(0, self.language.findData(translations.spoken().code)))
        self.language.setAccessibleName(tr("Language of the report"))
        assert self._case.result is not None
        for name in templates.names(self._case.result.task):
            self.template.addItem(name)
        self.template.setAccessibleName(tr("Template"))
        self.template.setVisible(self.template.count() > 1)
        for paper, name in PAPERS.items():
            self.paper.addItem(name, paper)
        self.paper.setCurrentIndex(self.paper.findData(writing.usual_paper()))
        self.paper.setAccessibleName(tr("Paper"))
        for box in (self.language, self.template):
            box.activated.connect(self.render_report)

    def _arrange(self) -> None:
        top = QHBoxLayout()
        for box in (self.language, self.template, self.paper):
            top.addWidget(box)
        top.addStretch(1)
        self.buttons: dict[str, QPushButton] = {}
        actions: tuple[tuple[str, str, Callable[[], object]], ...] = (
            ("copy", tr("&Copy text"), self.copy_text),
            ("save", tr("&Save as…"), self.ask_where),
            ("print", tr("&Print…"), self.preview_print),
            ("close", tr("C&lose"), self.accept),
        )
        below = QHBoxLayout()
        below.addWidget(self.said, 1)
        for name, text, then in actions:
            button = self.buttons[name] = QPushButton(text)
            button.setAutoDefault(False)
            button.clicked.connect(then)
            below.addWidget(button)
        label = QLabel(tr("&Impression"))
        label.setBuddy(self.impression)
        self.impression.setMaximumHeight(96)
        column = QVBoxLayout(self)
        column.addLayout(top)
        column.addWidget(self.page, 1)
        column.addWidget(label)
        column.addWidget(self.impression)
        column.addLayout(below)

    # what is shown -----------------------------------------------------------------------------------------------

    @property
    def layout_(self) -> Layout:
        """As it is chosen."""
        words = translations.words_of(str(self.language.currentData()))
        return Layout(words, self.template.currentText(), Paper(self.paper.currentData()))

    def report(self) -> Report | None:
        """As it is read now, with the impression as it stands in the field."""
        return report_of_case(self._case, self._examination, impression=self.impression.toPlainText().strip())

    def render_report(self) -> None:
        """Show the report again; the page stays where it was scrolled to."""
        report, layout = self.report(), self.layout_
        if report is None:
            return
        self._ask_pictures(report, layout)
        bar = self.page.verticalScrollBar()
        at = bar.value()
        try:
            pictures = self._pictures.get(layout.words.code, [])
            self.page.setHtml(
                templates.render(report, layout.words, Kind.HTML, name=layout.template, pictures=pictures)
            )
        except ExportError as error:
            self.page.setPlainText(translate(str(error)))
        bar.setValue(at)

    def _ask_pictures(self, report: Report, layout: Layout) -> None:
        """Have the key images made on a thread, once for each language."""
        code, volume = layout.words.code, volume_of(self._case)
        if volume is None:
            self.say(tr("The images are not all read yet: the report has no key images."))
        elif code not in self._asked:
            self._asked.add(code)
            self._thread.do(lambda: self._pictures_made.emit(code, key_pictures(report, volume, layout.words)))

    def _take_header(self, found: Examination) -> None:
        self._examination = found
        if found != NOTHING:
            self.render_report()

    def _take_pictures(self, code: str, pictures: list[Picture]) -> None:
        self._pictures[code] = pictures
        if pictures and code == self.layout_.words.code:
            self.render_report()

    def say(self, text: str) -> None:
        """One line beside the buttons."""
        self.said.setText(text)

    # the impression ----------------------------------------------------------------------------------------------

    def _typed(self) -> None:
        self._follow.start()
        self._keep.start()

    def keep(self) -> None:
        """Have the impression kept as it stands, where it is another than what is kept."""
        self._keep.stop()
        text = self.impression.toPlainText().strip()
        if text != self._case.reading().values.get(IMPRESSION, ""):
            self.impression_entered.emit(text or None)

    def done(self, result: int) -> None:
        """Whichever way it closes, the impression is kept."""
        self.keep()
        self._follow.stop()
        self._thread.close(drop=True, wait=False)
        super().done(result)

    # what leaves -------------------------------------------------------------------------------------------------

    def copy_text(self) -> None:
        """All of it as text."""
        self.keep()
        report, layout = self.report(), self.layout_
        if report is None:
            return
        try:
            text = templates.render(report, layout.words, Kind.TEXT, name=layout.template)
        except ExportError as error:
            self.say(translate(str(error)))
            return
        QApplication.clipboard().setText(text)
        self.say(tr("The report was copied as text"))
        self.copied.emit()

    def ask_where(self) -> None:
        """Ask for a file and its kind, then save."""
        self.keep()
        kinds = {label_of(export.load(name)): name for name in sorted(writing.MAKERS, key=lambda n: n != "report-pdf")}
        dialog = QFileDialog(self, tr("Save the report"), self._folder, ";;".join(kinds))
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setDefaultSuffix("pdf")
        dialog.filterSelected.connect(lambda kind: dialog.setDefaultSuffix(export.load(kinds[kind]).suffix[1:]))
        dialog.selectFile(f"{proposed(self._case.series)}-report.pdf")
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.fileSelected.connect(lambda file: self.save(Path(file), kinds[dialog.selectedNameFilter()]))
        dialog.open()

    def save(self, path: Path, name: str) -> None:
        """Write the report. name: of the format, unless the file's suffix is that of another one of reports."""
        report = self.report()
        suffixes = {export.load(each).suffix: each for each in writing.MAKERS}
        if export.load(name).suffix != path.suffix.lower():
            name = suffixes.get(path.suffix.lower(), name)
        if report is not None:
            self._saving.save_report(name, report, volume_of(self._case), self.layout_, path)

    def preview_print(self) -> None:
        """The pages as they will be printed, then the printer."""
        from PySide6.QtPrintSupport import QPrintPreviewDialog  # not at the start of the window

        self.keep()
        self.render_report()
        size = QPageSize.PageSizeId.A4 if self.layout_.paper is Paper.A4 else QPageSize.PageSizeId.Letter
        dialog = QPrintPreviewDialog(self)  # its own printer: one of ours would have to outlive it
        dialog.printer().setPageSize(QPageSize(size))
        dialog.paintRequested.connect(self.print_on)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.open()

    def print_on(self, printer: QPrinter) -> None:
        """Paint the pages of the report."""
        document = self.page.document().clone()
        document.print_(printer)
