"""How the images are looked at: layouts and planes, windows, slabs, turning, cine. It decides nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from PySide6.QtWidgets import QMenu

from cadviewer.gui.canvas.mouse import DRAWING, SHAPES, Tool
from cadviewer.gui.canvas.stack import Stack
from cadviewer.gui.canvas.view import ViewState
from cadviewer.gui.canvas.viewport import FindingMarks, Viewport
from cadviewer.gui.cases.case import Case
from cadviewer.gui.cases.registry import Cases
from cadviewer.gui.i18n.language import tr
from cadviewer.gui.settings.preferences import Preferences
from cadviewer.gui.viewing import keyboard_navigation
from cadviewer.gui.viewing.comparison import Comparison
from cadviewer.gui.viewing.grid.layout import MIP, Layout
from cadviewer.gui.viewing.workspace import Workspace
from cadviewer.gui.widgets.actions import Actions
from cadviewer.gui.widgets.notifications import Notification
from cadviewer.gui.widgets.shortcuts import hint
from cadviewer.imaging import patients
from cadviewer.imaging.planes import Plane, Projection, Slab, why_not
from cadviewer.imaging.series import ULTRASOUND, Window

THICKNESSES = (3.0, 5.0, 8.0, 10.0, 15.0, 20.0, 30.0, 50.0)
"""mm of slabs."""
CINE_STEP = 1.25
LAYOUTS = {
    "layout_one": Layout.ONE,
    "layout_one_two": Layout.ONE_TWO,
    "layout_four": Layout.FOUR,
    "layout_pair": Layout.PAIR,
}
PLANES = {f"plane_{plane.name.lower()}": plane for plane in Plane}
SLABS = ("slab", "slab_thicker", "slab_thinner")


class ViewActions:
    """Handlers of the actions that change what is seen and nothing else. Most act on the active view.

    actions: those that it switches on and off, once they are made. say: shows one line below the images.
    """

    actions: Actions

    def __init__(
        self,
        workspace: Workspace,
        cases: Cases,
        comparison: Comparison,
        preferences: Preferences,
        say: Callable[[str], None],
    ) -> None:
        self._workspace, self._cases, self._comparison = workspace, cases, comparison
        self._preferences, self._say = preferences, say
        workspace.grid.crosshair_changed.connect(self.show_states)
        comparison.ready.connect(self.show_beside)
        self.tool = self._before = Tool.WINDOW
        self._reset: tuple[Viewport, Stack | None, ViewState, ViewState] | None = (
            None  # which view, of what, before and after
        )

    @property
    def _view(self) -> Viewport:
        return self._workspace.active

    @property
    def _case(self) -> Case | None:
        return self._cases.current

    def handlers(self) -> dict[str, Callable[[], object]]:
        """By name of the action."""
        return {
            "fit": lambda: self._view.fit(),
            "invert": self.invert,
            "turn_right": lambda: self._view.turn(1),
            "turn_left": lambda: self._view.turn(-1),
            "flip_sideways": lambda: self._view.flip(sideways=True),
            "flip_upside_down": lambda: self._view.flip(sideways=False),
            "smooth": self.toggle_smooth,
            "slab": self.cycle_slab,
            "slab_thicker": partial(self.step_slab, 1),
            "slab_thinner": partial(self.step_slab, -1),
            "marks": self.cycle_marks,
            "finding_marks": self.cycle_finding_marks,
            "measures": self.toggle_measures,
            "cine": lambda: self._view.toggle_cine(),
            "cine_faster": lambda: self.pace_cine(CINE_STEP),
            "cine_slower": lambda: self.pace_cine(1 / CINE_STEP),
            "previous_slice": lambda: self._view.step(-1),
            "next_slice": lambda: self._view.step(1),
            "previous_ten": lambda: self._view.step(-10),
            "next_ten": lambda: self._view.step(10),
            "first_slice": lambda: self._view.go_to_place(0),
            "last_slice": lambda: self._view.go_to_place(1 << 30),
            "preset_0": partial(self.use_preset, None),
            **{f"preset_{number}": partial(self.use_preset_number, number) for number in range(1, 10)},
            "crosshair": self.toggle_crosshair,
            "link": self.toggle_link,
            "tags": self.show_tags,
            **{name: partial(self.use_layout, layout) for name, layout in LAYOUTS.items()},
            **{name: partial(self.use_plane, plane) for name, plane in PLANES.items()},
            **{f"tool_{tool.value}": partial(self.use_tool, tool) for tool in Tool},
        }

    def refresh(self, case: Case | None) -> None:
        """Only what can be done now can be chosen."""
        actions, view = self.actions, self._view
        shown = case is not None and case.stack is not None
        several = len(view.stack or ()) > 1
        actions.enable(
            shown, "fit", "invert", "marks", "finding_marks", "measures", "smooth", "tags", "turn_right", "turn_left"
        )
        actions.enable(shown, "flip_sideways", "flip_upside_down", *LAYOUTS, *keyboard_navigation.NAMES)
        through = shown and case is not None and case.series.modality not in ULTRASOUND  # nothing lies behind an image
        actions.enable(through, *PLANES, *SLABS, *(name for name, layout in LAYOUTS.items() if layout.planes))
        actions.enable(through, *(f"preset_{number}" for number in range(1, 10)))
        actions.enable(shown and several, "cine", "cine_faster", "cine_slower")
        actions.enable(shown and len(self._workspace.grid.shown) > 1, "crosshair")
        actions.enable(self._workspace.grid.layout_now is Layout.PAIR, "link")
        now = self._workspace.grid.layout_now
        for name, layout in LAYOUTS.items():
            actions[name].setChecked(layout is now)
        self.show_states()

    def show_states(self) -> None:
        """What is on and what is off, in menu and tool bar."""
        actions, grid, view = self.actions, self._workspace.grid, self._view
        actions["crosshair"].setChecked(grid.crosshair and len(grid.shown) > 1)
        actions["link"].setChecked(grid.layout_now is Layout.PAIR and grid.link.offset is not None)
        actions["invert"].setChecked(view.view is not None and view.view.inverted)
        actions["measures"].setChecked(view.measures)
        actions["smooth"].setChecked(view.interpolate)

    def stop(self) -> None:
        """The window closes."""
        for pane in self._workspace.grid.panes:
            pane.viewport.stop_cine()

    def invert(self) -> None:
        """Dark and bright change places in the active view."""
        self._view.invert()
        self.show_states()

    def reset(self) -> None:
        """The active view as it was opened; what moves stands still. Undone by `undo_reset`."""
        self.stop()
        viewport, before = self._view, self._view.view
        viewport.reset()
        if before is not None and viewport.view is not None and viewport.view != before:
            self._reset = viewport, viewport.stack, before, viewport.view

    @property
    def can_undo_reset(self) -> bool:
        """Whether a view is as a reset left it."""
        return self._reset is not None and (self._reset[0].stack, self._reset[0].view) == (
            self._reset[1],
            self._reset[3],
        )

    def undo_reset(self) -> bool:
        """The view as it was before the reset; False where it has been changed since, or shows something else."""
        done = self._reset if self.can_undo_reset else None
        self._reset = None
        if done is not None:
            done[0].set_view(done[2])
        return done is not None

    # layouts and planes ------------------------------------------------------------------------------------------

    def use_layout(self, layout: Layout) -> None:
        """Another layout, or why there is none."""
        if layout is Layout.PAIR:
            self._compare()
            return
        grid = self._workspace.grid
        if layout.planes and self._no_planes():
            self.refresh(self._case)
            return
        self.leave_comparison()
        grid.set_layout(layout)
        if self._case is not None:
            self._remember("layouts", self._case, layout.name.lower() if layout is not Layout.ONE else "")

    def prepare(self, case: Case | None) -> None:
        """Another case comes on screen: in the layout, and with the slab, that were chosen last for its kind."""
        grid = self._workspace.grid
        if case is not None and case is not grid.case:
            now = self._preferences.now
            grid.wanted = layout_of(dict(now.layouts).get(_kind(case), ""))
            grid.slab = slab_of(dict(now.slabs).get(_kind(case), ""))

    def _remember(self, name: str, case: Case, value: str) -> None:
        """Keep what was chosen for the modality of a case; "" for what everybody begins with."""
        chosen = dict(getattr(self._preferences.now, name))
        chosen.pop(_kind(case), None)
        if value:
            chosen[_kind(case)] = value
        self._preferences.change(**{name: tuple(sorted(chosen.items()))})

    def use_plane(self, plane: Plane) -> None:
        """Other planes in the active view."""
        if plane is Plane.ACQUIRED or not self._no_planes():
            self._workspace.grid.set_plane(plane)
            self._workspace.refresh()
            self.refresh(self._case)

    def _no_planes(self) -> bool:
        """Say why the open case has no other planes, if so."""
        reason = why_not(self._case.series) if self._case is not None else "nothing is open"
        if reason:
            text = tr("No axial, coronal and sagittal views of this series: {reason}.", reason=reason)
            self._workspace.notifications.say(Notification("planes", text))
        return bool(reason)

    def toggle_crosshair(self) -> None:
        """The point of the patient in all views, or not."""
        grid = self._workspace.grid
        grid.set_crosshair(not grid.crosshair)
        self.show_states()

    # a second series ---------------------------------------------------------------------------------------------

    def _compare(self) -> None:
        """The likeliest other examination beside the open one."""
        grid = self._workspace.grid
        other = grid.beside or self._comparison.likeliest()
        if other is None:
            self._say(tr("There is no other series to compare with: open the other examination too"))
            self.refresh(self._case)
        else:
            self._comparison.want(other)

    def leave_comparison(self) -> None:
        """The second series is no longer on screen, and nothing that was said of it."""
        self._cases.beside = None
        self._workspace.grid.leave_beside()
        self._workspace.notifications.dismiss("patients", "link", "match")

    def fill_compare(self, menu: QMenu) -> None:
        """The menu of the series that can be put beside the one on screen."""
        from cadviewer.gui.cases.studies_panel import content, study_title, title

        menu.clear()
        for case in self._comparison.candidates():
            text = f"{study_title(case.series)} · {title(case.series)} · {content(case.series)}".replace("&", "&&")
            menu.addAction(text).triggered.connect(lambda _=False, case=case: self._comparison.want(case))
        if menu.isEmpty():
            menu.addAction(tr("No other series is open")).setEnabled(False)

    def show_beside(self, case: Case) -> None:
        """The second series has been read."""
        self._cases.beside = case
        self._workspace.grid.show_beside(case)
        first = self._case
        if first is not None and patients.contradict(first.series.patient, case.series.patient):
            text = tr("These two series may be of different patients: their names or numbers differ.")
            self._workspace.notifications.say(Notification("patients", text))
        else:
            self._workspace.notifications.dismiss("patients")
        if self._workspace.grid.link.guessed:
            self.say_link()
        else:
            self._workspace.notifications.dismiss("link")

    def say_link(self) -> None:
        """That the place of one examination in the other was guessed, and how to set it right."""
        text = tr(
            "The two examinations have no common frame of reference. Where they do not show the same place: part "
            "them{key}, scroll one, and link them again{key}.",
            key=hint("link"),
        )
        self._workspace.notifications.say(Notification("link", text))

    def toggle_link(self) -> None:
        self._say(self._workspace.grid.toggle_link())
        self.show_states()

    def show_tags(self) -> None:
        """Every element of the header of the image on screen."""
        from cadviewer.gui.viewing.tag_browser import TagBrowser

        pane = self._workspace.grid.active
        if pane.case is None:
            return
        index = pane.viewport.index if pane.viewport.stack is pane.case.stack else len(pane.case.series.slices) // 2
        browser = TagBrowser(pane.case.series, index, self._workspace.window())
        if pane.viewport.stack is pane.case.stack:
            pane.viewport.index_changed.connect(browser.show_image)
        browser.show()

    # tools and windows -------------------------------------------------------------------------------------------

    def use_tool(self, tool: Tool) -> None:
        """Put a tool into the left button of every view; what it draws is shown from then on."""
        if self.tool not in DRAWING:
            self._before = self.tool
        self.tool = tool
        if tool in SHAPES:
            self._workspace.grid.set_measures(True)  # what is drawn now is to be seen
            self.actions["measures"].setChecked(True)
        if tool is Tool.FINDING and self._view.findings is FindingMarks.NONE:
            self._workspace.grid.set_findings(FindingMarks[self._preferences.now.finding_marks.upper()])
        for pane in self._workspace.grid.panes:
            pane.viewport.mouse.set_tool(tool)
        self.actions[f"tool_{tool.value}"].setChecked(True)

    def tool_back(self) -> bool:
        """Put a tool that draws or adds away, for the one before; False where none is in the hand."""
        if self.tool not in DRAWING:
            return False
        self.use_tool(self._before)
        return True

    def added(self) -> None:
        """A finding was added: the tool for it adds one."""
        if self.tool is Tool.FINDING:
            self.tool_back()

    def use_preset(self, preset: Window | None) -> None:
        """A window of the number keys; they are in Hounsfield units, so other images keep theirs. None: of the file."""
        view, case = self._view, self._workspace.grid.active.case
        if case is None or view.file_window is None or view.view is None:
            return
        if preset is None:
            windows = self._file_windows() or (view.file_window,)
            now = windows.index(view.view.window) if view.view.window in windows else -1
            self._use_window(windows[(now + 1) % len(windows)])
        elif case.series.hounsfield:
            view.set_window(preset)
        else:
            self._say(tr("Window presets are for CT images"))

    def use_preset_number(self, number: int) -> None:
        """The preset of a number key, as the settings have it."""
        preset = self._preferences.presets.get(number)
        if preset is not None:
            self.use_preset(preset)

    def fill_file_windows(self, menu: QMenu) -> None:
        """The menu of the windows that the file names."""
        menu.clear()
        for window in self._file_windows():
            kind = tr("table") + " " if window.curve else ""
            text = f"{kind}{window.name}  {window.width:g} / {window.centre:g}".strip().replace("-", "−")
            menu.addAction(text.replace("&", "&&")).triggered.connect(partial(self._use_window, window))
        if menu.isEmpty():
            menu.addAction(tr("The file names none")).setEnabled(False)

    def _file_windows(self) -> tuple[Window, ...]:
        view = self._view
        return view.stack.windows_of(view.index) if view.stack is not None else ()

    def _use_window(self, window: Window, _: bool = False) -> None:
        self._view.set_window(window)
        if window.name:
            self._say(tr("Window of the file: {name}", name=window.name))

    def toggle_smooth(self) -> None:
        """Interpolate between pixels or show them as they are, in all views and from now on."""
        on = not self._view.interpolate
        for pane in self._workspace.grid.panes:
            pane.viewport.set_interpolation(on)
        self._preferences.change(interpolate=on)
        self.show_states()
        self._say(tr("Pixels are smoothed") if on else tr("Pixels are shown as they are"))

    def cycle_marks(self) -> None:
        """All that lies over the image, marks alone, or nothing."""
        view = self._view
        view.cycle_marks()
        self._workspace.grid.set_marks(view.marks)
        self._say(tr("Shown: {what}", what=tr(view.marks.value)))

    def cycle_finding_marks(self) -> None:
        """Findings by box and outline, by their outline, by corners, or not at all; the next start has them again."""
        order = list(FindingMarks)
        how = order[(order.index(self._view.findings) + 1) % len(order)]
        self._workspace.grid.set_findings(how)
        if how is not FindingMarks.NONE:
            self._preferences.change(finding_marks=how.name.lower())
        self._say(tr("Findings: {how}", how=tr(how.value)))

    def toggle_measures(self) -> None:
        """What the reader drew, shown or not, whatever is shown of findings."""
        on = not self._view.measures
        self._workspace.grid.set_measures(on)
        self.show_states()
        self._say(tr("Measures are shown") if on else tr("Measures are hidden"))

    # slabs -------------------------------------------------------------------------------------------------------

    def cycle_slab(self) -> None:
        """No slab, then one of each projection."""
        view = self._view.view
        order: list[Projection | None] = [None, *Projection]
        if view is not None:
            projection = order[(order.index(view.slab.projection if view.slab else None) + 1) % len(order)]
            mm = view.slab.mm if view.slab is not None else self._workspace.grid.slab.mm
            self._use_slab(Slab(projection, mm) if projection is not None else None)

    def step_slab(self, by: int) -> None:
        """The next thickness; thinner than the thinnest is a single plane."""
        view = self._view.view
        if view is None:
            return
        slab = view.slab
        if slab is None:
            self._use_slab(Slab(Projection.MIP, THICKNESSES[0])) if by > 0 else None
            return
        if by > 0:
            self._use_slab(replace(slab, mm=next((mm for mm in THICKNESSES if mm > slab.mm), THICKNESSES[-1])))
        else:
            thinner = [mm for mm in THICKNESSES if mm < slab.mm]
            self._use_slab(replace(slab, mm=thinner[-1]) if thinner else None)

    def fill_slabs(self, menu: QMenu) -> None:
        """The menu of thicknesses."""
        view = self._view.view
        menu.clear()
        slab = view.slab if view is not None else None
        for mm in THICKNESSES:
            action = menu.addAction(f"{mm:g} mm")
            action.setCheckable(True)
            action.setChecked(slab is not None and slab.mm == mm)
            action.triggered.connect(partial(self._use_slab, Slab(slab.projection if slab else Projection.MIP, mm)))

    def _use_slab(self, slab: Slab | None, _: bool = False) -> None:
        grid = self._workspace.grid
        if not self._view.set_slab(slab):
            self._say(tr("No thick slab: the distance between these images is unknown"))
        elif slab is not None and grid.active.case is not None:
            grid.slab = slab
            text = f"{slab.projection.name.lower()} {slab.mm:g}"
            self._remember("slabs", grid.active.case, text if slab != MIP else "")

    # cine --------------------------------------------------------------------------------------------------------

    def pace_cine(self, factor: float) -> None:
        """Faster or slower: a loop that says its rate for this time, everything else from now on."""
        rate = round(self._view.cine_rate * factor, 1)
        if self._view.stack is not None and self._view.stack.frame_rate is not None:
            self._view.pace_loop(rate)
            rate = self._view.cine_rate
        else:
            self._view.set_cine_rate(rate)
            rate = self._view.cine_rate
            for pane in self._workspace.grid.panes:
                pane.viewport.set_cine_rate(rate)
            self._preferences.change(cine_rate=rate)
        self._say(tr("Cine: {rate:g} images per second", rate=rate))


def _kind(case: Case) -> str:
    """What layouts and slabs are remembered by."""
    return case.series.modality or "other"


def layout_of(name: str) -> Layout:
    """The layout of a name in the settings; one view for none, or one of another version."""
    known = {layout.name.lower(): layout for layout in Layout if layout is not Layout.PAIR}
    return known.get(name, Layout.ONE)


def slab_of(text: str) -> Slab:
    """The slab that the settings name ("mip 10"); the usual one for none, or one of another version."""
    projection, _, mm = text.partition(" ")
    try:
        return Slab(Projection[projection.upper()], min(max(float(mm), THICKNESSES[0]), THICKNESSES[-1]))
    except (KeyError, ValueError):
        return MIP
