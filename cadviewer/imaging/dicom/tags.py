"""Every element of a DICOM header as rows of text, for a reader to look through. It needs pydicom.

The rows hold whatever the file says, names of patients too: they are for the screen and go nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from cadviewer.imaging.dicom.dataset import FAULTS, read_dataset

LONGEST = 1000
"""Characters of a value that are shown."""
DEEPEST = 12
MOST = 20_000
"""Rows of one file: functional groups of a thousand frames would be more than anybody reads."""
_BINARY = frozenset(("OB", "OD", "OF", "OL", "OV", "OW", "UN"))


@dataclass(frozen=True)
class TagRow:
    """One element. tag: "0028,0010". depth: how many sequences it lies in. items: of a sequence, else None."""

    depth: int
    tag: str
    name: str
    vr: str
    value: str
    items: int | None = None

    def __repr__(self) -> str:
        return f"TagRow({self.tag})"  # its value may name a patient

    def holds(self, text: str) -> bool:
        """Whether a lower-case text is part of its tag, name or value."""
        return text in f"{self.tag} {self.tag.replace(',', '')} {self.name} {self.value}".lower()


def read_tags(file: Path) -> list[TagRow]:
    """All elements before the pixels, those of the file's meta header first, nested ones after their sequence.

    Raises InputError when the file is not DICOM or is damaged, OSError when it cannot be opened.
    """
    dataset = read_dataset(file)
    rows: list[TagRow] = []
    for part in (getattr(dataset, "file_meta", None), dataset):
        for row in _rows(part, 0) if part is not None else ():
            rows.append(row)
            if len(rows) >= MOST:
                return [*rows, TagRow(0, "", f"More than {MOST} elements: the others are not shown", "", "")]
    return rows


def _rows(dataset: Dataset, depth: int) -> Iterator[TagRow]:
    for tag in sorted(dataset.keys()):
        number = f"{int(tag) >> 16:04X},{int(tag) & 0xFFFF:04X}"
        try:
            element = dataset[tag]
        except FAULTS:
            yield TagRow(depth, number, "Damaged element", "", "")
            continue
        if element.VR == "SQ":
            items = list(element.value or [])
            yield TagRow(depth, number, _name(element), "SQ", _count(len(items), "item"), len(items))
            for k, item in enumerate(items if depth < DEEPEST else []):
                if len(items) > 1:
                    yield TagRow(depth + 1, "", f"Item {k + 1}", "", "")
                yield from _rows(item, depth + 1)
        else:
            yield TagRow(depth, number, _name(element), str(element.VR), _value(element))


def _name(element: DataElement) -> str:
    try:
        return str(element.name)
    except FAULTS:
        return "Unknown"


def _value(element: DataElement) -> str:
    try:
        value: Any = element.value
        if value is None:
            return ""
        if isinstance(value, bytes):
            return value.decode("ascii") if _readable(value) else _count(len(value), "byte")
        if element.VR in _BINARY:
            return _count(len(value), "byte")
        text = " \\ ".join(str(v) for v in value) if isinstance(value, MultiValue | list) else str(value)
    except FAULTS:
        return "(cannot be read)"
    text = " ".join(text.split())
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}… ({len(text)} characters)"


def _readable(value: bytes) -> bool:
    return 0 < len(value) <= 64 and all(32 <= byte < 127 for byte in value)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
