"""Pictures show the findings where they are, with the notice, at the shape that the patient has."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from store_cases import breast_case, breast_finding, ct, nodule_case, ultrasound, volume

from cadviewer.findings import Call, Nodule
from cadviewer.imaging.series import Series, Volume, Window
from cadviewer.store.export import breast as breast_part
from cadviewer.store.export import drawing, pictures
from cadviewer.store.export import nodules as nodules_part


def coloured(picture: drawing.Image, colour: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray]:
    return np.nonzero(np.abs(picture.astype(int) - colour).max(axis=2) < 12)


def _picture(series: Series, *nodules: Nodule) -> drawing.Image:
    """Of the first finding."""
    case = nodule_case(series, nodules) if nodules else nodule_case(series)
    assert case.result is not None
    return nodules_part.picture(case, volume(series), case.result.nodules[0])


def test_the_box_lies_on_the_nodule_with_square_pixels() -> None:
    series = ct()
    picture = _picture(series)
    height = round(40 * 0.7 * 1024 / (40 * 0.7))
    assert picture.shape[0] > height
    rows, columns = coloured(picture[:height, :, :], (0, 159, 230))
    scale_x, scale_y = 914 / 50, 1024 / 40  # 25 mm wide, 28 mm tall
    box = nodule_case(series).result.nodules[0].box  # type: ignore[union-attr]
    assert abs(rows.max() - box.y1 * scale_y) < 6
    assert abs(columns.max() - box.x1 * scale_x) < 6
    assert abs(columns.min() - box.x0 * scale_x) < 6


def test_the_outline_is_drawn_on_the_pixels_that_it_encloses() -> None:
    series = ct()
    nodule = nodule_case(series).result.nodules[0]  # type: ignore[union-attr]
    drawn, plain = (_picture(series, n).astype(int) for n in (nodule, replace(nodule, outlines={})))
    rows, columns = np.nonzero(np.abs(drawn - plain).max(axis=2))
    scale_x, scale_y = 914 / 50, 1024 / 40
    outline = nodule.outlines[nodule.box.slice]
    for found, scale, axis in ((columns, scale_x, 0), (rows, scale_y, 1)):
        assert abs(found.min() - outline[:, axis].min() * scale) < 4
        assert abs(found.max() - outline[:, axis].max() * scale) < 4


def test_a_case_without_a_finding_shows_its_middle_slice_without_a_box() -> None:
    series = ct()
    picture = nodules_part.picture(nodule_case(series, ()), volume(series), None)
    rows, _ = coloured(picture, (0, 159, 230))
    assert rows.min() > 1000  # the notice alone


def test_an_outline_follows_the_mask() -> None:
    series = ultrasound()
    picture = breast_part.picture(breast_case(series), volume(series), breast_finding())
    rows, columns = coloured(picture[:512], (233, 180, 86))
    scale = 1024 / 60
    assert abs(columns.min() - 20 * scale) < 4
    assert abs(columns.max() - 40 * scale) < 4
    assert abs(rows.min() - 10 * scale) < 4
    assert abs(rows.max() - 20 * scale) < 4


def test_a_colour_image_keeps_its_colours() -> None:
    series = replace(ultrasound(), channels=3)
    pixels = np.zeros((1, 30, 60, 3), np.uint8)
    pixels[..., 0] = 200  # red
    picture = breast_part.picture(breast_case(series), Volume(series, pixels), breast_finding())
    assert picture[5, 5].tolist() == [0, 0, 200]


def test_each_frame_gets_a_picture(tmp_path: Path) -> None:
    series = ultrasound(frames=2)
    case = breast_case(series, breast_finding(0), breast_finding(1, Call.NO_LESION))
    assert pictures.FORMAT.write_case is not None
    pictures.FORMAT.write_case(case, volume(series), tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == [f"{case.case}-0000.png", f"{case.case}-0001.png"]
    assert cv2.imread(str(tmp_path / f"{case.case}-0000.png")).shape[1] == 1024


def test_each_nodule_gets_a_picture(tmp_path: Path) -> None:
    series = ct()
    case = nodule_case(series)
    assert pictures.FORMAT.write_case is not None
    pictures.FORMAT.write_case(case, volume(series), tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == [f"{case.case}-0001.png", f"{case.case}-0002.png"]


def test_a_ct_is_shown_in_the_lung_window_whatever_its_file_names() -> None:
    series = replace(ct(), windows=(Window(40, 400),))
    picture = drawing.enlarged(Volume(series, np.full((5, 40, 50), -600, np.int16)), 2)[0]
    assert picture[20, 20].tolist() == [128, 128, 128]


def test_a_picture_has_square_pixels_where_the_file_says_their_shape_without_millimetres() -> None:
    made = volume(ultrasound())
    plain = replace(made.series, geometry=replace(made.series.geometry, pixel_spacing=None))
    square, high = (
        drawing.enlarged(Volume(replace(plain, pixel_aspect=aspect), made.pixels), 0)[0] for aspect in (1.0, 2.0)
    )
    shape = high.shape[0] / high.shape[1], 2 * square.shape[0] / square.shape[1]
    assert abs(shape[0] / shape[1] - 1) < 0.01
