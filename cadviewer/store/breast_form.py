"""What a reader says of a breast ultrasound image, and whether that agrees with what the model said."""

from __future__ import annotations

from collections.abc import Mapping

from cadviewer.findings import Call
from cadviewer.risk.form import Field, Kind

OWN_CALL = "call"

FRAME_FIELDS: Mapping[str, Field] = {
    field.name: field
    for field in (
        Field(OWN_CALL, "Your call", Kind.CHOICE, ("benign", "malignant", "no lesion")),
        # ACR BI-RADS Atlas, 5th edition (2013), ultrasound, "Assessment categories"
        Field("bi_rads", "BI-RADS", Kind.CHOICE, ("0", "1", "2", "3", "4A", "4B", "4C", "5", "6")),
        Field("note", "Note", Kind.TEXT),
    )
}
"""Fields of the form for an ultrasound image, by name."""

_MEANT = {Call.BENIGN: "benign", Call.MALIGNANT: "malignant", Call.NO_LESION: "no lesion"}


def definite(call: Call) -> bool:
    """Whether the model made a call that one can agree with."""
    return call in _MEANT


def agrees(call: Call, own: str) -> bool | None:
    """Whether the reader's own call is the model's; None where the model made none."""
    return _MEANT[call] == own if definite(call) else None
