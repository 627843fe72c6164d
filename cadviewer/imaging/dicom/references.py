"""What another DICOM object repeats of the images that it is about: patient, study, geometry, how values are meant.

Elements that a later object copies or needs, and no others: private ones and whatever else a header holds stay behind.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.valuerep import PersonName

from cadviewer.imaging.dicom.dataset import FAULTS, read_dataset
from cadviewer.imaging.dicom.header import is_uid

_IDENTITY = (
    "SOPClassUID",
    "SOPInstanceUID",
    "SeriesInstanceUID",
    "StudyInstanceUID",
    "FrameOfReferenceUID",
)
_TEXTS = (
    "PatientName",
    "PatientID",
    "IssuerOfPatientID",
    "PatientBirthDate",
    "PatientSex",
    "PatientAge",
    "StudyDate",
    "StudyTime",
    "AccessionNumber",
    "StudyID",
    "StudyDescription",
    "ReferringPhysicianName",
    "PatientIdentityRemoved",
    "DeidentificationMethod",
    "Modality",
    "PhotometricInterpretation",
    "PositionReferenceIndicator",
)
_NUMBERS = (
    "InstanceNumber",
    "Rows",
    "Columns",
    "NumberOfFrames",
    "SamplesPerPixel",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "SliceThickness",
    "SpacingBetweenSlices",
    "RescaleSlope",
    "RescaleIntercept",
)
_GROUPS = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")
_KEPT_GROUPS = (
    "PlanePositionSequence",
    "PlaneOrientationSequence",
    "PixelMeasuresSequence",
    "FrameContentSequence",
    "PixelValueTransformationSequence",
)
_EMPTY = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "AccessionNumber",
    "StudyID",
    "ReferringPhysicianName",
)
"""Of type 2 in every object about a patient (PS3.3 C.7.1.1, C.7.2.1): there, if only empty."""
_FORMS = {
    "DA": re.compile(r"\d{8}"),
    "TM": re.compile(r"\d{2}(\d{2}(\d{2}(\.\d{1,6})?)?)?"),
    "AS": re.compile(r"\d{3}[DWMY]"),
    "CS": re.compile(r"[A-Z0-9_ ]{0,16}"),
    "SH": re.compile(r".{0,16}"),
    "LO": re.compile(r".{0,64}"),
}
"""Values that a new object may hold (PS3.5 section 6.2): others are left out, since it must not repeat a fault."""


def read_references(files: Sequence[Path]) -> list[Dataset]:
    """For each file a small data set with those elements alone, its texts in UTF-8, of type 2 ones empty where it has
    none. Raises InputError where a file is damaged, OSError when it cannot be opened."""
    return [reference(read_dataset(file)) for file in files]


def reference(dataset: Dataset) -> Dataset:
    """The same of a header that was read."""
    made = empty()
    for keyword in _IDENTITY:
        uid = str(dataset.get(keyword, "") or "").strip("\0 ")
        if is_uid(uid):
            setattr(made, keyword, uid)
    for keyword in _TEXTS:
        if (text := _text(dataset, keyword)) is not None:
            setattr(made, keyword, text)
    for keyword in _NUMBERS:
        if (value := _number(dataset, keyword)) is not None:
            setattr(made, keyword, value)
    if any(dataset.get(keyword) for keyword in _GROUPS):
        for keyword in _GROUPS:
            setattr(made, keyword, [_group(item) for item in dataset.get(keyword) or [Dataset()]])
    if made.get("PatientIdentityRemoved") == "YES" and not made.get("DeidentificationMethod"):
        made.DeidentificationMethod = "not told"  # PS3.3 C.7.1.1 wants one
    return made


def empty() -> Dataset:
    """One that says nothing of a patient."""
    made = Dataset()
    made.SpecificCharacterSet = "ISO_IR 192"
    for keyword in _EMPTY:
        setattr(made, keyword, "")
    return made


def _text(dataset: Dataset, keyword: str) -> str | None:
    """As it may stand in another object, None where it may not."""
    try:
        if keyword not in dataset:
            return None
        element: DataElement = dataset[keyword]
        value: Any = element.value
        text = str(value) if isinstance(value, str | PersonName) else "" if value is None else str(value)
    except FAULTS:
        return None
    text = "".join(c for c in text if c.isprintable()).strip()
    if element.VR == "PN":
        return "=".join(group[:64] for group in text.split("=")[:3])
    form = _FORMS.get(element.VR)
    return text if not text or form is None or form.fullmatch(text) else None


def _number(dataset: Dataset, keyword: str) -> Any:
    try:
        return dataset[keyword].value if keyword in dataset else None
    except FAULTS:
        return None


def _group(item: Dataset) -> Dataset:
    made = Dataset()
    for keyword in _KEPT_GROUPS:
        if keyword in item:
            setattr(made, keyword, item[keyword].value)
    return made
