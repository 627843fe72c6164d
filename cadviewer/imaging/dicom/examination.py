"""Reads an `imaging.examination.Examination` from a DICOM header, by pydicom, in the reading process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from cadviewer.imaging.dicom.dataset import FAULTS, read_dataset
from cadviewer.imaging.examination import Examination

_LONGEST = 400


def read_examination(file: Path) -> Examination:
    """Of one image. Raises InputError when the file is not DICOM or is damaged, OSError when it cannot be opened."""
    dataset = read_dataset(file)
    parts = [dataset, *_groups(dataset)]
    makers = [_text([dataset], name) for name in ("Manufacturer", "ManufacturerModelName")]
    return Examination(
        accession=_text([dataset], "AccessionNumber"),
        referring=_person(_text([dataset], "ReferringPhysicianName")),
        institution=_text([dataset], "InstitutionName"),
        scanner=" ".join(part for part in makers if part),
        protocol=_text([dataset], "ProtocolName"),
        kernel=_text(parts, "ConvolutionKernel"),
        kvp=_number(parts, "KVP"),
        contrast=_text(parts, "ContrastBolusAgent"),
        thickness_mm=_number(parts, "SliceThickness"),
    )


def _groups(dataset: Dataset) -> list[Dataset]:
    """The functional groups that hold for all frames of a multi-frame image, and those of the first (C.7.6.16)."""
    found = []
    for name in ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"):
        try:
            group = dataset[name].value[0]
            found += [element.value[0] for element in group if element.VR == "SQ" and element.value]
        except FAULTS:
            continue
    return found


def _text(parts: list[Dataset], name: str) -> str:
    """The first part that says it counts; what cannot be read counts as not said."""
    for part in parts:
        try:
            value: Any = part.get(name)
            text = "\\".join(map(str, value)) if isinstance(value, MultiValue | list) else str(value or "")
        except FAULTS:
            continue
        text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
        if text:
            return text[:_LONGEST]
    return ""


def _number(parts: list[Dataset], name: str) -> float | None:
    try:
        value = float(_text(parts, name))
    except ValueError:
        return None
    return value if 0 < value < 1e6 else None


def _person(name: str) -> str:
    """A person's name (PS3.5 6.2.1) as people write it: family name, then the others; of several groups the first."""
    family, *others = (name.split("=")[0] or name.strip("=").split("=")[0]).split("^")
    rest = " ".join(part for part in others if part)
    return f"{family}, {rest}" if rest else family
