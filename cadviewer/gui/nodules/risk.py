"""The risk panel: what the guideline, the Brock model and growth say of the selected finding and of the exam.

The reader says first what the CT was made for; then there is Lung-RADS or Fleischner, never both. Every input is
visible and can be changed; an answer says what it rests on and what it lacks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from html import escape

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtWidgets import (
    QApplication,
    QFormLayout,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from cadviewer import translations
from cadviewer.gui.cases.case import Case
from cadviewer.gui.i18n.language import tr
from cadviewer.gui.nodules.priors import Prior
from cadviewer.gui.widgets import style
from cadviewer.gui.widgets.fields import Choice, Editor
from cadviewer.gui.widgets.shortcuts import hint
from cadviewer.risk import form
from cadviewer.risk.contradictions import contradictions
from cadviewer.risk.form import CASE_FIELDS, FINDING_FIELDS, Field, Setting
from cadviewer.risk.words import Assessment
from cadviewer.store.reading import Read, Reading, proposed_type, proposed_upper_lobe
from cadviewer.store.reporting.phrases import Phrases

LACKING = (
    *("age", "sex", "family history of lung cancer", "emphysema", "longest diameter", "nodule type", "upper lobe"),
    *("number of nodules", "size (long and short axis, or volume)", "known cancer", "immunosuppression"),
    *("single or multiple", "risk (low or high)", "size of the solid component", "baseline or new", "features"),
    *("whether the exam is complete", "date of the earlier CT", "date of this CT", "the earlier diameters"),
    *(
        "a volume or both axes of both CTs",
        "an earlier CT that is earlier than this one",
        "months since the earlier CT",
    ),
    *("whether the solid component is new or growing", "the category at the earlier CT"),
)
"""What rules lack until the reader has said it, in their words."""

_EARLIER = ("prior_date", "prior_long_mm", "prior_short_mm", "prior_volume_mm3")
_PATIENT = (
    "age",
    "sex",
    "family_history",
    "emphysema",
    "count",
    "known_cancer",
    "immunosuppressed",
    "risk",
    "scan_date",
)
_EXAM = ("exam", "other_findings")


class FieldGroup(QWidget):
    """Editors under a heading that folds them away."""

    def __init__(self, title: str, fields: Sequence[Field]) -> None:
        super().__init__()
        self.head = QToolButton()
        self.head.setObjectName("fold")
        self.head.setText(title)
        self.head.setCheckable(True)
        self.head.setChecked(True)
        self.head.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.head.setArrowType(Qt.ArrowType.DownArrow)
        self.head.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.head.toggled.connect(self._fold)
        self.body = QWidget()
        self.rows = QFormLayout(self.body)
        self.rows.setContentsMargins(2, 0, 2, 4)
        self.rows.setVerticalSpacing(3)
        self.rows.setHorizontalSpacing(8)
        self.rows.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self.editors: dict[str, Editor] = {}
        for field in fields:
            editor = self.editors[field.name] = Editor(field)
            label = QLabel(", ".join(tr(part) for part in (field.label, field.unit) if part))
            label.setWordWrap(True)
            label.setFixedWidth(120)  # "Immunosuppressed" cannot be wrapped
            label.setObjectName("dim")
            self.rows.addRow(label, editor)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        column.addWidget(self.head)
        column.addWidget(self.body)

    def _fold(self, open_: bool) -> None:
        self.body.setVisible(open_)
        self.head.setArrowType(Qt.ArrowType.DownArrow if open_ else Qt.ArrowType.RightArrow)

    def ask(self, names: Sequence[str]) -> None:
        """Show these of its fields alone, and nothing of it when there is none."""
        for name, editor in self.editors.items():
            self.rows.setRowVisible(editor, name in names)
        self.setVisible(any(name in names for name in self.editors))


class RiskPanel(QWidget):
    """Signals: entered(finding's number or 0 for the case, {name: text or None}): the reader wants this kept."""

    entered = Signal(int, object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._number = 0
        self._priors: list[Prior] = []
        self.setting: dict[Setting, QPushButton] = {}
        self.answer, self.exam = _Answer(), _Answer()
        self.finding = FieldGroup(
            tr("Finding"), [f for f in FINDING_FIELDS.values() if f.name not in (*_EARLIER, "note")]
        )
        self.earlier = FieldGroup(
            tr("Earlier CT"), [CASE_FIELDS["prior_date"], *(FINDING_FIELDS[n] for n in _EARLIER[1:])]
        )
        self.prior = Choice()
        self.prior.setAccessibleName(tr("Take from an earlier CT"))
        self.prior.activated.connect(self._take)
        self.prior.setMinimumContentsLength(3)
        self.prior.setSizeAdjustPolicy(Choice.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.earlier.rows.insertRow(0, self.prior)
        self.patient = FieldGroup(tr("Patient"), [CASE_FIELDS[n] for n in _PATIENT])
        self.about_exam = FieldGroup(tr("Exam"), [CASE_FIELDS[n] for n in _EXAM])
        self.ask = QLabel(
            tr("Say first what this CT was made for: screening and incidental findings have their own rules.")
        )
        self.ask.setWordWrap(True)
        self.wrong = QLabel()
        self.wrong.setWordWrap(True)
        self.wrong.hide()
        self.choose = QLabel()
        self.choose.setWordWrap(True)
        self.choose.setObjectName("dim")
        self._arrange()
        for group in (self.finding, self.earlier, self.patient, self.about_exam):
            for editor in group.editors.values():
                editor.entered.connect(self._entered)

    def _arrange(self) -> None:
        row = QHBoxLayout()
        row.setSpacing(4)
        for setting, text in ((Setting.SCREENING, tr("Screening")), (Setting.INCIDENTAL, tr("Incidental finding"))):
            button = QPushButton(text)
            button.setObjectName("choice")
            button.setCheckable(True)
            button.setToolTip("Lung-RADS v2022" if setting is Setting.SCREENING else "Fleischner 2017")
            button.clicked.connect(lambda down, setting=setting: self._set(setting if down else None))
            self.setting[setting] = button
            row.addWidget(button, 1)
        inside = self._inside = QWidget()
        column = QVBoxLayout(inside)
        column.setContentsMargins(0, 0, 6, 0)
        column.setSpacing(6)
        for widget in (self.ask, self.choose, self.answer, self.exam):
            column.addWidget(widget)
        for group in (self.finding, self.about_exam, self.patient, self.earlier):
            column.addWidget(group)
        column.addStretch(1)
        self.area = QScrollArea()
        self.area.setWidgetResizable(True)
        self.area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.area.setWidget(inside)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 4, 0, 0)
        outer.setSpacing(6)
        outer.addLayout(row)
        outer.addWidget(self.wrong)
        outer.addWidget(self.area, 1)

    # showing -----------------------------------------------------------------------------------------------------

    def show_case(self, case: Case, priors: Sequence[Prior] = ()) -> None:
        """Show what the rules say of the case and its selected finding as they are now; an entry that is being made
        stays where it is.
        """
        field = QApplication.focusWidget()
        at = self._height(field) if field is not None and self._inside.isAncestorOf(field) else None
        self._show(case, priors)
        if field is not None and at is not None:
            QTimer.singleShot(40, self, lambda: self._keep(field, at))  # when the layout has settled

    def _height(self, field: QWidget) -> int:
        """How far down in what is seen of the form."""
        return field.mapTo(self.area.viewport(), field.rect().topLeft()).y()

    def _keep(self, field: QWidget, at: int) -> None:
        if not field.isVisible():
            return  # it is not asked any more
        bar = self.area.verticalScrollBar()
        bar.setValue(bar.value() + self._height(field) - at)

    def _show(self, case: Case, priors: Sequence[Prior]) -> None:
        reading = case.reading()
        read = next((r for r in reading.findings if r.found.nodule.number == case.selected), None)
        self._number = read.found.nodule.number if read is not None else 0
        setting = form.setting(reading.form)
        for which, button in self.setting.items():
            button.setChecked(which is setting)
        self.ask.setVisible(setting is None)
        self.choose.setText(tr("Choose a finding{key} to assess it.", key=hint("next_finding")))
        self.choose.setVisible(setting is not None and read is None)
        self._show_fields(reading, read)
        wrong = contradictions(reading.form, read.form if read is not None else {}) if setting is not None else ()
        self.wrong.setVisible(bool(wrong))
        said = escape("; ".join(tr(text) for text in wrong))
        self.wrong.setText(f"<span style='color:{style.colour('warning').name()}'>⚠ {said}</span>")
        shown = reading.assess(read) if read is not None else ()
        name = read.found.name if read is not None else ""
        self.answer.show_assessments(tr("Finding {number}", number=name), shown)
        exam = reading.assess_exam()
        if exam is not None and any(a.management == exam.management for a in shown):
            exam = replace(exam, management="")  # it is just above
        self.exam.show_assessments(tr("Exam"), (exam,) if exam is not None else ())
        self._show_priors(list(priors) if read is not None and setting is not None else [])

    def _show_fields(self, reading: Reading, read: Read | None) -> None:
        own = read.values if read is not None else {}
        of_case, of_finding = form.asked(reading.form, read.form if read is not None else {})
        if form.setting(reading.form) is None:
            of_case = of_finding = ()
        self.finding.head.setText(tr("Finding {number}", number=read.found.name if read is not None else ""))
        self.finding.ask([n for n in of_finding if n not in _EARLIER] if read is not None else ())
        self.earlier.ask(
            [n for n in (*of_case, *of_finding) if n in _EARLIER and (read is not None or n == "prior_date")]
        )
        self.patient.ask(of_case)
        self.about_exam.ask(of_case)
        known = _known(reading, read)
        values = {**reading.values, **own}
        nodule = read.found.nodule if read is not None else None
        proposed = (
            {"type": proposed_type(nodule), "upper_lobe": proposed_upper_lobe(nodule)} if nodule is not None else {}
        )
        for group in (self.finding, self.earlier, self.patient, self.about_exam):
            for name, editor in group.editors.items():
                editor.show_value(values.get(name), known.get(name, ""), proposed.get(name))

    def _show_priors(self, priors: list[Prior]) -> None:
        self.earlier.rows.setRowVisible(self.prior, bool(priors))
        if priors != self._priors or self.prior.count() == 0:
            self._priors = priors
            self.prior.clear()
            self.prior.addItem(tr("Take from an earlier CT…"))
            self.prior.addItems([p.label for p in priors])
        self.prior.setCurrentIndex(0)

    # entering ----------------------------------------------------------------------------------------------------

    def _set(self, setting: Setting | None) -> None:
        for button in self.setting.values():
            button.setChecked(False)  # the journal says when it is so
        self.entered.emit(0, {"setting": setting.value if setting is not None else None})

    def _entered(self, name: str, text: str | None) -> None:
        self.entered.emit(0 if name in CASE_FIELDS else self._number, {name: text})

    def _take(self, row: int) -> None:
        if 0 < row <= len(self._priors):
            prior = self._priors[row - 1]
            self.entered.emit(0, {"prior_date": prior.on.isoformat()})
            self.entered.emit(self._number, dict(prior.values))
        self.prior.setCurrentIndex(0)


class _Answer(QFrame):
    """What rules say, one under the other; a link unfolds what each rests on."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("card")
        self._title, self._answers = "", tuple[Assessment, ...]()
        self._unfolded = False
        self.text = QLabel()
        self.text.setWordWrap(True)
        self.text.setTextFormat(Qt.TextFormat.RichText)
        self.text.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.LinksAccessibleByMouse
        )
        self.text.linkActivated.connect(self._fold)
        column = QVBoxLayout(self)
        column.setContentsMargins(9, 5, 9, 6)
        column.addWidget(self.text)

    def show_assessments(self, title: str, answers: Sequence[Assessment]) -> None:
        self._title, self._answers = title, tuple(answers)
        self.setVisible(bool(answers))
        self.text.setText("".join(_html(title if k == 0 else "", a, self._unfolded) for k, a in enumerate(answers)))

    def _fold(self) -> None:
        self._unfolded = not self._unfolded
        self.show_assessments(self._title, self._answers)


def _html(title: str, answer: Assessment, unfolded: bool) -> str:
    """The category large, what is missing in the colour of warnings and in words, the source small."""
    dim, warn, text = (style.colour(name).name() for name in ("dim", "warning", "text"))
    small = f"margin:0; color:{dim}; font-size:11px"
    rule = f"{title} · {answer.rule.title}" if title else answer.rule.title
    parts = [f"<p style='{small}; margin-top:4px'>{escape(rule)}</p>"]
    if answer.category is None:
        lacking = escape(", ".join(map(lack, answer.missing)))
        parts.append(f"<p style='margin:0; color:{warn}'><b>{tr('Not determined.')}</b> {tr('Missing:')} {lacking}</p>")
    else:
        large = f"margin:0; color:{text}; font-size:16px; font-weight:600"
        parts.append(f"<p style='{large}'>{escape(answer.category)}</p>")
    if answer.management:
        parts.append(f"<p style='margin:0'>{escape(answer.management)}</p>")
    parts += [f"<p style='margin:0; color:{dim}'>{escape(note)}</p>" for note in answer.notes]
    link = f"<a style='color:{style.colour('accent').name()}' href='#'>{tr('less') if unfolded else tr('inputs')}</a>"
    parts.append(f"<p style='{small}'>{escape(answer.rule.source)}{' · ' + link if answer.used else ''}</p>")
    if unfolded:
        used = " · ".join(f"{name}: {value}" for name, value in answer.used)
        parts.append(f"<p style='{small}'>{escape(used)}</p>")
    return "".join(parts)


def lack(text: str) -> str:
    """What a rule lacks, in the user's language as far as it is one of the usual things."""
    return Phrases(translations.spoken()).lack(text)


def _known(reading: Reading, read: Read | None) -> Mapping[str, str]:
    """What holds while the reader entered nothing: words for the empty editors."""
    known = {}
    by_file = reading.case_facts
    if by_file.age is not None:
        known["age"] = tr("{value} (file)", value=f"{by_file.age:g}")
    if by_file.sex is not None:
        known["sex"] = tr("{value} (file)", value=tr(by_file.sex.value))
    if by_file.scan_date is not None:
        known["scan_date"] = tr("{value} (file)", value=by_file.scan_date.isoformat())
    if by_file.prior_date is not None:
        known["prior_date"] = tr("{value} (comparison)", value=by_file.prior_date.isoformat())
    if read is not None:
        for name in ("status", "previous", "prior_long_mm", "prior_short_mm", "prior_volume_mm3"):
            if name not in read.values and name in read.form:
                text = read.form[name]
                value = tr(text) if name == "status" else text if name == "previous" else f"{float(text):.1f}"
                known[name] = tr("{value} (comparison)", value=value)
        for name in ("long_mm", "short_mm", "volume_mm3"):
            if name not in read.values and name in read.form:
                value = f"{float(read.form[name]):.{0 if name == 'volume_mm3' else 1}f}"
                known[name] = tr("{value} (measured)", value=value)
    return known
