"""The line above everything: whose images these are, and what this program is not."""

from __future__ import annotations

from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QSizePolicy, QWidget

from cadviewer import translations
from cadviewer.gui.cases import wording
from cadviewer.gui.i18n.language import tr
from cadviewer.gui.widgets.elided_label import ElidedLabel
from cadviewer.imaging.series import Series
from cadviewer.store.reporting.phrases import Phrases, date


def patient_line(series: Series) -> str:
    """Name, identity, sex, date of birth, age: what the file says."""
    p = series.patient
    born = tr("born {date}", date=date(p.birth_date)) if p.birth_date else ""
    number = p.patient_id if p.patient_id != p.name else ""  # research data often have one for both
    parts = (p.name, number, p.sex, born, Phrases(translations.spoken()).age(p.age))
    return "   ".join(part for part in parts if part) or tr("No patient information")


def study_line(series: Series) -> str:
    """Date, study, body part and maker of the machine."""
    parts = (date(series.study_date), series.study_description, series.body_part, series.manufacturer)
    return "  ·  ".join(part for part in parts if part)


class Banner(QFrame):
    """Patient, study, and that this is for research only: always visible."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("banner")
        self.patient = ElidedLabel("cadviewer")
        self.patient.setObjectName("patient")
        self.study = ElidedLabel("")
        self.study.setObjectName("study")
        self.research = QLabel(tr(wording.RESEARCH))
        self.research.setObjectName("research")
        self.research.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        row = QHBoxLayout(self)
        row.setContentsMargins(14, 7, 12, 7)
        row.setSpacing(18)
        row.addWidget(self.patient, 3)
        row.addWidget(self.study, 4)
        row.addWidget(self.research)

    def show_series(self, series: Series | None) -> None:
        self.patient.set_text(patient_line(series) if series is not None else "cadviewer")
        self.study.set_text(study_line(series) if series is not None else "")
