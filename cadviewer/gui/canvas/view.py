"""Which part of which slice is seen, and how bright. No Qt: the viewport paints it, tools and keys change it.

Image points are edge coordinates (see `imaging.geometry`): x along columns, y along rows. Screen points are in the
widget's own units with the origin at its top left corner.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from cadviewer.imaging.planes import Slab, turn_matrix
from cadviewer.imaging.series import Window

ZOOM_LIMITS = (0.02, 60.0)
"""Screen units per image pixel."""


@dataclass(frozen=True)
class ViewState:
    """One state of a viewport; every change makes a new one.

    rows, columns: of the image. row_size, column_size: of a pixel, in mm, or 1 × 1 where unknown; their ratio is the
        aspect in which pixels are drawn.
    zoom: screen units per `unit` (the smaller side of a pixel); centre: image point in the middle of the screen.
    fitted: whether zoom and centre follow the size of the widget.
    turns, mirrored: the image is mirrored left–right first and then turned clockwise by quarter turns.
    slab: of how thick a slab the image is made; None for a single plane.
    """

    rows: int
    columns: int
    row_size: float
    column_size: float
    window: Window
    inverted: bool = False
    zoom: float = 1.0
    centre: tuple[float, float] = (0.0, 0.0)
    fitted: bool = True
    turns: int = 0
    mirrored: bool = False
    slab: Slab | None = None

    @property
    def scale(self) -> tuple[float, float]:
        """Screen units per pixel along (x, y) of the image."""
        unit = min(self.row_size, self.column_size)
        return self.zoom * self.column_size / unit, self.zoom * self.row_size / unit

    @property
    def per_mm(self) -> float:
        """Screen units per mm, where the sizes of a pixel are mm."""
        return self.zoom / min(self.row_size, self.column_size)

    @property
    def matrix(self) -> tuple[float, float, float, float]:
        """(m11, m12, m21, m22): screen (x, y) = (m11·dx + m12·dy, m21·dx + m22·dy) for a step (dx, dy) on the image."""
        (a, b), (c, d) = turn_matrix(self.turns, self.mirrored)
        sx, sy = self.scale
        return a * sx, b * sy, c * sx, d * sy

    def fit(self, width: float, height: float) -> ViewState:
        """The whole image, as large as it goes."""
        unit = min(self.row_size, self.column_size)
        if self.turns % 2:
            width, height = height, width
        zoom = min(width * unit / (self.columns * self.column_size), height * unit / (self.rows * self.row_size))
        return replace(self, zoom=max(zoom, 1e-3), centre=(self.columns / 2, self.rows / 2), fitted=True)

    def resized(self, width: float, height: float) -> ViewState:
        """What a widget of another size shows: the fitted image stays fitted, another keeps its zoom and centre."""
        return self.fit(width, height) if self.fitted else self

    def to_screen(self, x: float, y: float, width: float, height: float) -> tuple[float, float]:
        """Screen point of an image point in a widget of that size."""
        m11, m12, m21, m22 = self.matrix
        dx, dy = x - self.centre[0], y - self.centre[1]
        return m11 * dx + m12 * dy + width / 2, m21 * dx + m22 * dy + height / 2

    def to_image(self, px: float, py: float, width: float, height: float) -> tuple[float, float]:
        """Image point under a screen point."""
        dx, dy = self._step(px - width / 2, py - height / 2)
        return dx + self.centre[0], dy + self.centre[1]

    def _step(self, px: float, py: float) -> tuple[float, float]:
        """Step on the image of a step on the screen."""
        (a, b), (c, d) = turn_matrix(self.turns, self.mirrored)  # its inverse is its transpose
        sx, sy = self.scale
        return (a * px + c * py) / sx, (b * px + d * py) / sy

    def turned(self, quarters: int) -> ViewState:
        """Turned clockwise by quarter turns, as seen."""
        return replace(self, turns=(self.turns + quarters) % 4)

    def flipped(self, *, sideways: bool) -> ViewState:
        """Left and right changed over as seen, else top and bottom."""
        return replace(self, turns=((0 if sideways else 2) - self.turns) % 4, mirrored=not self.mirrored)

    def zoomed(self, factor: float, px: float, py: float, width: float, height: float) -> ViewState:
        """Larger by `factor`, with the image point under (px, py) staying where it is."""
        low, high = ZOOM_LIMITS
        zoom = min(max(self.zoom * factor, low), high)
        x, y = self.to_image(px, py, width, height)
        moved = replace(self, zoom=zoom, fitted=False)
        after = moved.to_image(px, py, width, height)
        return replace(moved, centre=self._kept(moved.centre[0] + x - after[0], moved.centre[1] + y - after[1]))

    def panned(self, dx: float, dy: float) -> ViewState:
        """The image moved by (dx, dy) on the screen; its middle never leaves the image."""
        x, y = self._step(dx, dy)
        return replace(self, centre=self._kept(self.centre[0] - x, self.centre[1] - y), fitted=False)

    def centred(self, x: float, y: float) -> ViewState:
        """An image point in the middle of the screen; the nearest of the image for one beside it."""
        return replace(self, centre=self._kept(x, y), fitted=False)

    def levelled(self, dx: float, dy: float, *, down_brighter: bool = True) -> ViewState:
        """Window after a drag of (dx, dy) screen units: right widens, down brightens (IHE) unless turned round.

        The step grows with the width, so that a narrow window is as easy to set as a wide one.
        """
        step = max(abs(self.window.width), 1.0) / 300.0
        width = max(self.window.width + dx * step, 1.0 if abs(self.window.width) > 2 else 1e-3)
        brighter = dy if down_brighter else -dy
        return replace(
            self, window=replace(self.window, centre=self.window.centre - brighter * step, width=width, name="")
        )

    def _kept(self, x: float, y: float) -> tuple[float, float]:
        return min(max(x, 0.0), float(self.columns)), min(max(y, 0.0), float(self.rows))
