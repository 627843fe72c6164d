"""The PDF of a report (fpdf2): its text laid out on pages of A4 or Letter, then the key images.

The text is what a template gave. A line of "=" or "-" makes the one above it a title or a heading, and blanks before a
line indent it. Every page has its number, whose report it is, and that it is for research only. Scripts run as they are
written (Arabic, Hebrew, Devanagari: by HarfBuzz); what DejaVu Sans does not cover is taken from fonts of this computer,
and a character that none of them has is written by its number, which the report says.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from enum import StrEnum
from functools import cache
from typing import Any

import cadviewer
from cadviewer.store.reporting import fonts
from cadviewer.store.reporting.content import Report
from cadviewer.store.reporting.phrases import date
from cadviewer.store.reporting.templates import Picture
from cadviewer.translations import Words

FAMILY = "dejavu"
MARGIN_MM, BODY_PT, SMALL_PT, HEADING_PT, TITLE_PT = 18.0, 9.5, 7.5, 11.0, 15.0
LINE = 1.35
"""Height of a line over the size of its letters."""
MOST_TALL_MM = 110.0
"""A key image is no taller."""
_POINT_MM = 25.4 / 72
_RULE = re.compile(r"[=\-]{2,}")


class Paper(StrEnum):
    """Sizes of a page."""

    A4 = "A4"
    LETTER = "letter"


def paper_of(region: str) -> Paper:
    """What a country prints on (ISO 3166: "US"): Letter in North America and some others, else A4."""
    letter = {"US", "CA", "MX", "CL", "CO", "VE", "PH", "CR", "GT", "SV", "PA", "DO", "NI", "PR"}
    return Paper.LETTER if region.upper() in letter else Paper.A4


def pdf_of(
    report: Report, text: str, words: Words, pictures: Sequence[Picture] = (), *, paper: Paper = Paper.A4
) -> bytes:
    """The file. text: of a template; pictures: the key images."""
    running = _running(report)
    needed = fonts.missing(text + running + "".join(p.caption for p in pictures), fonts.characters(fonts.REGULAR))
    others, lacking = fonts.substitutes(needed)
    document = _document(paper, running, words)
    document.add_font(FAMILY, "", fonts.REGULAR)
    document.add_font(FAMILY, "B", fonts.BOLD)
    for k, path in enumerate(others):
        document.add_font(f"other{k}", "", path)
    document.set_fallback_fonts([f"other{k}" for k in range(len(others))], exact_match=False)
    document.set_text_shaping(True)
    document.set_title(text.split("\n", 1)[0])
    document.set_creator(cadviewer.APPLICATION)
    document.set_lang(words.code or "en")
    document.set_auto_page_break(True, MARGIN_MM)
    document.set_margin(MARGIN_MM)
    document.alias_nb_pages("{pages}")
    document.running = _shown(running, lacking)
    document.add_page()
    _put_text(document, _shown(text, lacking))
    if lacking:
        said = words.count(
            len(lacking),
            "{n} character is not in any font of this computer and stands as its Unicode number.",
            "{n} characters are not in any font of this computer and stand as their Unicode numbers.",
        )
        _paragraph(document, said)
    _put_pictures(document, pictures, words, lacking)
    return bytes(document.output())


def _running(report: Report) -> str:
    """Whose report it is, on every page."""
    patient = report.series.patient
    parts = (patient.name, patient.patient_id, date(report.series.study_date))
    return "   ".join(part[:60] for part in dict.fromkeys(parts) if part)


def _shown(text: str, lacking: frozenset[str]) -> str:
    return "".join(f"[U+{ord(c):04X}]" if c in lacking else c for c in text)


def _document(paper: Paper, running: str, words: Words) -> Any:
    document = _page_class()(format=paper.value)
    document.running, document.footing = running, words
    return document


@cache
def _page_class() -> Any:
    from fpdf import FPDF  # 0.3 s, only where a PDF is written

    class Pages(FPDF):
        """Pages with what stands on each."""

        running = ""
        footing: Words

        def header(self) -> None:
            if self.page_no() > 1 and self.running:
                _use_font(self, "", SMALL_PT)
                self.set_text_color(90)
                self.cell(0, _height(SMALL_PT), self.running, new_x="LMARGIN", new_y="NEXT")
                self.set_text_color(0)
                self.ln(2)

        def footer(self) -> None:
            self.set_y(-MARGIN_MM + 5)
            _use_font(self, "", SMALL_PT)
            self.set_text_color(90)
            tr = self.footing.tr
            self.cell(self.epw * 0.75, _height(SMALL_PT), tr(cadviewer.NOTICE))
            self.cell(0, _height(SMALL_PT), f"{self.page_no()} / {{pages}}", align="R")
            self.set_text_color(0)

    return Pages


def _use_font(document: Any, style: str, size: float) -> None:
    """Write with this font from here on, and say so in the page: after a page break that began with a substitute font
    fpdf2 2.8.9 takes the font for said."""
    document.current_font_is_set_on_page = False
    document.set_font(FAMILY, style, size)


def _height(points: float) -> float:
    return points * _POINT_MM * LINE


def _put_text(document: Any, text: str) -> None:
    lines = text.split("\n")
    k = 0
    while k < len(lines):
        line, below = lines[k], lines[k + 1] if k + 1 < len(lines) else ""
        if line.strip() and _RULE.fullmatch(below):
            _heading(document, line, title=below.startswith("="))
            k += 2
            continue
        if line.strip():
            _paragraph(document, line.lstrip(), indent=(len(line) - len(line.lstrip())) * 2.0)
        else:
            document.ln(1.5)
        k += 1


def _heading(document: Any, text: str, *, title: bool) -> None:
    size = TITLE_PT if title else HEADING_PT
    if not title:
        document.ln(1.0)
        if document.will_page_break(4 * _height(size)):  # never alone at the foot of a page
            document.add_page()
    _use_font(document, "B", size)
    document.multi_cell(0, _height(size), text, align="L", new_x="LMARGIN", new_y="NEXT")
    if not title:
        document.set_draw_color(150)
        document.line(document.l_margin, document.get_y(), document.w - document.r_margin, document.get_y())
        document.ln(1.0)


def _paragraph(document: Any, text: str, *, indent: float = 0.0, size: float = BODY_PT) -> None:
    _use_font(document, "", size)
    document.set_x(document.l_margin + indent)
    document.multi_cell(0, _height(size), text, align="L", new_x="LMARGIN", new_y="NEXT")


def _put_pictures(document: Any, pictures: Sequence[Picture], words: Words, lacking: frozenset[str]) -> None:
    for k, picture in enumerate(pictures):
        width = min(document.epw, 112.0)
        height = width * picture.height / picture.width
        limit = min(document.eph - 30, MOST_TALL_MM)
        if height > limit:
            width, height = width * limit / height, limit
        needed = height + _height(SMALL_PT) + 4 + (3 * _height(HEADING_PT) if k == 0 else 0)
        if document.will_page_break(needed):
            document.add_page()
        if k == 0:
            _heading(document, words.tr("Key images"), title=False)
        document.image(io.BytesIO(picture.jpeg), w=width, h=height)
        _paragraph(document, _shown(picture.caption, lacking), size=SMALL_PT)
        document.ln(2)
