from __future__ import annotations

import pytest

from cadviewer.gui.canvas.view import ViewState
from cadviewer.imaging.series import Window

SIZE = (800.0, 600.0)


def _view(rows: int = 100, columns: int = 200, row_size: float = 1.0, column_size: float = 1.0) -> ViewState:
    return ViewState(rows, columns, row_size, column_size, Window(0, 300)).fit(*SIZE)


def test_a_fitted_image_touches_two_edges_and_is_centred() -> None:
    view = _view()
    assert view.to_screen(0, 50, *SIZE) == pytest.approx((0, 300))
    assert view.to_screen(200, 50, *SIZE) == pytest.approx((800, 300))


def test_pixels_that_are_not_square_are_drawn_in_their_own_aspect() -> None:
    sx, sy = _view(row_size=2.0, column_size=0.5).scale
    assert sy / sx == pytest.approx(4)


def test_screen_and_image_points_convert_back_and_forth() -> None:
    view = _view(row_size=1.5).zoomed(3, 100, 70, *SIZE)
    assert view.to_image(*view.to_screen(17.25, 60.5, *SIZE), *SIZE) == pytest.approx((17.25, 60.5))


def test_zooming_keeps_the_point_under_the_cursor() -> None:
    view = _view()
    before = view.to_image(250, 260, *SIZE)
    assert view.zoomed(2.5, 250, 260, *SIZE).to_image(250, 260, *SIZE) == pytest.approx(before)


def test_zoom_stops_at_its_limits() -> None:
    view = _view()
    for _ in range(50):
        view = view.zoomed(2, 400, 300, *SIZE)
    assert view.zoom == 60


def test_panning_never_loses_the_image() -> None:
    assert _view().panned(1e6, -1e6).centre == (0, 100)


def test_a_fitted_view_follows_the_size_of_the_widget_and_a_zoomed_one_does_not() -> None:
    view = _view()
    assert view.resized(400, 300).zoom == pytest.approx(view.zoom / 2)
    zoomed = view.zoomed(2, 400, 300, *SIZE)
    assert zoomed.resized(400, 300) == zoomed


def test_dragging_right_widens_and_dragging_down_brightens() -> None:
    view = _view().levelled(10, 20)
    assert view.window.width > 300
    assert view.window.centre < 0  # a lower level shows the same values brighter


def test_the_vertical_direction_of_level_can_be_turned_round() -> None:
    assert _view().levelled(0, 20, down_brighter=False).window.centre > 0


def test_a_window_never_gets_narrower_than_one_value() -> None:
    assert _view().levelled(-1e6, 0).window.width == 1
