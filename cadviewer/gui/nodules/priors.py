"""Findings of earlier examinations of the same patient that are open in this window. No Qt."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from cadviewer.gui.cases import wording
from cadviewer.gui.cases.case import Case
from cadviewer.gui.i18n.language import tr
from cadviewer.imaging import patients
from cadviewer.risk.form import Form
from cadviewer.store.reading import facts_of
from cadviewer.store.session import Answer


@dataclass(frozen=True)
class Prior:
    """A finding of an earlier CT, as the reader left it. form: its axes and volume, entered or measured."""

    on: date
    number: int
    image: str
    form: Form

    @property
    def label(self) -> str:
        """ "2023-01-31 · finding 2, no. 14 · 7.5 mm"."""
        size = f" · {float(self.form['long_mm']):.1f} mm" if "long_mm" in self.form else ""
        return tr(
            "{date} · finding {number}, {image}{size}",
            date=self.on.isoformat(),
            number=self.number,
            image=self.image,
            size=size,
        )

    @property
    def values(self) -> dict[str, str]:
        """What is entered for the finding of today, by field."""
        names = {"long_mm": "prior_long_mm", "short_mm": "prior_short_mm", "volume_mm3": "prior_volume_mm3"}
        return {new: f"{float(self.form[old]):.1f}" for old, new in names.items() if old in self.form}


def priors(case: Case, cases: Iterable[Case]) -> list[Prior]:
    """Findings that were not rejected, of CTs of the same patient before this one, latest first.

    Patients are the same as `patients.same` says; what names nobody is not taken for an earlier examination.
    """
    today = facts_of(case.series).scan_date
    if today is None:
        return []
    found = []
    for other in cases:
        on = facts_of(other.series).scan_date
        if other is case or not patients.same(case.series, other.series) or on is None or on >= today:
            continue
        if other.concealed:
            continue
        found += [
            Prior(on, read.found.nodule.number, wording.images(other.series, read.found.nodule.box.slice), read.form)
            for read in other.reading().findings
            if read.answer is not Answer.REJECTED
        ]
    return sorted(found, key=lambda p: (-p.on.toordinal(), p.number))
