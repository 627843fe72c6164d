"""Where text beside marks goes, so that no text over an image covers another."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain

from PySide6.QtCore import QPointF, QRectF
from PySide6.QtGui import QFontMetricsF

_STEPS = 6
"""How many lines further down or up a text goes that has no room beside its mark; one that is needed goes anywhere."""


class TextPlaces:
    """The rectangles of a viewport, in its own units, that have text on the image being painted."""

    def __init__(self) -> None:
        self.taken: list[QRectF] = []

    def begin(self, reserved: Iterable[QRectF]) -> None:
        """Another image is painted. reserved: of the text whose place is fixed, in the corners and at the edges."""
        self.taken = [QRectF(rect) for rect in reserved]

    def take(self, wanted: Sequence[QRectF], area: QRectF, *, needed: bool) -> QRectF | None:
        """The first of the wanted places that is free, else one some lines off; the place is taken from now on.

        All within `area`. None where nothing is free, unless the text is needed: then the first one wanted.
        """
        held = [_held(rect, area) for rect in wanted]
        step = held[0].height() * 1.05
        lines = int(area.height() / step) if needed else _STEPS
        further = (
            _held(rect.translated(0, sign * k * step), area)
            for k in range(1, lines + 1)
            for rect in held
            for sign in (1, -1)
        )
        every = chain(held, further)
        free = next((rect for rect in every if not any(rect.intersects(t) for t in self.taken)), None)
        place = free if free is not None else held[0] if needed else None
        if place is not None:
            self.taken.append(place)
        return place


def text_rect(metrics: QFontMetricsF, at: QPointF, lines: Sequence[str]) -> QRectF:
    """What lines of text cover whose first baseline begins at `at`, each a line's height below the one before."""
    wide = max(metrics.horizontalAdvance(line) for line in lines)
    return QRectF(at.x(), at.y() - metrics.ascent(), wide, metrics.height() * len(lines))


def _held(rect: QRectF, area: QRectF) -> QRectF:
    """Moved as little as is needed to lie within an area."""
    x = min(max(rect.left(), area.left()), max(area.right() - rect.width(), area.left()))
    y = min(max(rect.top(), area.top()), max(area.bottom() - rect.height(), area.top()))
    return QRectF(x, y, rect.width(), rect.height())
