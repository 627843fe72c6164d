"""The format `sc`: pictures of the findings as DICOM Secondary Capture."""

from __future__ import annotations

from cadviewer.store.export.dicom.objects import format_of

FORMAT = format_of(
    "sc",
    "cadviewer.store.export.dicom.secondary_capture:build",
    "pictures of the findings as DICOM Secondary Capture",
    "DICOM pictures (Secondary Capture)",
)
