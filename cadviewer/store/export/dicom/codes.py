"""Codes that the objects use, each with the context group of DICOM PS3.16 that has it; private ones where none has.

docs/dicom-objects.md lists them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import NamedTuple


class Coded(NamedTuple):
    """A coded concept (PS3.3 section 8): value of at most 16 characters, meaning of at most 64."""

    value: str
    scheme: str
    meaning: str
    version: str | None = None


PRIVATE = "99CADVIEWER"
"""Scheme of what has no code elsewhere (PS3.16 section 8.2: private ones begin with 99)."""

NODULE = Coded("27925004", "SCT", "Nodule")  # CID 6102, 7151
MASS = Coded("4147007", "SCT", "Mass")  # CID 6106, 7151
ABNORMAL = Coded("49755003", "SCT", "Morphologically Abnormal Structure")  # CID 7150
LUNG = Coded("39607008", "SCT", "Lung")  # CID 4031
BREAST = Coded("76752008", "SCT", "Breast")  # CID 4031
SIDES: Mapping[str, Coded] = {  # CID 244
    "left": Coded("7771000", "SCT", "Left"),
    "right": Coded("24028007", "SCT", "Right"),
}

LONG_AXIS = Coded("103339001", "SCT", "Long Axis")  # CID 218, 7469
SHORT_AXIS = Coded("103340004", "SCT", "Short Axis")  # CID 218, 7469
VOLUME = Coded("118565006", "SCT", "Volume")  # CID 218, 7469
AREA = Coded("42798000", "SCT", "Area")  # CID 218, 7469
LENGTH = Coded("410668003", "SCT", "Length")  # CID 7470
ANGLE = Coded("1483009", "SCT", "Angle")  # CID 7469
ATTENUATION = Coded("112031", "DCM", "Attenuation Coefficient")  # CID 7469
MEAN = Coded("373098007", "SCT", "Mean")  # CID 7464
CERTAINTY = Coded("111012", "DCM", "Certainty of Finding")  # TID 4125
PROBABILITY = Coded("111047", "DCM", "Probability of cancer")  # TID 4125
ASSESSMENT = Coded("111005", "DCM", "Assessment Category")  # TID 4201

MM = Coded("mm", "UCUM", "millimeter")
MM2 = Coded("mm2", "UCUM", "square millimeter")
MM3 = Coded("mm3", "UCUM", "cubic millimeter")
DEGREE = Coded("deg", "UCUM", "degree")
PERCENT = Coded("%", "UCUM", "Percent")
HOUNSFIELD = Coded("[hnsf'U]", "UCUM", "Hounsfield unit")
PIXEL = Coded("{pixels}", "UCUM", "pixels")
PIXEL2 = Coded("{pixels}2", "UCUM", "square pixels")
UNITS: Mapping[str, Coded] = {
    "mm": MM,
    "mm²": MM2,
    "mm³": MM3,
    "°": DEGREE,
    "HU": HOUNSFIELD,
    "px": PIXEL,
    "px²": PIXEL2,
}
"""By what the program calls them."""

OUTLINE = Coded("111041", "DCM", "Outline")  # CID 219
BOUNDED_BY = Coded("75958009", "SCT", "Bounded by")  # CID 219

CT_OF_CHEST = Coded("169069000", "SCT", "CT of chest")
ULTRASOUND_OF_BREAST = Coded("47079000", "SCT", "Ultrasonography of breast")
IMAGING = Coded("363679005", "SCT", "Imaging procedure")  # CID 100

BENIGN = Coded("30807003", "SCT", "Benign")  # CID 6063
MALIGNANT = Coded("21594007", "SCT", "Malignant")  # CID 6063
CALLS: Mapping[str, Coded] = {
    "benign": BENIGN,
    "malignant": MALIGNANT,
    "uncertain": Coded("CALL-UNCERTAIN", PRIVATE, "Uncertain"),
    "no lesion": Coded("CALL-NO-LESION", PRIVATE, "No lesion"),
    "no_lesion": Coded("CALL-NO-LESION", PRIVATE, "No lesion"),
}
CALL = Coded("CALL", PRIVATE, "Benign or malignant, as called")

BI_RADS: Mapping[str, Coded] = {  # CID 6027
    "0": Coded("397138000", "SCT", "0 - Incomplete - Need additional imaging evaluation"),
    "1": Coded("397140005", "SCT", "1 - Negative"),
    "2": Coded("397141009", "SCT", "2 - Benign"),
    "3": Coded("397143007", "SCT", "3 - Probably Benign"),
    "4": Coded("397144001", "SCT", "4 - Suspicious"),
    "4A": Coded("MA.II.A.5.4A", "BI", "4A - Low suspicion", "4.0"),
    "4B": Coded("MA.II.A.5.4B", "BI", "4B - Intermediate suspicion", "4.0"),
    "4C": Coded("MA.II.A.5.4C", "BI", "4C - Moderate suspicion", "4.0"),
    "5": Coded("397145000", "SCT", "5 - Highly suggestive of malignancy"),
    "6": Coded("MA.II.A.5.6", "BI", "6 - Known biopsy proven malignancy", "4.0"),
}
"""Assessment from BI-RADS, by category."""

LUNG_RADS_ASSESSMENT = Coded("RID50134", "RADLEX", "Lung-RADS assessment")
LUNG_RADS: Mapping[str, Coded] = {
    "0": Coded("RID50135", "RADLEX", "Lung-RADS 0"),
    "1": Coded("RID50136", "RADLEX", "Lung-RADS 1"),
    "2": Coded("RID50137", "RADLEX", "Lung-RADS 2"),
    "3": Coded("RID50138", "RADLEX", "Lung-RADS 3"),
    "4A": Coded("RID50139", "RADLEX", "Lung-RADS 4A"),
    "4B": Coded("RID50140", "RADLEX", "Lung-RADS 4B"),
    "4X": Coded("RID50141", "RADLEX", "Lung-RADS 4X"),
}
"""RadLex has them; DICOM has no context group of them."""

RULE = Coded("RULE", PRIVATE, "Published rule and its version")
TYPE = Coded("NODULE-TYPE", PRIVATE, "Type of nodule")
FOUND_BY = Coded("FOUND-BY", PRIVATE, "Found by")
FOUND: Mapping[str, Coded] = {
    "model": Coded("FOUND-MODEL", PRIVATE, "Model"),
    "model, box changed by the reader": Coded("FOUND-EDITED", PRIVATE, "Model, box changed by the reader"),
    "reader": Coded("FOUND-READER", PRIVATE, "Reader"),
}


def private(prefix: str, text: str) -> Coded:
    """A code for words that have none: the same words always get the same one."""
    digest = hashlib.sha256(text.encode()).hexdigest()[: 15 - len(prefix)]
    return Coded(f"{prefix}-{digest}", PRIVATE, text if len(text) <= 64 else f"{text[:61]}...")


PERSON = Coded("121006", "DCM", "Person")  # CID 270
DEVICE = Coded("121007", "DCM", "Device")  # CID 270
ARTIFICIAL_INTELLIGENCE = Coded("123110", "DCM", "Artificial Intelligence")  # CID 7162
