"""From a case to the bytes of a report, in each of the ways that it can be saved."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cadviewer import atomic, translations
from cadviewer.imaging import examination
from cadviewer.imaging.series import InputError, Volume
from cadviewer.messages import Message
from cadviewer.store.case_report import CaseReport, CaseState
from cadviewer.store.export import ExportError
from cadviewer.store.reading import Reading
from cadviewer.store.reporting import pdf, templates
from cadviewer.store.reporting.content import Report, report_of
from cadviewer.store.reporting.encapsulated import encapsulated
from cadviewer.store.reporting.key_pictures import key_pictures
from cadviewer.store.reporting.pdf import Paper
from cadviewer.store.reporting.templates import Kind
from cadviewer.translations import Words


@dataclass(frozen=True)
class Layout:
    """How a report is put on paper. template: name of one, "" for the task's."""

    words: Words
    template: str = ""
    paper: Paper = Paper.A4


def usual_layout() -> Layout:
    """In the language of the window (English where there is none), on the paper of the user's country."""
    return Layout(translations.spoken(), paper=usual_paper())


def usual_paper() -> Paper:
    """By the locale of the process ("en_US.UTF-8"); A4 where it names no country."""
    named = next((os.environ[name] for name in ("LC_ALL", "LC_PAPER", "LANG") if os.environ.get(name)), "")
    return pdf.paper_of(named.split(".")[0].partition("_")[2])


def text(report: Report, volume: Volume | None, layout: Layout) -> bytes:
    """Plain text, UTF-8."""
    return templates.render(report, layout.words, Kind.TEXT, name=layout.template).encode()


def html(report: Report, volume: Volume | None, layout: Layout) -> bytes:
    """One HTML file with its key images in it."""
    pictures = key_pictures(report, volume, layout.words)
    return templates.render(report, layout.words, Kind.HTML, name=layout.template, pictures=pictures).encode()


def pdf_file(report: Report, volume: Volume | None, layout: Layout) -> bytes:
    """PDF with key images."""
    pictures = key_pictures(report, volume, layout.words)
    laid_out = templates.render(report, layout.words, Kind.TEXT, name=layout.template)
    return pdf.pdf_of(report, laid_out, layout.words, pictures, paper=layout.paper)


def dicom(report: Report, volume: Volume | None, layout: Layout) -> bytes:
    """The same PDF as a DICOM object of the study."""
    title = templates.render(report, layout.words, Kind.TEXT, name=layout.template).split("\n", 1)[0]
    try:
        return encapsulated(report, report.series, pdf_file(report, volume, layout), title)
    except InputError as error:
        raise ExportError(str(error)) from error


Maker = Callable[[Report, Volume | None, Layout], bytes]

MAKERS: Mapping[str, Maker] = {"report": html, "report-text": text, "report-pdf": pdf_file, "report-dicom": dicom}
"""By name of the format (`store.export.FORMATS`)."""


def write(name: str, report: Report, volume: Volume | None, layout: Layout, path: Path) -> None:
    """Into a file, whole or not at all. Raises OSError, ExportError."""
    atomic.write_bytes(path, MAKERS[name](report, volume, layout))


def of_case(case: CaseReport, reading: Reading | None) -> Report:
    """What the report of a case says. Raises ExportError where there is no result to report."""
    if case.series is None or case.result is None:
        raise ExportError(Message("there is no result to report"))
    return report_of(case.series, case.result, reading, examination=examination.of_series(case.series))


def write_file(name: str, case: CaseReport, volume: Volume | None, reading: Reading | None, path: Path) -> None:
    """See `Format.write_file`."""
    write(name, of_case(case, reading), volume, usual_layout(), path)


def write_case(names: Mapping[str, str], case: CaseReport, volume: Volume | None, folder: Path) -> None:
    """See `Format.write_case`. names: format → suffix of what is written of each case."""
    if case.state is not CaseState.DONE:
        return
    report, layout = of_case(case, None), usual_layout()
    for name, suffix in names.items():
        write(name, report, volume, layout, folder / f"{case.case}{suffix}")
