"""The format `gsps`: the marks as a DICOM presentation state."""

from __future__ import annotations

from cadviewer.store.export.dicom.objects import format_of

FORMAT = format_of(
    "gsps",
    "cadviewer.store.export.dicom.presentation_state:build",
    "the marks as a DICOM presentation state",
    "DICOM presentation state",
)
