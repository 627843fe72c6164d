"""Everything the window can be told to do: one table of names, words, keys and menus. Keys can be changed by settings.

The keys are those of the design's table; ★ of it are IHE Basic Image Review's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from PySide6.QtGui import QAction, QActionGroup, QKeySequence
from PySide6.QtWidgets import QMenu, QMenuBar, QWidget

from cadviewer.findings import Task
from cadviewer.gui import style
from cadviewer.imaging.series import Window


@dataclass(frozen=True)
class Spec:
    """name: in settings and handlers. keys: portable key sequences. menu: where it is; "" in none.

    group: actions of one group exclude each other (the tools). icon: of `resources/icons`.
    """

    name: str
    text: str
    keys: tuple[str, ...] = ()
    menu: str = ""
    icon: str = ""
    group: str = ""
    checkable: bool = False
    separated: bool = False


FILE, VIEW, TOOLS, ANALYSE, FINDINGS, HELP = "&File", "&View", "&Tools", "&Analyse", "F&indings", "&Help"
MENUS = (FILE, VIEW, TOOLS, ANALYSE, FINDINGS, HELP)

SPECS = (
    Spec("open_files", "Open &files…", ("Ctrl+O",), FILE, "open"),
    Spec("open_folder", "Open f&older…", ("Ctrl+Shift+O",), FILE),
    Spec("open_demo", "Open the &demo study", (), FILE),
    Spec("save", "&Save the reading as JSON…", ("Ctrl+S",), FILE, separated=True),
    Spec("annotate", "&Annotate a folder…", ("Ctrl+B",), FILE, separated=True),
    Spec("quit", "&Quit", ("Ctrl+Q",), FILE, separated=True),
    Spec("fit", "&Fit", ("=",), VIEW, "fit"),
    Spec("invert", "&Invert", ("Shift+I",), VIEW, "invert"),
    Spec("marks", "Show or &hide marks", ("I", "Space"), VIEW, "marks"),
    Spec("cine", "&Cine", ("C",), VIEW, "cine"),
    Spec("previous_slice", "Previous image", ("Up",), VIEW, separated=True),
    Spec("next_slice", "Next image", ("Down",), VIEW),
    Spec("previous_ten", "Ten images back", ("Shift+Up",), VIEW),
    Spec("next_ten", "Ten images on", ("Shift+Down",), VIEW),
    Spec("first_slice", "First image", ("Home",), VIEW),
    Spec("last_slice", "Last image", ("End",), VIEW),
    Spec("previous_series", "Previous series", ("PgUp",), VIEW, separated=True),
    Spec("next_series", "Next series", ("PgDown",), VIEW),
    Spec("maximise", "&Maximise the image", ("F11",), VIEW),
    Spec("escape", "Cancel, else reset the view", ("Esc",), VIEW),
    Spec("tool_window", "&Window/level", ("W",), TOOLS, "window", "tool"),
    Spec("tool_scroll", "&Scroll", ("S",), TOOLS, "scroll", "tool"),
    Spec("tool_pan", "&Pan", ("T",), TOOLS, "pan", "tool"),
    Spec("tool_zoom", "&Zoom", ("Z",), TOOLS, "zoom", "tool"),
    Spec("tool_distance", "&Distance", ("D",), TOOLS, "distance", "tool"),
    Spec("delete", "Delete the selected length", ("Backspace", "Del"), TOOLS, separated=True),
    Spec("analyse", "&Analyse again", ("Ctrl+R",), ANALYSE, "run"),
    *(Spec(f"analyse_{task.value}", f"As {task.image}: {task.heading}", (), ANALYSE) for task in Task),
    Spec("threshold", "With another &threshold…", (), ANALYSE),
    Spec("train", "&Train a model…", ("Ctrl+T",), ANALYSE, separated=True),
    Spec("cancel", "&Cancel", (), ANALYSE, "cancel", separated=True),
    Spec("restart", "&Restart the engine", (), ANALYSE),
    Spec("next_finding", "&Next finding", ("N",), FINDINGS, "next"),
    Spec("previous_finding", "&Previous finding", ("Shift+N",), FINDINGS, "previous"),
    Spec("accept", "&Accept", ("Return", "Enter"), FINDINGS, "accept", separated=True),
    Spec("reject", "&Reject", ("X",), FINDINGS, "reject"),
    Spec("unsure", "&Unsure", ("U",), FINDINGS, "unsure"),
    Spec("risk", "&Risk: guideline, Brock, growth", ("R",), FINDINGS, separated=True),
    Spec("undo", "Und&o", ("Ctrl+Z",), FINDINGS, "undo", separated=True),
    Spec("redo", "R&edo", ("Ctrl+Y", "Ctrl+Shift+Z"), FINDINGS, "redo"),
    Spec("copy", "&Copy findings as text", ("Ctrl+C",), FINDINGS, "copy", separated=True),
    Spec("about_model", "About the &model", (), HELP),
    Spec("shortcuts", "&Keys and mouse", ("F1",), HELP),
    Spec("about", "&About cadviewer", (), HELP),
)

TOOLBAR = (
    "open_files",
    "",
    "tool_window",
    "tool_scroll",
    "tool_pan",
    "tool_zoom",
    "tool_distance",
    "",
    "fit",
    "invert",
    "marks",
    "cine",
    "",
    "previous_finding",
    "next_finding",
    "undo",
    "redo",
    "copy",
)

MOUSE = (
    ("Left drag", "the active tool; ends of lengths can be dragged with any tool"),
    ("Middle drag", "pan"),
    ("Right drag · right click", "zoom · menu"),
    ("Wheel · Ctrl+wheel", "scroll images · zoom at the cursor"),
    ("Double click", "maximise the image"),
    ("0 · 1–9", "window of the file · window presets"),
)


class Actions:
    """The table come alive in a window."""

    def __init__(
        self, parent: QWidget, handlers: Mapping[str, Callable[[], object]], changed_keys: Mapping[str, str]
    ) -> None:
        """handlers: by name, every one of the table. changed_keys: name to keys, comma-separated, instead."""
        missing = {spec.name for spec in SPECS} - set(handlers)
        if missing:
            raise ValueError(f"actions without a handler: {sorted(missing)}")
        self._actions: dict[str, QAction] = {}
        groups: dict[str, QActionGroup] = {}
        for spec in SPECS:
            action = QAction(spec.text, parent)
            keys = changed_keys[spec.name].split(",") if spec.name in changed_keys else spec.keys
            action.setShortcuts([QKeySequence(key.strip()) for key in keys if key.strip()])
            if spec.icon:
                action.setIcon(style.icon(spec.icon))
            if spec.group:
                action.setCheckable(True)
                groups.setdefault(spec.group, QActionGroup(parent)).addAction(action)
            plain = spec.text.replace("&", "").rstrip("…")
            action.setToolTip(f"{plain} ({action.shortcut().toString(NATIVE)})" if spec.keys else plain)
            action.triggered.connect(lambda _=False, name=spec.name: handlers[name]())
            parent.addAction(action)
            self._actions[spec.name] = action

    def __getitem__(self, name: str) -> QAction:
        return self._actions[name]

    def fill(self, bar: QMenuBar) -> dict[str, QMenu]:
        """Menus of the table in a menu bar, by their titles."""
        menus = {title: bar.addMenu(title) for title in MENUS}
        for spec in SPECS:
            if spec.menu:
                if spec.separated:
                    menus[spec.menu].addSeparator()
                menus[spec.menu].addAction(self._actions[spec.name])
        return menus

    def enable(self, on: bool, *names: str) -> None:
        for name in names:
            self._actions[name].setEnabled(on)


NATIVE = QKeySequence.SequenceFormat.NativeText


def add_presets(
    parent: QWidget, menu: QMenu, presets: tuple[Window, ...], chosen: Callable[[Window | None], None]
) -> None:
    """Actions of the keys 0 (the file's own window) to 9."""
    for number, preset in enumerate((None, *presets[:9])):
        text = (
            f"{preset.name}  {preset.width:g} / {preset.centre:g}".replace("-", "−")
            if preset is not None
            else "As in the file"
        )
        action = QAction(text, parent)
        action.setShortcut(QKeySequence(str(number)))
        action.triggered.connect(lambda _=False, preset=preset: chosen(preset))
        parent.addAction(action)
        menu.addAction(action)
