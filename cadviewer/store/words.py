"""English words for what readers and models said, shared by the window and the reports; translated where shown."""

from __future__ import annotations

from collections.abc import Mapping

from cadviewer.findings import Call
from cadviewer.store.marks import Answer, MeasureKind

RESEARCH = "For research use only — not for diagnosis"
"""The short form of `cadviewer.NOTICE`, for where room is short and for ever visible."""

ANSWERS: Mapping[Answer | None, str] = {
    None: "not read",
    Answer.ACCEPTED: "accepted",
    Answer.REJECTED: "rejected",
    Answer.UNSURE: "unsure",
}

FRAME_ANSWERS: Mapping[Answer | None, str] = {
    None: "not read",
    Answer.ACCEPTED: "the reader agrees",
    Answer.REJECTED: "the reader disagrees",
    Answer.UNSURE: "the reader is unsure",
}

CALLS: Mapping[Call, str] = {
    Call.BENIGN: "Probably benign",
    Call.MALIGNANT: "Suspicious for malignancy",
    Call.UNCERTAIN: "Uncertain",
    Call.NO_LESION: "No lesion outlined",
    Call.OUT_OF_SCOPE: "Out of scope",
}

IMPRESSIONS = (
    "highly unlikely malignant",
    "moderately unlikely malignant",
    "indeterminate",
    "moderately suspicious",
    "highly suspicious",
)
"""LIDC-IDRI's five ratings of malignancy, 1 to 5."""

MEASURES: Mapping[MeasureKind, str] = {
    MeasureKind.DISTANCE: "Distance",
    MeasureKind.ANGLE: "Angle",
    MeasureKind.BIDIRECTIONAL: "Long and short axis",
    MeasureKind.RECTANGLE: "Rectangle",
    MeasureKind.ELLIPSE: "Ellipse",
    MeasureKind.FREEHAND: "Freehand region",
    MeasureKind.POINT: "Point",
    MeasureKind.ARROW: "Arrow",
    MeasureKind.TEXT: "Text",
}
