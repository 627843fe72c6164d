"""What part of an image the screen shows, against the geometry of the view and against NumPy."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from gui_desk import Desk
from PySide6.QtCore import QEvent, QObject, QPointF

from cadviewer.gui.canvas import render
from cadviewer.gui.canvas.stack import Stack
from cadviewer.gui.canvas.viewport import OverlayMode
from cadviewer.imaging.planes import Plane
from cadviewer.imaging.series import Window
from cadviewer.inference.protocol import Progressed

GRAY = Window(127.5, 255)


def _image(rows: int = 12, columns: int = 9) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 255, (rows, columns), np.uint8)


def test_an_enlarged_image_lies_on_the_line_between_its_pixels() -> None:
    image = _image()
    shown = render.part(image, (0.25, 0, 0, 0.25), (2.0, 3.0), (16, 12), smooth=True).astype(float)
    xs, ys = (np.arange(16) + 0.5) * 0.25 + 2 - 0.5, (np.arange(12) + 0.5) * 0.25 + 3 - 0.5
    for (j, y), (i, x) in product(enumerate(ys), enumerate(xs)):
        r, c = int(y), int(x)
        u, v = y - r, x - c
        wanted = (1 - u) * ((1 - v) * image[r, c] + v * image[r, c + 1]) + u * (
            (1 - v) * image[r + 1, c] + v * image[r + 1, c + 1]
        )
        assert shown[j, i] == pytest.approx(wanted, abs=1.5)


def test_pixels_as_they_are_keep_their_values_and_borders() -> None:
    image = _image()
    shown = render.part(image, (0.125, 0, 0, 0.125), (0.0, 0.0), (9 * 8, 12 * 8), smooth=False)
    assert np.array_equal(shown, image.repeat(8, axis=0).repeat(8, axis=1))


def test_turned_and_mirrored_images_are_what_numpy_makes_of_them() -> None:
    image = _image()
    # screen x runs along image −y and screen y along image x: turned clockwise
    turned = render.part(image, (0, 1, -1, 0), (0.0, 12.0), (12, 9), smooth=True)
    assert np.array_equal(turned, np.rot90(image, -1))
    mirrored = render.part(image, (-1, 0, 0, 1), (9.0, 0.0), (9, 12), smooth=True)
    assert np.array_equal(mirrored, image[:, ::-1])


def test_an_image_shrunk_to_less_than_half_is_averaged_so_that_no_line_vanishes() -> None:
    image = np.zeros((64, 64), np.uint8)
    image[:, 1::8] = 240
    shown = render.part(image, (8.0, 0, 0, 8.0), (0.0, 0.0), (8, 8), smooth=True)
    assert (abs(shown.astype(int) - 30) <= 1).all()


def test_colours_are_shown_as_they_are() -> None:
    image = np.random.default_rng(3).integers(0, 255, (6, 7, 3), np.uint8)
    assert np.array_equal(render.part(image, (1, 0, 0, 1), (0.0, 0.0), (7, 6), smooth=True), image)


@pytest.mark.parametrize(("turns", "mirrored"), [(0, False), (1, False), (2, True), (3, True)])
@pytest.mark.parametrize("zoom", [1.0, 6.3])
def test_every_pixel_is_painted_where_the_view_says(ct: Desk, turns: int, mirrored: bool, zoom: float) -> None:
    viewport = ct.viewport
    stack = viewport.stack
    stack.pixels[:] = np.random.default_rng(1).integers(-1000, 200, stack.pixels.shape)
    viewport.set_marks(OverlayMode.NONE)
    viewport.layers = []
    viewport.set_interpolation(False)
    viewport.turn(turns)
    if mirrored:
        viewport.flip(sideways=True)
    viewport.zoom(zoom, QPointF(300, 200))
    viewport.renderer.forget()
    picture = viewport.grab().toImage()
    wanted = render.levelled(stack.pixels[viewport.index], viewport.view.window, viewport.view.inverted)
    looked_at = 0
    for row, column in product(range(0, stack.rows, 5), range(0, stack.columns, 3)):
        at = viewport.to_screen(column + 0.5, row + 0.5)
        if viewport.rect().contains(at.toPoint()):
            gray = picture.pixelColor(int(at.x()), int(at.y())).red()
            assert gray == pytest.approx(int(wanted[row, column]), abs=1), (row, column)
            looked_at += 1
    assert looked_at > 5


def test_the_runs_that_are_read_are_told_and_other_planes_wait_for_all(ct: Desk) -> None:
    whole = ct.viewport.stack
    loaded = np.array([True, True, False, False, True, False, True, True, True, False, False, True])
    part = Stack(whole.series, whole.pixels, loaded)
    assert part.loaded_runs() == [(0, 2), (4, 5), (6, 9), (11, 12)]
    assert part.through(Plane.CORONAL).loaded_runs() == []
    coronal = whole.through(Plane.CORONAL)
    assert whole.loaded_runs() == [(0, 12)]
    assert coronal.loaded_runs() == [(0, len(coronal))]


class _Paints(QObject):
    count = 0

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        self.count += event.type() is QEvent.Type.Paint
        return False


def test_the_progress_of_a_job_is_told_without_painting_the_image_again(ct: Desk) -> None:
    job, paints = ct.engine.jobs[0], _Paints()
    ct.bridge.take(Progressed(job.case_id, job.request_id, 1, 12, None))
    ct.viewport.repaint()
    ct.bot.wait(1)
    ct.viewport.installEventFilter(paints)
    ct.bridge.take(Progressed(job.case_id, job.request_id, 6, 12, 9.0))
    ct.bot.waitUntil(lambda: ct.window.status.progress.value() == 6)
    ct.bot.wait(1)
    assert paints.count == 0
    ct.finish()
    ct.bot.waitUntil(lambda: paints.count > 0)
