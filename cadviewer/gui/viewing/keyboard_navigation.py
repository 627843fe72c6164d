"""What else only the mouse would do: zoom, move and window the active view by keys, and go from view to view."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from cadviewer.gui.canvas.viewport import Viewport

if TYPE_CHECKING:
    from cadviewer.gui.viewing.grid.grid import Grid

ZOOM = 1.25
PAN = 40
"""Screen units."""
DRAG = 15
"""Screen units of a window/level drag that a key stands for."""

NAMES = (
    *("zoom_in", "zoom_out", "pan_left", "pan_right", "pan_up", "pan_down"),
    *("brighter", "darker", "more_contrast", "less_contrast", "next_view"),
)


def handlers(grid: Grid) -> dict[str, Callable[[], object]]:
    """By name of the action."""

    def zoom(factor: float) -> None:
        _view(grid).zoom(factor)

    def pan(dx: float, dy: float) -> None:
        view = _view(grid)
        if view.view is not None:
            view.set_view(view.view.panned(dx, dy))

    def window(dx: float, dy: float) -> None:
        view = _view(grid)
        if view.view is not None:
            view.set_view(view.view.levelled(dx, dy))

    moves = (
        *(partial(zoom, ZOOM), partial(zoom, 1 / ZOOM)),
        *(partial(pan, dx * PAN, dy * PAN) for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1))),
        *(partial(window, dx * DRAG, dy * DRAG) for dx, dy in ((0, 1), (0, -1), (-1, 0), (1, 0))),
        partial(next_view, grid),
    )
    return dict(zip(NAMES, moves, strict=True))


def next_view(grid: Grid) -> None:
    """Keys act on the next view of the layout from now on."""
    shown = [pane for pane in grid.shown if pane.isVisible()]
    if len(shown) > 1:
        pane = shown[(shown.index(grid.active) + 1) % len(shown)]
        grid.use(pane)
        pane.viewport.setFocus()


def _view(grid: Grid) -> Viewport:
    return grid.active.viewport
