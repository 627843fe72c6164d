"""Everything the window can be told to do: one table of names, words, keys and menus. Keys can be changed by settings.

The keys are those of the design's table; ★ of it are IHE Basic Image Review's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from PySide6.QtGui import QAction, QActionGroup, QKeySequence
from PySide6.QtWidgets import QAbstractButton, QMenu, QMenuBar, QWidget

from cadviewer.findings import Task
from cadviewer.gui.i18n.language import tr
from cadviewer.gui.widgets import style
from cadviewer.gui.widgets.shortcuts import PORTABLE, Keys, hint, resolve, use, usual
from cadviewer.imaging.series import Window


@dataclass(frozen=True)
class Spec:
    """name: in settings and handlers. text: in English. keys: portable key sequences. menu: where it is; "" in none.

    group: actions of one group exclude each other (the tools). icon: of `resources/icons`. checkable: on or off, which
    menu and tool bar show (`Looking.show_states`).
    """

    name: str
    text: str
    keys: tuple[str, ...] = ()
    menu: str = ""
    icon: str = ""
    group: str = ""
    checkable: bool = False
    separated: bool = False

    @property
    def plain(self) -> str:
        """The text in the user's language without the signs of a menu."""
        return tr(self.text).replace("&", "").rstrip("…")


FILE, VIEW, IMAGE, TOOLS, ANALYSE, FINDINGS, HELP = (
    *("&File", "&View", "I&mage", "&Tools", "&Analyse", "F&indings", "&Help"),
)
MENUS = (FILE, VIEW, IMAGE, TOOLS, ANALYSE, FINDINGS, HELP)
PRESETS = "&Window presets"
"""The menu of presets, inside that of the image."""
STEPS = "B&y keys"
"""The menu of what the mouse does without it, inside that of the image."""
GROUPS = (FILE, VIEW, IMAGE, PRESETS, STEPS, TOOLS, ANALYSE, FINDINGS, HELP)
"""Every value of `Spec.menu`, in the order of the lists of keys."""

SPECS = (
    Spec("open_files", "Open &files…", ("Ctrl+O",), FILE, "open"),
    Spec("open_folder", "Open f&older…", ("Ctrl+Shift+O",), FILE),
    Spec("open_demo", "Open the &demo study", (), FILE),
    Spec("find_series", "Fi&nd a series", ("Ctrl+F",), FILE, separated=True),
    Spec("close_series", "&Close the series", ("Ctrl+W",), FILE),
    Spec("close_all", "Close a&ll series", ("Ctrl+Shift+W",), FILE),
    Spec("save", "&Save the reading…", ("Ctrl+S",), FILE, separated=True),
    Spec("report", "Repor&t…", ("Ctrl+E",), FILE),
    Spec("save_pictures", "Save &pictures…", ("Ctrl+Shift+S",), FILE),
    Spec("print", "Pr&int…", ("Ctrl+P",), FILE),
    Spec("annotate", "&Annotate a folder…", ("Ctrl+B",), FILE, separated=True),
    Spec("open_results", "Open res&ults of a folder…", (), FILE),
    Spec("tags", "DICOM ta&gs…", ("Ctrl+I",), FILE, separated=True),
    Spec("settings", "S&ettings…", ("Ctrl+,",), FILE, separated=True),
    Spec("quit", "&Quit", ("Ctrl+Q",), FILE, separated=True),
    Spec("layout_one", "&One view", ("Ctrl+1",), VIEW, "layout_one", "layout"),
    Spec("layout_one_two", "One and t&wo planes", ("Ctrl+2",), VIEW, "layout_one_two", "layout"),
    Spec("layout_four", "&Four views", ("Ctrl+3",), VIEW, "layout_four", "layout"),
    Spec("layout_pair", "&Two series side by side", ("Ctrl+4",), VIEW, "layout_pair", "layout"),
    Spec("plane_acquired", "As ac&quired", ("F5",), VIEW, separated=True),
    Spec("plane_axial", "A&xial", ("F6",), VIEW),
    Spec("plane_coronal", "Co&ronal", ("F7",), VIEW),
    Spec("plane_sagittal", "Sa&gittal", ("F8",), VIEW),
    Spec("crosshair", "Cross&hair in all views", ("H",), VIEW, "crosshair", checkable=True, separated=True),
    Spec("link", "&Link two series here, or part them", ("L",), VIEW, checkable=True),
    Spec("fit", "Fi&t", ("=",), IMAGE, "fit"),
    Spec("invert", "&Invert", ("Shift+I",), IMAGE, "invert", checkable=True),
    Spec("turn_right", "Turn to the &right", ("Ctrl+Right",), IMAGE, separated=True),
    Spec("turn_left", "Turn to the &left", ("Ctrl+Left",), IMAGE),
    Spec("flip_sideways", "&Mirror left and right", ("V",), IMAGE),
    Spec("flip_upside_down", "&Upside down", ("Shift+V",), IMAGE),
    Spec("smooth", "&Smooth pixels, or show them", ("B",), IMAGE, checkable=True),
    Spec("copy_view", "C&opy the view", ("Ctrl+Shift+C",), IMAGE, separated=True),
    Spec("copy_key_images", "Copy all k&ey images", (), IMAGE),
    Spec("slab", "Thic&k slab: MIP, MinIP, average, off", ("P",), IMAGE, "slab", separated=True),
    Spec("slab_thicker", "Thicker sla&b", ("+",), IMAGE),
    Spec("slab_thinner", "Thi&nner slab", ("-",), IMAGE),
    Spec("marks", "Show or hide mar&ks", ("I", "Space"), VIEW, "marks", separated=True),
    Spec("finding_marks", "Findings: box and outline, outline, corners, none", ("Shift+M",), VIEW),
    Spec("measures", "Show or hide measures", ("Shift+D",), VIEW, checkable=True),
    Spec("cine", "C&ine", ("C",), VIEW, "cine"),
    Spec("cine_faster", "Faster cine", ("]",), VIEW),
    Spec("cine_slower", "Slower cine", ("[",), VIEW),
    Spec("previous_slice", "Previous image", ("Up",), VIEW, separated=True),
    Spec("next_slice", "Next image", ("Down",), VIEW),
    Spec("previous_ten", "Ten images back", ("Shift+Up",), VIEW),
    Spec("next_ten", "Ten images on", ("Shift+Down",), VIEW),
    Spec("first_slice", "First image", ("Home",), VIEW),
    Spec("last_slice", "Last image", ("End",), VIEW),
    Spec("previous_series", "Previous series", ("PgUp",), VIEW, separated=True),
    Spec("next_series", "Next series", ("PgDown",), VIEW),
    Spec("maximise", "&Maximise the image", ("F11",), VIEW),
    Spec("escape", "Cancel, put the tool back, reset the view", ("Esc",), VIEW),
    Spec("tool_select", "Se&lect, and change boxes", ("Y",), TOOLS, "select", "tool"),
    Spec("tool_window", "&Window/level", ("W",), TOOLS, "window", "tool"),
    Spec("tool_scroll", "&Scroll", ("S",), TOOLS, "scroll", "tool"),
    Spec("tool_pan", "&Pan", ("T",), TOOLS, "pan", "tool"),
    Spec("tool_zoom", "&Zoom", ("Z",), TOOLS, "zoom", "tool"),
    Spec("tool_distance", "&Distance", ("D",), TOOLS, "distance", "tool"),
    Spec("tool_angle", "&Angle", ("A",), TOOLS, "angle", "tool"),
    Spec("tool_bidirectional", "&Measure long and short axis", ("M",), TOOLS, "bidirectional", "tool"),
    Spec("tool_ellipse", "&Ellipse with values", ("O",), TOOLS, "ellipse", "tool"),
    Spec("tool_rectangle", "&Rectangle with values", ("Shift+O",), TOOLS, "rectangle", "tool"),
    Spec("tool_freehand", "&Freehand region with values", ("G",), TOOLS, "freehand", "tool"),
    Spec("tool_arrow", "Arr&ow with text", ("Shift+A",), TOOLS, "arrow", "tool"),
    Spec("tool_text", "Te&xt", ("Shift+T",), TOOLS, "text", "tool"),
    Spec("tool_finding", "Add a f&inding: click it, or drag a box", ("E",), TOOLS, "add", "tool", separated=True),
    Spec("key_image", "&Key image", ("K",), TOOLS, separated=True),
    Spec("edit_text", "&Name or change the text", ("F2",), TOOLS),
    Spec("next_measure", "Next meas&ure or key image", ("J",), TOOLS),
    Spec("previous_measure", "Pre&vious measure or key image", ("Shift+J",), TOOLS),
    Spec("delete", "Delete what is selected and yours", ("Backspace", "Del"), TOOLS),
    Spec("analyse", "&Analyse again", ("Ctrl+R",), ANALYSE, "run"),
    *(Spec(f"analyse_{task.value}", f"As {task.image}: {task.heading}", (), ANALYSE) for task in Task),
    Spec("threshold", "With another thres&hold…", (), ANALYSE),
    Spec("depends", "What the score &depends on", ("Ctrl+D",), ANALYSE, separated=True),
    Spec("half_left", "The le&ft half of a split screen", (), ANALYSE),
    Spec("half_right", "The ri&ght half of a split screen", (), ANALYSE),
    Spec("half_none", "A&ll of the image", (), ANALYSE),
    Spec("spacing", "Size of a &pixel…", (), ANALYSE),
    Spec("train", "&Train a model…", ("Ctrl+T",), ANALYSE, separated=True),
    Spec("cancel", "&Cancel", (), ANALYSE, "cancel", separated=True),
    Spec("restart", "&Restart the engine", (), ANALYSE),
    Spec("next_finding", "&Next finding", ("N",), FINDINGS, "next"),
    Spec("previous_finding", "&Previous finding", ("Shift+N",), FINDINGS, "previous"),
    Spec("accept", "&Accept", ("Return", "Enter"), FINDINGS, "accept", separated=True),
    Spec("reject", "&Reject", ("X",), FINDINGS, "reject"),
    Spec("unsure", "&Unsure", ("U",), FINDINGS, "unsure"),
    Spec("risk", "Ris&k: guideline, Brock, growth", ("R",), FINDINGS, separated=True),
    Spec("match", "&Match with an earlier CT", ("Ctrl+M",), FINDINGS, separated=True),
    Spec("next_change", "Next c&hange", ("Q",), FINDINGS),
    Spec("previous_change", "Pre&vious change", ("Shift+Q",), FINDINGS),
    Spec("same_nodule", "The same nodule in both CTs", ("Shift+Return", "Shift+Enter"), FINDINGS),
    Spec("other_nodule", "Not the same nodule", ("Shift+X",), FINDINGS),
    Spec("reveal", "&First read done: show the model's findings", ("Ctrl+Return",), FINDINGS),
    Spec("undo", "Und&o", ("Ctrl+Z",), FINDINGS, "undo", separated=True),
    Spec("redo", "R&edo", ("Ctrl+Y", "Ctrl+Shift+Z"), FINDINGS, "redo"),
    Spec("copy", "&Copy the finding, or the report without a name", ("Ctrl+C",), FINDINGS, "copy", separated=True),
    Spec("about_model", "About the &model", (), HELP),
    Spec("shortcuts", "&Keys and mouse", ("F1",), HELP),
    Spec("new_version", "Check for a new &version…", (), HELP),
    Spec("about", "&About cadviewer", (), HELP),
    Spec("zoom_in", "Zoom &in", ("Ctrl++", "Ctrl+="), STEPS),
    Spec("zoom_out", "Zoom &out", ("Ctrl+-",), STEPS),
    Spec("pan_left", "Look further &left", ("Alt+Left",), STEPS, separated=True),
    Spec("pan_right", "Look further &right", ("Alt+Right",), STEPS),
    Spec("pan_up", "Look further &up", ("Alt+Up",), STEPS),
    Spec("pan_down", "Look further &down", ("Alt+Down",), STEPS),
    Spec("brighter", "&Brighter", ("Ctrl+Up",), STEPS, separated=True),
    Spec("darker", "Dar&ker", ("Ctrl+Down",), STEPS),
    Spec("more_contrast", "&More contrast", ("Ctrl+Shift+Up",), STEPS),
    Spec("less_contrast", "L&ess contrast", ("Ctrl+Shift+Down",), STEPS),
    Spec("next_view", "Go to the ne&xt view", ("Ctrl+Tab",), STEPS, separated=True),
    Spec("preset_0", "Window as in the file", ("0",), PRESETS),
    *(Spec(f"preset_{number}", f"Window preset {number}", (str(number),), PRESETS) for number in range(1, 10)),
)

SPECS = tuple(replace(spec, keys=usual(spec.keys)) for spec in SPECS)
ROLES = {
    "about": QAction.MenuRole.AboutRole,
    "settings": QAction.MenuRole.PreferencesRole,
    "quit": QAction.MenuRole.QuitRole,
}
"""Actions that macOS has in the menu of the application."""

TOOLBAR = (
    "open_files",
    "",
    "tool_select",
    "tool_window",
    "tool_scroll",
    "tool_pan",
    "tool_zoom",
    "tool_distance",
    "tool_bidirectional",
    "tool_ellipse",
    "tool_finding",
    "",
    "layout_one",
    "layout_one_two",
    "layout_four",
    "layout_pair",
    "",
    "crosshair",
    "slab",
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


class Actions:
    """The table come alive in a window."""

    def __init__(
        self, parent: QWidget, handlers: Mapping[str, Callable[[], object]], changed: Mapping[str, Sequence[str]]
    ) -> None:
        """handlers: by name, every one of the table. changed: name to keys, instead of those of the table."""
        missing = {spec.name for spec in SPECS} - set(handlers)
        if missing:
            raise ValueError(f"actions without a handler: {sorted(missing)}")
        self._actions: dict[str, QAction] = {}
        self._parent = parent
        groups: dict[str, QActionGroup] = {}
        for spec in SPECS:
            action = QAction(tr(spec.text), parent)
            if spec.icon:
                action.setIcon(style.icon(spec.icon))
            # By name and not by its words, as macOS would else: "About the model" is no application's About
            action.setMenuRole(ROLES.get(spec.name, QAction.MenuRole.NoRole))
            action.setCheckable(spec.checkable or bool(spec.group))
            if spec.group:
                groups.setdefault(spec.group, QActionGroup(parent)).addAction(action)
            action.triggered.connect(lambda _=False, name=spec.name: handlers[name]())
            parent.addAction(action)
            self._actions[spec.name] = action
        self.use_keys(changed)

    def use_keys(self, changed: Mapping[str, Sequence[str]]) -> None:
        """Give every action its keys, those of the user first, and let the tool tips say them."""
        self.keys: Keys = resolve(SPECS, changed)
        use(self.keys)
        for spec in SPECS:
            action = self._actions[spec.name]
            action.setShortcuts([QKeySequence(key, PORTABLE) for key in self.keys.of[spec.name]])
            action.setToolTip(self.with_keys(spec.plain, spec.name))
        self.tell_buttons()

    def tell_buttons(self) -> None:
        """Tool tips of the window's buttons that do what an action does (their property "action" names it)."""
        for button in self._parent.findChildren(QAbstractButton):
            name = button.property("action")
            if name in self._actions:
                button.setToolTip(self.with_keys(button.text() or button.accessibleName(), str(name)))

    def with_keys(self, text: str, name: str) -> str:
        """ "Accept (Enter)"."""
        return text + hint(name)

    def __getitem__(self, name: str) -> QAction:
        return self._actions[name]

    def fill(self, bar: QMenuBar) -> dict[str, QMenu]:
        """Menus of the table in a menu bar, by their titles."""
        menus = {title: bar.addMenu(tr(title)) for title in MENUS}
        menus[STEPS] = QMenu(tr(STEPS), bar)
        for spec in SPECS:
            if spec.menu in menus:
                if spec.separated:
                    menus[spec.menu].addSeparator()
                menus[spec.menu].addAction(self._actions[spec.name])
        return menus

    def enable(self, on: bool, *names: str) -> None:
        for name in names:
            self._actions[name].setEnabled(on)

    def name_presets(self, menu: QMenu, presets: Mapping[int, Window], chosen: Callable[[Window], object]) -> None:
        """Fill the menu of presets, by number; those beyond the ninth have no key."""
        menu.clear()
        for old in menu.findChildren(QAction, "beyond"):
            old.deleteLater()
        self._actions["preset_0"].setText(tr("As in the file"))
        menu.addAction(self._actions["preset_0"])
        for number in range(1, 10):
            self._actions[f"preset_{number}"].setVisible(number in presets)
        for number, preset in presets.items():
            text = f"{tr(preset.name)}  {preset.width:g} / {preset.centre:g}".replace("-", "−").replace("&", "&&")
            if number <= 9:
                action = self._actions[f"preset_{number}"]
            else:
                action = QAction(menu)
                action.setObjectName("beyond")
                action.triggered.connect(lambda _=False, preset=preset: chosen(preset))
            action.setText(text)
            menu.addAction(action)
