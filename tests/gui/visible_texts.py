"""Every text of the window that has to have a translation, read from the code; and the catalogues made of them.

`make translations` runs it: what is new is put into each `.po`, empty, what is gone is taken out, and the `.mo` that
the program reads are made. With `--check` nothing is written, and the exit status is 1 where something is missing or
stale.
"""

from __future__ import annotations

import ast
import datetime
import gettext
import io
import re
import sys
from dataclasses import fields
from pathlib import Path

from babel.messages import mofile, pofile
from babel.messages.catalog import Catalog
from jinja2 import Environment, nodes

import cadviewer
import trainers
from cadviewer import paths
from cadviewer.findings import Task
from cadviewer.gui.batch.cases import COLUMNS
from cadviewer.gui.batch.dialog import EXISTING
from cadviewer.gui.canvas.overlay_text import PLANES
from cadviewer.gui.canvas.viewport import FindingMarks, OverlayMode
from cadviewer.gui.cases import case, wording
from cadviewer.gui.i18n import language
from cadviewer.gui.nodules.risk import LACKING
from cadviewer.gui.settings.keys import KeysPage
from cadviewer.gui.settings.presets import PresetsPage
from cadviewer.gui.shell import side_panel
from cadviewer.gui.shell.analysis_actions import HALVES
from cadviewer.gui.training.chart import FIGURES
from cadviewer.gui.training.dialog import TASKS as TRAINED
from cadviewer.gui.training.inspection import KINDS as LABELS
from cadviewer.gui.training.inspection import PARTS
from cadviewer.gui.training.standing import STAGES, STATES
from cadviewer.gui.widgets import fields as fields_
from cadviewer.gui.widgets.actions import MENUS, PRESETS, SPECS, STEPS
from cadviewer.imaging import windowing
from cadviewer.imaging.planes import ANATOMICAL, Projection
from cadviewer.models.nodules.nodule_type import KINDS
from cadviewer.risk import contradictions
from cadviewer.risk.form import CASE_FIELDS, FINDING_FIELDS
from cadviewer.settings import Settings
from cadviewer.store import export
from cadviewer.store.breast_form import FRAME_FIELDS
from cadviewer.store.case_report import CaseState
from cadviewer.store.comparison import State
from cadviewer.store.reporting import phrases, templates
from cadviewer.store.words import MEASURES
from trainers import tasks
from trainers.options import PRESETS as OPTION_PRESETS

PACKAGE = Path(cadviewer.__file__).parent
GUI = PACKAGE / "gui"
TRAINERS = Path(trainers.__file__).parent
TRANSLATIONS = paths.resources() / "translations"


OPTIONS = [tasks.resolve(spec.options) for spec in tasks.specs().values() if spec.options]


def in_calls() -> dict[str, str]:
    """Texts given to `tr` and `count` as they stand, and of answer buttons and pages, each with its file."""
    found = {}
    for path in _worded():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name == "tr" and path.name != "language.py":
                texts = node.args[:1]
            elif name == "count" and len(node.args) == 3:
                texts = node.args[1:3]
            elif name in ("answer_button", "FormPage"):
                texts = node.args[1:2]
            else:
                continue
            for text in texts:
                if isinstance(text, ast.Constant) and isinstance(text.value, str):
                    found[text.value] = f"{path.relative_to(PACKAGE)}:{node.lineno}"
    return found


def _worded() -> list[Path]:
    """Modules that word what people read."""
    return sorted([*GUI.rglob("*.py"), *(PACKAGE / "store" / "reporting").rglob("*.py")])


def in_templates() -> tuple[set[str], dict[str, str]]:
    """Texts given to `tr` in the templates of reports, and singular → plural of those given to `count`."""
    single, several = set(), {}
    for path in sorted(templates.SHIPPED.glob("*.j2")):
        for call in Environment().parse(path.read_text(encoding="utf-8")).find_all(nodes.Call):
            name = getattr(call.node, "name", "")
            texts = [a.value for a in call.args if isinstance(a, nodes.Const) and isinstance(a.value, str)]
            if name == "tr":
                single.update(texts[:1])
            elif name == "count" and len(texts) == 2:
                several[texts[0]] = texts[1]
    return single, several


def in_messages() -> dict[str, str]:
    """Templates of what readers, models and the engine say (`cadviewer.messages`), each with its file."""
    found = {}
    for path in sorted([*PACKAGE.rglob("*.py"), *TRAINERS.rglob("*.py")]):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Message":
                (text,) = node.args if len(node.args) == 1 else (None,)
                if isinstance(text, ast.Constant) and isinstance(text.value, str):
                    found[text.value] = f"{path.relative_to(PACKAGE.parent)}:{node.lineno}"
    return found


def in_tables() -> set[str]:
    """Texts of tables whose entries are translated where they are shown."""
    options = [o.metadata for o in fields(Settings) if o.metadata["page"]]
    forms = [o for o in options if o["page"] not in ("keys", "presets")]
    tables = (CASE_FIELDS, FINDING_FIELDS, FRAME_FIELDS)
    asked = [field for table in tables for field in table.values() if field.name != "setting"]
    return {
        *(spec.text for spec in SPECS),
        *(*MENUS, PRESETS, STEPS),
        *(o["label"] for o in forms),
        *(o["help"] for o in forms),
        *(label for o in options for label in o["choices"].values()),
        *(KeysPage.title, PresetsPage.title),
        *(w.name for w in windowing.PRESETS),
        *(task.heading for task in Task),
        *(task.image for task in Task),
        language.NAME,
        *EXISTING.values(),
        *STATES.values(),
        *STAGES.values(),
        *FIGURES.values(),
        *(*LABELS, *PARTS),
        *TRAINED.values(),
        *(text for table in OPTIONS for o in table.values() for text in (o.label, o.meaning)),
        *OPTION_PRESETS.values(),
        *COLUMNS,
        *("waiting", "running"),
        *(state.value for state in CaseState),
        *HALVES.values(),
        *(marks.value for marks in (*OverlayMode, *FindingMarks)),
        *PLANES.values(),
        *(plane.value for plane in ANATOMICAL),
        *(projection.value for projection in Projection),
        *KINDS,
        *LACKING,
        *MEASURES.values(),
        *phrases.PLACES,
        *(state.value for state in State),
        *(found.label for found in export.for_files().values() if found.label),
        *(status.value for status in case.Status),
        *contradictions.WORDS,
        *wording.ANSWERS.values(),
        *wording.IMPRESSIONS,
        *phrases.AGES.values(),
        *wording.FRAME_ANSWERS.values(),
        *wording.CALLS.values(),
        wording.RESEARCH,
        *(member.value for kind in (case.SortOrder, case.ListFilter) for member in kind),
        *(side_panel.UNKNOWN, fields_.UNKNOWN, "yes", "no"),
        *(
            text
            for field in asked
            for text in (field.label, field.unit, *field.choices)
            if re.search("[A-Za-z]{3}", text)
        ),
    }


def plurals() -> dict[str, str]:
    """Singular → plural of the texts given to `count`."""
    found = in_templates()[1]
    for path in _worded():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and len(node.args) == 3:
                name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                texts = [a.value for a in node.args[1:] if isinstance(a, ast.Constant)]
                if name == "count" and len(texts) == 2:
                    found[texts[0]] = texts[1]
    return found


def every() -> set[str]:
    of_templates, several = in_templates()
    return set(in_calls()) | set(in_messages()) | in_tables() | of_templates | {*several, *several.values()}


UNSAID = tuple(
    f'"{field}'
    for field in (
        *("Project-Id-Version", "POT-Creation-Date", "PO-Revision-Date", "Generated-By", "Report-Msgid-Bugs-To"),
        *("Last-Translator", "Language-Team"),
    )
)
"""Fields of a header that would differ at every run, or say nothing."""


def catalogue(path: Path) -> Catalog:
    """A `.po` with the texts of today: those that it has, new ones without a translation, none that is gone."""
    with path.open("rb") as stream:
        before = pofile.read_po(stream)
    made = Catalog(
        before.locale, header_comment=before.header_comment, project="cadviewer", fuzzy=False, charset="utf-8"
    )
    several = plurals()
    for text in sorted(every() - set(several.values()), key=lambda t: (t.casefold(), t)):
        key: str | tuple[str, str] = (text, several[text]) if text in several else text
        old = before.get(text)
        empty: str | tuple[str, ...] = ("",) * made.num_plurals if text in several else ""
        made.add(key, old.string if old is not None and old.string else empty)
    return made


def written(made: Catalog) -> tuple[bytes, bytes]:
    """The `.po` and the `.mo` of a catalogue."""
    text, binary = io.BytesIO(), io.BytesIO()
    pofile.write_po(text, made, width=120, omit_header=False, sort_output=False)
    lines = text.getvalue().decode().split("\n")
    plain = "\n".join(line for line in lines if not line.startswith(UNSAID))
    with io.BytesIO(plain.encode()) as stream:
        parsed = pofile.read_po(stream, locale=made.locale)
    parsed.creation_date = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)  # the same words, the same bytes
    mofile.write_mo(binary, parsed)
    return plain.encode(), binary.getvalue()


def _texts(po: bytes) -> dict[object, object]:
    return {str(m.id): m.string for m in pofile.read_po(io.BytesIO(po)) if m.id}


def _words(mo: bytes) -> dict[object, str]:
    words = dict(gettext.GNUTranslations(io.BytesIO(mo))._catalog)  # type: ignore[attr-defined]
    return words | {"": ""}  # the header, with the time at which it was made


def lacking(made: Catalog) -> list[str]:
    """Texts of a catalogue without a translation."""
    return [str(m.id) for m in made if m.id and not (m.string if isinstance(m.string, str) else all(m.string))]


def main(check: bool) -> int:
    wrong = 0
    for path in sorted(TRANSLATIONS.glob("*.po")):
        made = catalogue(path)
        text, binary = written(made)
        compiled = path.with_suffix(".mo")
        for text_lacking in lacking(made):
            print(f"{path.name}: no translation of {text_lacking}")
        wrong += len(lacking(made))
        if check:
            # by what they say, not by their bytes: those differ between versions of Babel
            stale = [] if _texts(path.read_bytes()) == _texts(text) else [path.name]
            stale += [] if compiled.is_file() and _words(compiled.read_bytes()) == _words(binary) else [compiled.name]
            wrong += len(stale)
            print(*(f"{name} is not what the code says: run make translations" for name in stale), sep="\n")
        else:
            path.write_bytes(text)
            compiled.write_bytes(binary)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv))
