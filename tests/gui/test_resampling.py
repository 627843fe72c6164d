"""Planes that take longer than a frame: a quick one at once, then the plane itself, and only the newest of a view."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import labelled
import numpy as np
import pytest
from gui_desk import Desk
from numpy.typing import NDArray
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from cadviewer.gui.canvas.image_renderer import ImageRenderer
from cadviewer.gui.canvas.resampler import Request, Resampler
from cadviewer.gui.canvas.stack import Stack
from cadviewer.imaging.planes import Plane, Projection, Slab
from cadviewer.phantoms import files as phantom_files

CTRL = Qt.KeyboardModifier.ControlModifier
SECONDS = 10


class SlowStack:
    """Makes a plane when it is let; `made` says which, in order."""

    def __init__(self) -> None:
        self.made: list[int] = []
        self.at_work = threading.Event()
        self.go_on = threading.Semaphore(0)

    def frame(self, index: int, slab: Slab | None = None) -> NDArray[Any]:
        self.at_work.set()
        assert self.go_on.acquire(timeout=SECONDS)
        self.made.append(index)
        return np.full((1, 1), index)


class Asked:
    """Remembers what it was brought."""

    def __init__(self) -> None:
        self.planes: list[int] = []

    def take(self, request: Request, frame: NDArray[Any]) -> None:
        assert (frame == request.index).all()
        self.planes.append(request.index)


@pytest.fixture
def resampler(qtbot: QtBot) -> Iterator[Resampler]:
    made = Resampler()
    yield made
    made.close()


def _request(stack: object, index: int) -> Request:
    assert isinstance(stack, SlowStack)
    return Request(stack, index, None)  # type: ignore[arg-type]


class BrokenOnce(SlowStack):
    """Fails at the plane 1."""

    def frame(self, index: int, slab: Slab | None = None) -> NDArray[Any]:
        if index == 1:
            self.made.append(index)
            raise RuntimeError("no room")
        return super().frame(index, slab)


def test_a_plane_that_cannot_be_made_does_not_end_the_making_of_others(qtbot: QtBot, resampler: Resampler) -> None:
    stack, view = BrokenOnce(), Asked()
    stack.go_on.release()
    resampler.ask(view, _request(stack, 1))
    qtbot.waitUntil(lambda: stack.made == [1], timeout=SECONDS * 1000)
    resampler.ask(view, _request(stack, 2))
    qtbot.waitUntil(lambda: view.planes == [2], timeout=SECONDS * 1000)


def test_of_what_a_view_asks_for_only_the_newest_is_made(qtbot: QtBot, resampler: Resampler) -> None:
    stack, view = SlowStack(), Asked()
    resampler.ask(view, _request(stack, 1))
    assert stack.at_work.wait(SECONDS)
    for index in (2, 3, 4):
        resampler.ask(view, _request(stack, index))
    stack.go_on.release(4)
    qtbot.waitUntil(lambda: 4 in view.planes)
    assert stack.made == [1, 4]


def test_views_that_ask_all_the_time_take_turns(qtbot: QtBot, resampler: Resampler) -> None:
    stack, first, second = SlowStack(), Asked(), Asked()
    resampler.ask(first, _request(stack, 1))
    assert stack.at_work.wait(SECONDS)
    resampler.ask(first, _request(stack, 2))
    resampler.ask(second, _request(stack, 3))
    resampler.ask(first, _request(stack, 4))
    stack.go_on.release(3)
    qtbot.waitUntil(lambda: bool(second.planes))
    assert stack.made == [1, 4, 3]


def test_closing_waits_for_the_plane_at_hand_and_brings_nothing_more(qtbot: QtBot, resampler: Resampler) -> None:
    stack, view, other = SlowStack(), Asked(), Asked()
    resampler.ask(view, _request(stack, 1))
    resampler.ask(other, _request(stack, 2))
    assert stack.at_work.wait(SECONDS)
    threading.Timer(0.05, stack.go_on.release).start()
    resampler.close()
    assert stack.made == [1]
    resampler.ask(view, _request(stack, 3))
    qtbot.wait(50)
    assert stack.made == [1]
    assert view.planes == other.planes == []


def _oblique(desk: Desk, folder: Path) -> ImageRenderer:
    """An oblique volume, seen in the patient's coronal planes."""
    volume = labelled.volume(labelled.geometry(labelled.OBLIQUE))
    rough = np.random.default_rng(0).integers(-50, 50, volume.pixels.shape, np.int16)
    volume.pixels[:] = volume.pixels + rough  # or a quick plane would be as good as the other
    desk.open(phantom_files.write_mhd(volume, folder / "oblique.mhd"))
    desk.bot.keyClick(desk.window, Qt.Key.Key_F7)
    assert desk.viewport.stack.plane is Plane.CORONAL
    picture: ImageRenderer = desk.viewport.renderer
    desk.viewport.repaint()
    desk.bot.waitUntil(lambda: picture.sharp)
    return picture


def test_scrolling_shows_a_quick_plane_at_once_and_then_the_plane_itself(desk: Desk, tmp_path: Path) -> None:
    picture = _oblique(desk, tmp_path)
    viewport, stack = desk.viewport, desk.viewport.stack
    for index, slab in ((20, None), (24, None), (24, Slab(Projection.MIP, 12.0))):
        viewport.set_slab(slab)
        viewport.go_to(index)
        viewport.repaint()
        assert not picture.sharp
        quick = viewport.grab().toImage()
        assert np.array_equal(viewport.frame_on_screen(), stack.frame(index, slab, quick=True))
        desk.bot.waitUntil(lambda: picture.sharp)
        assert np.array_equal(viewport.frame_on_screen(), stack.frame(index, slab))
        assert viewport.grab().toImage() != quick


def test_a_plane_that_is_no_longer_on_screen_is_dropped(desk: Desk, tmp_path: Path) -> None:
    picture = _oblique(desk, tmp_path)
    viewport, stack = desk.viewport, desk.viewport.stack
    shown = viewport.frame_on_screen()
    late = np.zeros_like(shown)
    other = Stack(stack.series, stack.pixels, stack.loaded, Plane.CORONAL)
    picture.take(Request(stack, viewport.index + 1, None), late)
    picture.take(Request(stack, viewport.index, Slab(Projection.MIP, 5.0)), late)
    picture.take(Request(other, viewport.index, None), late)
    assert viewport.frame_on_screen() is shown
    picture.take(Request(stack, viewport.index, None), late)
    assert viewport.frame_on_screen() is late


def test_levelling_and_zooming_do_not_resample_again(desk: Desk, tmp_path: Path) -> None:
    picture = _oblique(desk, tmp_path)
    shown = desk.viewport.frame_on_screen()
    desk.viewport.set_view(desk.viewport.view.levelled(30, 40))
    desk.viewport.zoom(2.0)
    desk.viewport.repaint()
    assert picture.sharp
    assert desk.viewport.frame_on_screen() is shown


def test_planes_along_the_grid_are_shown_at_once(ct: Desk) -> None:
    ct.bot.keyClick(ct.window, Qt.Key.Key_3, CTRL)
    for pane in ct.window.workspace.grid.shown:
        pane.viewport.step(1)
        pane.viewport.repaint()
        assert pane.viewport.renderer.sharp


def test_another_case_can_be_opened_while_planes_are_being_made(desk: Desk, tmp_path: Path, ct_folder: Path) -> None:
    _oblique(desk, tmp_path)
    oblique = desk.case
    desk.bot.keyClick(desk.window, Qt.Key.Key_3, CTRL)
    for k in range(10):
        for pane in desk.window.workspace.grid.shown:
            pane.viewport.go_to(3 * k)
            pane.viewport.repaint()
    desk.open(ct_folder)
    assert desk.case is not oblique
    desk.bot.waitUntil(lambda: desk.window.workspace.grid.sharp)
    for pane in desk.window.workspace.grid.shown:
        assert pane.viewport.frame_on_screen().shape == (pane.viewport.stack.rows, pane.viewport.stack.columns)


def test_a_window_that_closes_ends_the_thread_that_makes_planes(desk: Desk, tmp_path: Path) -> None:
    _oblique(desk, tmp_path)
    desk.viewport.step(3)
    desk.viewport.repaint()
    assert "resample" in {thread.name for thread in threading.enumerate()}
    desk.window.workspace.grid.shut()
    assert "resample" not in {thread.name for thread in threading.enumerate()}
