"""The image of a viewport, from values to the screen. Each step is kept until what it was made of or for is another."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF
from PySide6.QtGui import QImage, QPainter

from cadviewer.gui.canvas import render
from cadviewer.gui.canvas.resampler import Request, Resampler
from cadviewer.gui.canvas.surface import Surface
from cadviewer.imaging.planes import Slab
from cadviewer.imaging.series import Window


class ImageRenderer:
    """What a viewport paints below its layers.

    resampler: makes planes that take longer than a frame; without one they are waited for. sharp: False while a quick
    plane stands in for one that is being made.
    """

    def __init__(self, viewport: Surface) -> None:
        self._viewport = viewport
        self.resampler: Resampler | None = None
        self.sharp = True
        self._frame: NDArray[Any] | None = None  # values
        self._frame_of: tuple[int, Slab | None] | None = None
        self._pixels: NDArray[np.uint8] | None = None  # levelled
        self._pixels_of: tuple[int, Slab | None, Window, bool] | None = None
        self._image: QImage | None = None  # what is seen of them
        self._image_of: tuple[object, ...] | None = None

    @property
    def there(self) -> bool:
        """Whether the pixels of the image were there when it was last painted."""
        return self._pixels is not None

    def forget(self) -> None:
        """Another stack is shown."""
        self._frame = self._frame_of = None
        self.sharp = True
        self._forget_pixels()

    def _forget_pixels(self) -> None:
        self._pixels = self._pixels_of = self._image = self._image_of = None

    def frame(self) -> NDArray[Any] | None:
        """The values of the image on screen, None while they are not there.

        Of planes that take longer than a frame a quick one, until the one that was asked for has been made.
        """
        stack, view = self._viewport.stack, self._viewport.view
        if stack is None or view is None:
            return None
        key = (self._viewport.index, view.slab)
        if self._frame_of != key:
            quick = self.resampler is not None and stack.resampled
            self._frame = stack.frame(*key, quick=quick)
            self._frame_of = key if self._frame is not None else None
            self.sharp = not quick or self._frame is None
            if self.resampler is not None and not self.sharp:
                self.resampler.ask(self, Request(stack, *key))
        return self._frame

    def take(self, request: Request, frame: NDArray[Any]) -> None:
        """A plane that was asked for is there; one that is no longer on screen is not wanted."""
        if request.stack is self._viewport.stack and (request.index, request.slab) == self._frame_of:
            self._frame, self.sharp = frame, True
            self._forget_pixels()
            self._viewport.update()

    def hold(self, index: int, slab: Slab | None, frame: NDArray[Any]) -> None:
        """The values of an image that were made elsewhere: it need not be made when it is painted."""
        self._frame, self._frame_of, self.sharp = frame, (index, slab), True

    def paint(self, painter: QPainter) -> bool:
        """Paint the image; False while its pixels are not there."""
        view = self._viewport.view
        assert view is not None
        key = (self._viewport.index, view.slab, view.window, view.inverted)
        if self._pixels_of != key:
            frame = self.frame()
            if frame is None:
                self._forget_pixels()
            else:
                self._pixels, self._pixels_of = render.levelled(frame, view.window, view.inverted), key
        if self._pixels is None:
            return False
        self._paint(painter, self._pixels)
        return True

    def _paint(self, painter: QPainter, pixels: NDArray[np.uint8]) -> None:
        viewport, view = self._viewport, self._viewport.view
        assert view is not None
        ratio, rect, (width, height) = viewport.devicePixelRatioF(), viewport.image_rect(), viewport.area()
        # Screen pixels whose middle lies on the image
        left, right = (math.ceil(min(max(x, 0.0), width) * ratio - 0.5) for x in (rect.left(), rect.right()))
        top, bottom = (math.ceil(min(max(y, 0.0), height) * ratio - 0.5) for y in (rect.top(), rect.bottom()))
        if right <= left or bottom <= top:
            return
        sx, sy = view.scale
        # Shrunk images are always smoothed, or fine lines would vanish. Beyond some 8 screen pixels per image pixel the
        # reader wants to see the pixels themselves; pixels of a coronal view of thick slices are tall long before that.
        smooth = min(sx, sy) < 8 and (viewport.interpolate or max(sx, sy) < 1)
        key = (self._pixels_of, view, width, height, ratio, smooth)
        if self._image is None or self._image_of != key:
            corner = viewport.to_image(QPointF(left / ratio, top / ratio))
            ends = (viewport.to_image(QPointF((left + x) / ratio, (top + y) / ratio)) for x, y in ((1, 0), (0, 1)))
            (a, c), (b, d) = ((x - corner[0], y - corner[1]) for x, y in ends)
            shown = render.part(pixels, (a, b, c, d), corner, (right - left, bottom - top), smooth)
            self._image, self._image_of = render.as_image(shown), key
            self._image.setDevicePixelRatio(ratio)
        painter.drawImage(QPointF(left / ratio, top / ratio), self._image)
