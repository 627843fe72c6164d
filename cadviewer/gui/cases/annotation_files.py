"""Annotations that were opened (SR, SEG, presentation states): read beside the window, laid over the cases they are of.

A file whose series is not open waits: it is laid over it when that is opened. Nothing of it is ever kept or changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from cadviewer.background import Background
from cadviewer.gui.cases.case import Case
from cadviewer.gui.cases.registry import Cases
from cadviewer.gui.i18n.language import tr, translate
from cadviewer.imaging.annotations import WORDS, Annotation, Annotations, Content, Placed, place, read
from cadviewer.imaging.series import InputError, Series
from cadviewer.store.export.dicom.images import where


@dataclass(frozen=True)
class Laid:
    """An annotation on the images of a case. placed: nothing where it has no place on any of them."""

    annotation: Annotation
    placed: tuple[Placed, ...]


@dataclass(eq=False)
class AnnotationFile:
    """A file that was opened. key: where it is, and where it was read. laid: by case. hidden: whether the reader has
    switched it off."""

    name: str
    content: Content
    key: tuple[Path, Path]
    hidden: bool = False
    laid: dict[str, tuple[Laid, ...]] = field(default_factory=dict)
    tried: set[str] = field(default_factory=set)


class AnnotationFiles(QObject):
    """Signals: changed(): others lie over some case; told(text): what the reader must know, "" for nothing any more;
    said(text): a remark for the status line.
    """

    changed = Signal()
    told = Signal(str)
    said = Signal(str)
    _came = Signal(object, object)
    _failed = Signal(object, str)
    _matched = Signal(object, str, object)
    _settled = Signal()

    def __init__(self, cases: Cases, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._cases = cases
        self._files: list[AnnotationFile] = []
        self._problems: dict[str, str] = {}
        self._thread = Background("annotations")
        self._came.connect(self._take)
        self._failed.connect(self._fail)
        self._matched.connect(self._lay)
        self._settled.connect(self._tell)

    def close(self) -> None:
        """End the thread; nothing of it is kept."""
        self._thread.close(drop=True)

    def open(self, found: Annotations) -> None:
        """Read a file that the scan has found."""
        self._thread.do(self._read, found)

    def match(self) -> None:
        """There are other cases now: see whose the files are."""
        for file in self._files:
            for case in self._cases:
                if case.case_id not in file.tried:
                    file.tried.add(case.case_id)
                    self._thread.do(self._place, file, case.case_id, case.series)

    def settle(self) -> None:
        """All that was opened together has been found: say what is not as it should be."""
        self._thread.do(self._settled.emit)

    def of(self, case: Case | None) -> Sequence[AnnotationFile]:
        """The files that lie over a case."""
        return [f for f in self._files if case is not None and case.case_id in f.laid]

    def forget(self, file: AnnotationFile) -> None:
        """Take a file away again."""
        if file in self._files:
            self._files.remove(file)
            self._problems.pop(str(file.key[0]), None)
            self.changed.emit()
            self._tell()

    # on the thread ------------------------------------------------------------------------------------------------

    def _read(self, found: Annotations) -> None:
        try:
            self._came.emit(found, read(found))
        except (InputError, OSError) as error:
            reason = str(error) if isinstance(error, InputError) else error.strerror or type(error).__name__
            self._failed.emit(found.source, reason)

    def _place(self, file: AnnotationFile, case_id: str, series: Series) -> None:
        try:
            names = where(series)
        except OSError:  # the file of the images went away: whose this is cannot be told
            return
        if names.meant(file.content):
            laid = tuple(Laid(a, place(a, series, names)) for a in file.content.annotations)
            self._matched.emit(file, case_id, laid)

    # on the window's thread ---------------------------------------------------------------------------------------

    def _take(self, found: Annotations, content: Content) -> None:
        name = found.source.name
        key = found.source, found.file  # archives give every folder a file of the same name
        for old in [f for f in self._files if f.key == key]:
            self.forget(old)
        self._problems.pop(str(found.source), None)
        self._files.append(AnnotationFile(name, content, key))
        self.match()
        self.settle()

    def _fail(self, source: Path, reason: str) -> None:
        said = tr("{name} could not be read: {reason}", name=source.name, reason=reason)
        self._problems[str(source)] = said
        self._tell()

    def _lay(self, file: AnnotationFile, case_id: str, laid: tuple[Laid, ...]) -> None:
        if file not in self._files:
            return
        file.laid[case_id] = laid
        shown = sum(bool(each.placed) for each in laid)
        self.said.emit(
            tr("{name}: {shown} of {all} by “{made_by}” are drawn", name=file.name, shown=shown, all=len(laid),
               made_by=file.content.made_by)
        )  # fmt: skip
        self.changed.emit()

    def _tell(self) -> None:
        lines = list(self._problems.values()) + [line for f in self._files if (line := problem(f))]
        self.told.emit("\n".join(lines))


def problem(file: AnnotationFile) -> str:
    """What is wrong with a file, in one line; "" where it is all on the images."""
    kind = translate(WORDS[file.content.kind])
    if not file.laid:
        series = ", ".join(f"…{uid[-12:]}" for uid in sorted(file.content.series)) or "?"
        return tr(
            "{name}: the {kind} is about a series that is not open ({series}); it is drawn when that is opened.",
            name=file.name,
            kind=kind,
            series=series,
        )
    parts = [translate(what) for what in file.content.missing]
    nowhere = min(sum(not each.placed and bool(each.annotation.graphics) for each in own) for own in file.laid.values())
    if nowhere:
        parts.append(tr("{count} without a place on these images", count=nowhere))
    return tr("{name}: not drawn: {parts}", name=file.name, parts="; ".join(parts)) if parts else ""
