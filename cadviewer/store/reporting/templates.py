"""Reports by templates: Jinja2, those of a site before those that ship.

A template is `<name>.txt.j2` (the text; PDF is laid out from it) or `<name>.html.j2`. The usual name is that of the
task ("nodules"); others of a site begin with it ("nodules-short"). Templates only ever read what they are given: the
environment is Jinja's sandbox, and in HTML all values are escaped.
"""

from __future__ import annotations

import base64
import re
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cadviewer import paths
from cadviewer.findings import BreastFinding, Task
from cadviewer.messages import Message
from cadviewer.store.export import ExportError
from cadviewer.store.reporting.content import Finding, Report
from cadviewer.store.reporting.phrases import Phrases, date
from cadviewer.store.words import ANSWERS, CALLS, FRAME_ANSWERS
from cadviewer.translations import Words

if TYPE_CHECKING:
    from jinja2 import Environment

SHIPPED = paths.resources() / "report"
PLAIN = "lines"
"""Template of a task that has none of its own."""


def own_folder() -> Path:
    """Where a site puts its templates; it need not be there."""
    return paths.user_config() / "report"


class Kind(StrEnum):
    """What a template gives."""

    TEXT = "txt"
    HTML = "html"


@dataclass(frozen=True)
class Picture:
    """A key image as it stands in a report. caption: one line. jpeg: the file; width, height: of it in pixels."""

    caption: str
    jpeg: bytes
    width: int
    height: int

    @property
    def uri(self) -> str:
        """The picture itself as an address (RFC 2397)."""
        return f"data:image/jpeg;base64,{base64.b64encode(self.jpeg).decode()}"


def names(task: Task) -> list[str]:
    """The templates that there are for a task, the usual one first."""
    found = {path.name.removesuffix(".txt.j2") for path in _own_files() if path.name.endswith(".txt.j2")}
    return [task.value, *sorted(name for name in found if name.startswith(f"{task.value}-"))]


def render(
    report: Report, words: Words, kind: Kind = Kind.TEXT, *, name: str = "", pictures: Sequence[Picture] = ()
) -> str:
    """The report as text or as HTML. name: of the template, "" for the task's.

    Raises ExportError naming file, line and reason where a template is wrong.
    """
    file = _file(report.task, kind, name)
    made = _render(file, _values(report, words, pictures))
    if file.endswith(".txt.j2"):
        made = _tidy(made)
        if kind is Kind.HTML:  # a site's own template that gives text alone
            made = _render("text.html.j2", {**_values(report, words, pictures), "text": made})
    return made


def line_of(report: Report, finding: Finding, words: Words) -> str:
    """One finding as text, as the report says it. Raises ExportError as `render` does."""
    only = _values(report, words, ())
    return _tidy(_render("finding.txt.j2", {**only, "f": finding})).rstrip("\n")


def _tidy(text: str) -> str:
    """Without the empty lines and the blanks at line ends that conditions of a template leave."""
    text = re.sub(r"[ \t]+\n", "\n", text)
    text = re.sub(r"\n{3,}", "\n\n", text)
    text = re.sub(r"(\n[-=]{2,}\n)\n+", r"\1", text)
    return text.strip("\n") + "\n"


def _file(task: Task, kind: Kind, name: str) -> str:
    there = {path.name for path in (*_own_files(), *SHIPPED.glob("*.j2"))}
    if name and name != task.value:
        if f"{name}.{kind}.j2" in there:
            return f"{name}.{kind}.j2"
        if f"{name}.{Kind.TEXT}.j2" not in there:
            raise ExportError(Message("there is no report template {name} in {folder}", name=name, folder=own_folder()))
        return f"{name}.{Kind.TEXT}.j2"  # of one without HTML, see `render`
    wanted = f"{task.value}.{kind}.j2"
    return wanted if wanted in there else f"{PLAIN}.{kind}.j2"


def _own_files() -> list[Path]:
    try:
        return sorted(own_folder().glob("*.j2"))
    except OSError:
        return []


def _values(report: Report, words: Words, pictures: Sequence[Picture]) -> dict[str, Any]:
    """What templates may use."""
    phrases = Phrases(words)
    functions: dict[str, Callable[..., str]] = {
        "tr": words.tr,
        "count": words.count,
        "said": words.translate,
        "date": date,
        "age": phrases.age,
        "size": phrases.size,
        "image": partial(_image, report, phrases),
        "place": phrases.place,
        "readers_impression": phrases.impression,
        "estimate": phrases.estimate,
        "change": phrases.change,
        "category": phrases.category,
        "inputs": phrases.inputs,
        "entry": lambda pair: phrases.entry(*pair),
        "measure": partial(phrases.measure, pixel_mm=report.technique.pixel_mm),
        "answer": lambda of: words.tr(ANSWERS[of]),
        "frame_answer": lambda of: words.tr(FRAME_ANSWERS[of]),
        "call": lambda of: words.tr(CALLS[of]),
        "breast_size": phrases.breast_size,
        "breast_count": phrases.breast_count,
        "breast_caution": lambda found: phrases.breast_caution(found, report.provenance.threshold),
        "frame": lambda found: _frame(report, found, words),
    }
    return {**functions, "report": report, "pictures": pictures, "language": words.code or "en"}


def _image(report: Report, phrases: Phrases, first: int, last: int | None = None) -> str:
    """ "image no. 52", "image 3 from the head"."""
    found = phrases.images(report.series, first, last)
    return phrases.words.tr("image {number}", number=found) if report.series.image_numbers is not None else found


def _frame(report: Report, found: BreastFinding, words: Words) -> str:
    """ "Frame 3: " where there are several."""
    return words.tr("Frame {frame}: ", frame=found.frame + 1) if len(report.images) + report.images_left > 1 else ""


@lru_cache(maxsize=4)
def _environment(own: Path) -> Environment:
    from jinja2 import ChoiceLoader, FileSystemLoader, StrictUndefined  # not before a report is asked for
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    return ImmutableSandboxedEnvironment(
        loader=ChoiceLoader([FileSystemLoader(own), FileSystemLoader(SHIPPED)]),
        autoescape=lambda name: name is None or not name.endswith(".txt.j2"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _render(file: str, values: dict[str, Any]) -> str:
    from jinja2 import TemplateError

    try:
        return _environment(own_folder()).get_template(file).render(values)
    except TemplateError as error:
        raise ExportError(_reason(error, file)) from error
    except (OSError, UnicodeError) as error:
        raise ExportError(Message("the report template {file} cannot be read", file=file)) from error
    except (TypeError, ValueError, LookupError, AttributeError, ArithmeticError, RecursionError) as error:
        raise ExportError(_reason(error, file)) from error


def _reason(error: Exception, file: str) -> Message:
    """Which file and line of which template is wrong, and why. The values of a report are not told."""
    folders = (str(own_folder()), str(SHIPPED))
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename.startswith(folders)]
    path = getattr(error, "filename", None) or (frames[-1].filename if frames else file)
    line = getattr(error, "lineno", None) or (frames[-1].lineno if frames else 0)
    return Message(
        "the report template {file} is wrong in line {line}: {reason}",
        file=path,
        line=line,
        reason=str(getattr(error, "message", None) or error).splitlines()[0][:200] or type(error).__name__,
    )
