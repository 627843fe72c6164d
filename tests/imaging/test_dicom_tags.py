"""The header as rows of text."""

from __future__ import annotations

from pathlib import Path

import pydicom
import pytest
from gui_images import write_ct
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from cadviewer.imaging.dicom.tags import LONGEST, TagRow, read_tags
from cadviewer.imaging.series import InputError


def _item(text: str) -> Dataset:
    item = Dataset()
    item.CodeMeaning = text
    return item


@pytest.fixture
def file(tmp_path: Path) -> Path:
    folder = write_ct(
        tmp_path / "ct",
        1,
        ProcedureCodeSequence=Sequence([_item("Chest"), _item("Thorax")]),
        ImageComments="x" * (LONGEST + 50),
    )
    return folder / "000.dcm"


def _row(rows: list[TagRow], name: str) -> TagRow:
    return next(row for row in rows if row.name == name)


def test_every_element_is_there_with_its_name_kind_and_value(file: Path) -> None:
    rows = read_tags(file)
    dataset = pydicom.dcmread(file, stop_before_pixels=True)
    plain = {f"{e.tag.group:04X},{e.tag.element:04X}" for e in [*dataset.file_meta, *dataset]}
    assert plain == {row.tag for row in rows if row.depth == 0}
    assert _row(rows, "Modality") == TagRow(0, "0008,0060", "Modality", "CS", "CT")
    assert _row(rows, "Pixel Spacing").value == "0.7 \\ 0.7"
    assert _row(rows, "Patient's Name").value == "Doe^Jane"


def test_elements_of_sequences_follow_them_deeper(file: Path) -> None:
    rows = read_tags(file)
    at = rows.index(_row(rows, "Procedure Code Sequence"))
    assert rows[at].items == 2
    assert [(row.depth, row.name, row.value) for row in rows[at + 1 : at + 5]] == [
        (1, "Item 1", ""),
        (1, "Code Meaning", "Chest"),
        (1, "Item 2", ""),
        (1, "Code Meaning", "Thorax"),
    ]


def test_long_values_are_cut_and_say_so(file: Path) -> None:
    value = _row(read_tags(file), "Image Comments").value
    assert value.endswith(f"… ({LONGEST + 50} characters)")


def test_a_row_is_found_by_number_name_and_value_and_its_repr_hides_the_patient(file: Path) -> None:
    row = _row(read_tags(file), "Patient's Name")
    assert row.holds("0010,0010")
    assert row.holds("00100010")
    assert row.holds("doe")
    assert not row.holds("miller")
    assert "Doe" not in repr(row)


def test_a_file_without_any_element_says_so(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"")
    with pytest.raises(InputError):
        read_tags(tmp_path / "x")


def test_damaged_elements_do_not_hide_the_others(file: Path) -> None:
    content = file.read_bytes().replace(b"DS\x08\x000.7\\0.7 ", b"DS\x08\x00\xff\xfe!!\\??\x00")
    file.write_bytes(content)
    names = [row.name for row in read_tags(file)]
    assert "Modality" in names
    assert "Rows" in names
