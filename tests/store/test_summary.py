"""The summary of a run: what it counts, what it links to, and that nothing in it is taken for markup."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest
from store_cases import SHA, breast_case, ct, nodule_case, refused_case, volume

from cadviewer.imaging.series import Rejected, State
from cadviewer.store import results
from cadviewer.store.case_report import CaseReport
from cadviewer.store.export import histogram, summary
from cadviewer.store.report import of_rejected
from cadviewer.store.results import Existing, ResultsError

OPTIONS = {"cadviewer": "0.1.0", "inputs": "ab", "nodules model": f"ssd 1.0 {SHA[:12]}", "--threshold": 0.3}


class Reader(HTMLParser):
    """Rows of all tables as texts, links, and the bars with their words."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.links: list[str] = []
        self.texts = ""
        self._in_cell = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
            self._in_cell = True
        elif tag == "a":
            self.links.append(dict(attrs)["href"] or "")
        assert tag != "script"

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self._in_cell = False

    def handle_data(self, data: str) -> None:
        self.texts += data
        if self._in_cell:
            self.rows[-1][-1] += data


def written(folder: Path, *cases: CaseReport, existing: Existing = Existing.KEEP_OUT) -> Reader:
    formats = ("json", "png", "summary")
    with results.opened(folder, OPTIONS, formats, existing) as opened:
        for case in cases:
            opened.add(case, volume(case.series) if case.series else None, "f1")
        opened.write_tables()
    return Reader((folder / "summary.html").read_text(encoding="utf-8"))


def test_it_counts_the_cases_and_links_to_every_file_of_each(tmp_path: Path) -> None:
    bad = [refused_case(Path(f"{k}.dcm"), State.FAILED) for k in range(3)]
    page = written(tmp_path, nodule_case(), breast_case(), refused_case(Path("a.gif"), State.REFUSED), *bad)
    tiles = dict(reversed(t) for t in re.findall(r"<b>(\d+)</b>([\w ]+)", (tmp_path / "summary.html").read_text()))
    assert tiles == {"cases": "6", "done": "2", "skipped": "0", "refused": "1", "failed": "3", "with findings": "2"}
    reasons = [row for row in page.rows if row[0] in ("refused", "failed") and len(row) == 3]
    assert [row[:2] for row in reasons] == [["refused", "1"], ["failed", "3"]]
    linked = {unquote(link) for link in page.links}
    own = {p.relative_to(tmp_path).as_posix() for d in ("json", "masks", "pictures") for p in (tmp_path / d).iterdir()}
    assert linked == own
    assert len(own) > 6
    texts = [row[-1] for row in page.rows if row[2:3] == ["done"]]
    assert any("pictures 1 · pictures 2" in text for text in texts)
    assert f"ssd 1.0 {SHA[:12]}" in page.texts
    assert ["threshold", "0.3"] in page.rows
    assert "inputs" not in {row[0] for row in page.rows}


def test_reasons_that_differ_in_numbers_alone_are_one(tmp_path: Path) -> None:
    def torn(number: int) -> CaseReport:
        return of_rejected(Rejected(Path(f"{number}.dcm"), State.FAILED, f"ends after {number} of 512 bytes"))

    page = written(tmp_path, torn(3), torn(44), torn(500))
    assert ["failed", "3", "ends after … of … bytes"] in page.rows


def test_a_path_is_text_and_never_markup(tmp_path: Path) -> None:
    evil = Path('x/<script>alert("1")</script>&amp;')
    page = written(tmp_path, nodule_case(ct(evil)), refused_case(Path("<b>.png")))
    assert str(evil) in page.texts
    assert "<b>.png" in page.texts
    assert "<script" not in (tmp_path / "summary.html").read_text()


def test_a_resumed_run_has_the_same_page(tmp_path: Path) -> None:
    written(tmp_path / "two", nodule_case())
    written(tmp_path / "two", breast_case(), existing=Existing.RESUME)
    written(tmp_path / "one", breast_case(), nodule_case())
    assert (tmp_path / "one" / "summary.html").read_bytes() == (tmp_path / "two" / "summary.html").read_bytes()


def test_a_run_without_a_case_has_a_page(tmp_path: Path) -> None:
    page = written(tmp_path)
    assert "Distributions" not in page.texts
    assert "0cases" in page.texts.replace("\n", "").replace(" ", "")


def test_somebody_elses_page_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "summary.html").write_text("<html>mine</html>")
    with pytest.raises(ResultsError, match=r"summary\.html .* not made by this program"):
        written(tmp_path, existing=Existing.OVERWRITE)
    assert (tmp_path / "summary.html").read_text() == "<html>mine</html>"
    assert not summary.is_ours(tmp_path / "gone.html")


def test_bars_hold_every_value_once() -> None:
    shares = histogram.shares("", [0.0, 0.04999, 0.05, 1.0, 0.999], 0.5)
    assert shares is not None
    assert [b.count for b in shares.bars] == [2, 1, *[0] * 17, 2]
    assert shares.mark == histogram.WIDTH / 2
    counted = histogram.counts("", [0, 0, 3, 70])
    assert counted is not None
    assert (counted.bars[0].count, counted.bars[3].count, counted.bars[-1].count) == (2, 1, 1)
    assert counted.bars[-1].words == "19 or more"
    spread = histogram.spread("", [0.0, 3.9, 4.0, 77.0])
    assert spread is not None
    assert sum(b.count for b in spread.bars) == 4
    assert (spread.bars[0].words, len(spread.bars)) == ("0 to 5 s", 16)
    assert histogram.spread("", [0.0]) is not None
    assert histogram.counts("", []) is histogram.shares("", []) is histogram.spread("", []) is None
