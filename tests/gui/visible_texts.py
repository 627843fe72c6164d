"""Every text of the window that has to have a translation, read from the code."""

from __future__ import annotations

import ast
import re
from dataclasses import fields
from pathlib import Path

import cadviewer
from cadviewer.findings import Task
from cadviewer.gui.batch.cases import COLUMNS
from cadviewer.gui.batch.dialog import EXISTING
from cadviewer.gui.cases import case
from cadviewer.gui.i18n import wording
from cadviewer.gui.nodules.risk import LACKING
from cadviewer.gui.review.measures_panel import NAMES
from cadviewer.gui.settings.keys import KeysPage
from cadviewer.gui.settings.presets import PresetsPage
from cadviewer.gui.shell import side_panel
from cadviewer.gui.shell.actions import MENUS, PRESETS, SPECS, STEPS
from cadviewer.gui.shell.banner import AGES
from cadviewer.gui.shell.commands import HALVES
from cadviewer.gui.training.chart import FIGURES
from cadviewer.gui.training.dialog import TASKS as TRAINED
from cadviewer.gui.training.said import SAID
from cadviewer.gui.training.standing import STAGES, STATES
from cadviewer.gui.viewing.canvas.overlay_text import PLANES
from cadviewer.gui.viewing.canvas.viewport import FindingMarks, OverlayMode
from cadviewer.gui.widgets import fields as fields_
from cadviewer.imaging import windowing
from cadviewer.imaging.planes import ANATOMICAL, Projection
from cadviewer.models.nodules.nodule_type import KINDS
from cadviewer.risk import contradictions
from cadviewer.risk.form import CASE_FIELDS, FINDING_FIELDS
from cadviewer.settings import Settings
from cadviewer.store.breast_form import FRAME_FIELDS
from cadviewer.store.report import CaseState
from trainers import tasks
from trainers.options import PRESETS as OPTION_PRESETS

PACKAGE = Path(cadviewer.__file__).parent
GUI = PACKAGE / "gui"


OPTIONS = [tasks.resolve(spec.options) for spec in tasks.specs().values() if spec.options]


def in_calls() -> dict[str, str]:
    """Texts given to `tr` and `count` as they stand, and of answer buttons and pages, each with its file."""
    found = {}
    for path in sorted(GUI.rglob("*.py")):
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
                    found[text.value] = f"{path.relative_to(GUI)}:{node.lineno}"
    return found


def in_messages() -> dict[str, str]:
    """Templates of what readers, models and the engine say (`cadviewer.messages`), each with its file."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Message":
                (text,) = node.args if len(node.args) == 1 else (None,)
                if isinstance(text, ast.Constant) and isinstance(text.value, str):
                    found[text.value] = f"{path.relative_to(PACKAGE)}:{node.lineno}"
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
        *EXISTING.values(),
        *STATES.values(),
        *STAGES.values(),
        *FIGURES.values(),
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
        *NAMES.values(),
        *(status.value for status in case.Status),
        *contradictions.WORDS,
        *SAID,
        *wording.ANSWERS.values(),
        *wording.IMPRESSIONS,
        *AGES.values(),
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


def every() -> set[str]:
    return set(in_calls()) | set(in_messages()) | in_tables()
