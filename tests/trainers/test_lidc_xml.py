"""Readers' contours: the nodule is what they enclose; readings that overlap are one nodule; the real three patients."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from trainers.config import ConfigError
from trainers.data.ct import lidc_xml
from trainers.outline import contours


def square(x0: int, y0: int, x1: int, y1: int) -> list[tuple[int, int]]:
    """The border pixels of a square, in order."""
    top, right = [(x, y0) for x in range(x0, x1)], [(x1, y) for y in range(y0, y1)]
    bottom, left = [(x, y1) for x in range(x1, x0, -1)], [(x0, y) for y in range(y1, y0, -1)]
    return top + right + bottom + left


def roi(uid: str, points: list[tuple[int, int]], inclusion: str = "TRUE") -> str:
    edges = "".join(f"<edgeMap><xCoord>{x}</xCoord><yCoord>{y}</yCoord></edgeMap>" for x, y in points)
    return f"<roi><imageSOP_UID>{uid}</imageSOP_UID><inclusion>{inclusion}</inclusion>{edges}</roi>"


def message(path: Path, *readers: str) -> Path:
    sessions = "".join(f"<readingSession>{nodules}</readingSession>" for nodules in readers)
    path.write_text(f'<?xml version="1.0"?><LidcReadMessage xmlns="http://www.nih.gov">{sessions}</LidcReadMessage>')
    return path


def nodule(*rois: str, texture: int = 4) -> str:
    rated = f"<characteristics><texture>{texture}</texture><malignancy>2</malignancy></characteristics>"
    return f"<unblindedReadNodule>{rated}{''.join(rois)}</unblindedReadNodule>"


def test_a_nodule_is_what_its_contour_encloses_without_the_contour(tmp_path: Path) -> None:
    path = message(tmp_path / "a.xml", nodule(roi("u1", square(4, 6, 12, 11)), roi("u1", square(6, 7, 9, 9), "FALSE")))
    (reading,) = lidc_xml.read(path)
    assert (reading.reader, reading.texture, reading.malignancy) == (0, 4, 2)
    mask = lidc_xml.mask_of(reading, ["u0", "u1"], (20, 20))
    assert not mask[0].any()
    inside = np.zeros((20, 20), bool)
    inside[7:11, 5:12] = True
    inside[8:9, 7:9] = False  # the hole, again without its contour
    np.testing.assert_array_equal(mask[1], inside)


def test_readings_that_overlap_are_one_nodule_with_a_consensus(tmp_path: Path) -> None:
    path = message(
        tmp_path / "a.xml",
        nodule(roi("u0", square(4, 4, 12, 12))) + nodule(roi("u0", square(30, 30, 36, 36))),
        nodule(roi("u0", square(5, 4, 13, 12))),
        nodule(roi("u0", square(5, 4, 13, 12))) + nodule(roi("u0", [(1, 1)])),
    )
    found = lidc_xml.nodules(lidc_xml.read(path), ["u0"], (40, 40))
    assert [len(n.masks) for n in found] == [3, 1]
    columns = np.flatnonzero(found[0].consensus[0].any(axis=0))
    assert (columns[0], columns[-1]) == (6, 12)


@pytest.mark.parametrize("text", ["no xml", "<LidcReadMessage xmlns='http://www.nih.gov'/>"])
def test_what_is_no_reading_is_refused_by_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "wrong.xml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"wrong\.xml"):
        lidc_xml.read(path)


def test_a_contour_that_is_no_number_is_damaged(tmp_path: Path) -> None:
    path = message(tmp_path / "a.xml", nodule(roi("u0", square(4, 4, 12, 12))))
    path.write_text(path.read_text().replace("<xCoord>4<", "<xCoord>four<"))
    with pytest.raises(ConfigError, match="damaged"):
        lidc_xml.read(path)


def test_boxes_of_a_mask_are_square_and_best_where_it_is_largest() -> None:
    mask = np.zeros((4, 30, 30), bool)
    mask[1, 10:14, 10:20] = True
    mask[2, 8:20, 10:22] = True
    one, two = contours.boxes_of(mask)
    assert (one.slice, one.x0, one.y0, one.x1, one.y1) == (1, 10, 7, 20, 17)
    assert (two.slice, two.score) == (2, 1.0)


def test_the_real_contours_lie_on_the_nodules(data: Path, tmp_path: Path) -> None:
    if not contours.holds(data):
        pytest.skip(f"no lidc-dicom-small in {data}")
    import zipfile

    with zipfile.ZipFile(data / "ct" / "lidc-dicom-small" / "series.zip") as archive:
        archive.extractall(tmp_path)
    cases = contours.read(tmp_path)
    assert [c.patient for c in cases] == ["LIDC-IDRI-0001", "LIDC-IDRI-0002", "LIDC-IDRI-0003"]
    for case in cases:
        (found,) = case.nodules
        assert case.volume.pixels[found.consensus].mean() > case.volume.pixels[~found.consensus].mean() - 500
    dense = cases[0].volume.pixels[cases[0].nodules[0].consensus]
    assert -100 < np.median(dense) < 100


BEGIN = '<LidcReadMessage xmlns="http://www.nih.gov"><readingSession>'


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b'<?xml version="1.0" encoding="no-such-thing"?><a/>', "not readable as XML"),
        (b'<?xml version="1.0" encoding="utf-7"?><a/>', "not readable as XML"),
        (b'<?xml version="1.0" encoding="shift_jis"?><a>\x83</a>', "not readable as XML"),
        (b"\xff\xfe<\x00", "not readable as XML"),
        (b"", "not readable as XML"),
        (b"<a/>", "no reading session"),
    ],
    ids=["unknown", "utf-7", "shift_jis", "cut", "empty", "another"],
)
def test_what_is_no_message_of_readers_is_refused_by_name(tmp_path: Path, content: bytes, why: str) -> None:
    (tmp_path / "a.xml").write_bytes(content)
    with pytest.raises(ConfigError, match=rf"a\.xml: .*{why}"):
        lidc_xml.read(tmp_path / "a.xml")


@pytest.mark.parametrize("value", [10**30, 2**31, 2**31 - 1, -(2**31), 70000, -70000, "9" * 5000, "nan", "1e400", ""])
def test_a_coordinate_that_no_image_has_is_damage_and_is_said(tmp_path: Path, value: object) -> None:
    points = [(4, 4), (8, 4), (value, 8)]
    path = message(tmp_path / "a.xml", nodule(roi("u1", points)))  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"a\.xml: damaged \(.{1,80}\)$"):
        lidc_xml.read(path)
