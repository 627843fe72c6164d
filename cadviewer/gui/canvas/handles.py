"""Several things that the mouse can take hold of, the topmost first."""

from __future__ import annotations

from PySide6.QtCore import QPointF

from cadviewer.gui.canvas.mouse import Handle, Handles, Tool
from cadviewer.gui.canvas.viewport import Viewport


class AllHandles:
    """The grips of several layers as one."""

    def __init__(self, *grips: Handles) -> None:
        self._grips = grips

    def grip_at(self, viewport: Viewport, at: QPointF) -> Handle | None:
        return next((g for grips in self._grips if (g := grips.grip_at(viewport, at)) is not None), None)

    def begin(self, viewport: Viewport, tool: Tool, x: float, y: float) -> Handle | None:
        return next((g for grips in self._grips if (g := grips.begin(viewport, tool, x, y)) is not None), None)

    def tap(self, viewport: Viewport, tool: Tool, x: float, y: float) -> bool:
        return any(grips.tap(viewport, tool, x, y) for grips in self._grips)

    def click(self, viewport: Viewport, at: QPointF) -> bool:
        return any(grips.click(viewport, at) for grips in self._grips)
