"""A site's own templates go before those that ship; a wrong one says where; none does more than read."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from report_cases import read_ct, read_ultrasound

from cadviewer.findings import Task
from cadviewer.imaging.series import Patient
from cadviewer.store.export import ExportError
from cadviewer.store.reporting import templates
from cadviewer.store.reporting.content import Report, report_of
from cadviewer.store.reporting.templates import Kind, Picture
from cadviewer.translations import words_of

EN = words_of("en")
NAMES = ("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{ 7 * 7 }}", "a" * 4000, "张伟 محمد Ελένη")


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CADVIEWER_HOME", str(tmp_path / "home"))
    folder = templates.own_folder()
    folder.mkdir(parents=True)
    return folder


def report(name: str = "Doe") -> Report:
    case, reading = read_ct()
    assert case.series is not None
    assert case.result is not None
    return report_of(replace(case.series, patient=Patient(name, "1")), case.result, reading)


def test_a_template_of_the_site_goes_before_the_one_that_ships(own: Path) -> None:
    (own / "nodules.txt.j2").write_text("{{ report.series.patient.name }} has {{ report.findings|length }}\n")
    assert templates.render(report(), EN) == "Doe has 2\n"
    (own / "nodules.txt.j2").unlink()
    assert templates.render(report(), EN).startswith("Chest CT")


def test_a_template_of_the_site_may_change_one_part_alone(own: Path) -> None:
    shipped = (templates.SHIPPED / "nodules.txt.j2").read_text()
    (own / "nodules.txt.j2").write_text(shipped.replace("{{ parts.program() }}", "Dr. Site\n"))
    text = templates.render(report(), EN)
    assert text.endswith("Dr. Site\n")
    assert "Finding 1" in text


def test_templates_of_a_task_are_offered_by_name(own: Path) -> None:
    for name in ("nodules-short.txt.j2", "breast-x.txt.j2", "nodules-b.html.j2", "notes.txt"):
        (own / name).write_text("short")
    assert templates.names(Task.NODULES) == ["nodules", "nodules-short"]
    assert templates.render(report(), EN, name="nodules-short") == "short\n"
    assert "short" in templates.render(report(), EN, Kind.HTML, name="nodules-short"), "its text, where it has no HTML"
    with pytest.raises(ExportError, match="no report template nodules-gone"):
        templates.render(report(), EN, name="nodules-gone")


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("ok\nok\n{% if %}", 3, "Expected an expression"),
        ("ok\n{{ report.nothing }}", 2, "nothing"),
        ("{{ unknown }}", 1, "unknown"),
        ("\n\n\n{{ tr(1, 2, 3) }}", 4, "argument"),
        ("ok\n{{ 1 / 0 }}", 2, "division"),
        ("ok\n\n{% include 'gone.txt.j2' %}", 3, "gone.txt.j2"),
        ("{% include 'nodules.txt.j2' %}", 1, "recursion"),
        ("{% for i in range(10 ** 9) %}{% endfor %}", 1, "range"),
    ],
)
def test_a_wrong_template_says_its_file_and_line_and_why(own: Path, text: str, line: int, reason: str) -> None:
    (own / "nodules.txt.j2").write_text(text)
    with pytest.raises(ExportError) as error:
        templates.render(report("Secret"), EN)
    said = str(error.value)
    assert "nodules.txt.j2" in said
    assert f"line {line}:" in said
    assert reason in said
    assert "\n" not in said
    assert "Secret" not in said


@pytest.mark.parametrize(
    "text",
    [
        "{{ report.__class__.__mro__ }}",
        "{{ tr.__globals__ }}",
        "{{ ''.__class__.__base__.__subclasses__() }}",
        "{{ report.impression.format.__self__ }}",
    ],
)
def test_a_template_reaches_nothing_behind_what_it_is_given(own: Path, text: str) -> None:
    (own / "nodules.txt.j2").write_text(text)
    with pytest.raises(ExportError, match=r"unsafe|has no attribute"):
        templates.render(report(), EN)


def test_a_template_that_is_no_text_is_said(own: Path) -> None:
    (own / "nodules.txt.j2").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ExportError, match="cannot be read"):
        templates.render(report(), EN)


class _Parsed(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.said: list[str] = []
        self.events: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.events += [name for name, _ in attrs if name.startswith("on")]

    def handle_data(self, data: str) -> None:
        self.said.append(data)


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_text_in_the_html_whatever_it_is(name: str) -> None:
    parsed = _Parsed(templates.render(report(name), EN, Kind.HTML))
    assert name in parsed.said
    assert not parsed.events
    assert "script" not in parsed.tags
    assert "img" not in parsed.tags


def test_a_note_is_text_in_the_html() -> None:
    parsed = _Parsed(templates.render(report(), EN, Kind.HTML))
    assert "Note: smooth <b>edge</b>" in parsed.said


def test_html_holds_its_pictures_and_asks_nothing_of_anybody() -> None:
    text = templates.render(report(), EN, Kind.HTML, pictures=[Picture("a caption", b"\xff\xd8jpeg", 4, 2)])
    assert 'src="data:image/jpeg;base64,/9hqcGVn"' in text
    assert "a caption" in text
    assert "http" not in text.replace("http-equiv", "")


@pytest.mark.parametrize("kind", list(Kind))
def test_text_and_html_say_the_same(kind: Kind) -> None:
    case, reading = read_ultrasound()
    assert case.series is not None
    assert case.result is not None
    text = templates.render(report_of(case.series, case.result, reading), EN, kind)
    for said in ("BI-RADS: 4B", "14.3 × 9.8 mm", "probability of malignancy 80 %", "the reader agrees", "at 3 o"):
        assert said in text
