"""What the score of a breast image depends on: asked for, shown over the image and in the panel, hidden."""

from __future__ import annotations

from collections.abc import Callable

from cadviewer.gui.breast.score_map import ScoreMaps
from cadviewer.gui.cases.case import Case
from cadviewer.gui.cases.registry import Cases
from cadviewer.gui.shell.side_panel import SidePanel
from cadviewer.gui.viewing.workspace import Workspace
from cadviewer.gui.widgets.actions import Actions


class ScoreMapActions:
    """Handlers of the action, of the panel's buttons, and of maps that arrive from the engine."""

    actions: Actions

    def __init__(self, cases: Cases, score_maps: ScoreMaps, workspace: Workspace, side: SidePanel) -> None:
        self._cases, self._score_maps, self._workspace, self._side = cases, score_maps, workspace, side
        side.breast.score_map_asked.connect(self.toggle)
        side.breast.opacity_moved.connect(self.set_opacity)
        score_maps.changed.connect(self.show)

    def handlers(self) -> dict[str, Callable[[], object]]:
        """By name of the action."""
        return {"depends": self.toggle}

    def refresh(self, case: Case | None) -> None:
        """Only what can be done now can be chosen."""
        scored = case is not None and case.result is not None and any(f.probability for f in case.result.breast)
        self.actions.enable(scored, "depends")

    def toggle(self) -> None:
        """Show what the score of the frame on screen depends on, or hide it."""
        if self._cases.current is not None:
            self._score_maps.toggle(self._cases.current, self._workspace.viewport.index)

    def set_opacity(self, opacity: float) -> None:
        """How strongly that is coloured, 0…1."""
        self._workspace.score_map.opacity = opacity
        self._workspace.viewport.update()

    def show(self, case: Case | None) -> None:
        """The map of the frame on screen is further on, or is another."""
        if case is None or case is not self._cases.current:
            return
        frame = self._workspace.viewport.index
        finding = case.frame_finding(frame)
        possible = finding is not None and finding.probability is not None
        if possible and self._score_maps.on:
            self._score_maps.ask(case, frame)
        state = self._score_maps.of(case, frame)
        self._side.breast.show_score_map(state, possible, self._score_maps.on)
        self._workspace.score_map.show_map(case, state.map if state is not None else None)
        self._workspace.viewport.update()
