"""The format `sr`: the findings as a DICOM structured report (TID 1500)."""

from __future__ import annotations

from cadviewer.store.export.dicom.objects import format_of

FORMAT = format_of(
    "sr",
    "cadviewer.store.export.dicom.measurement_report:build",
    "the findings as a DICOM structured report (TID 1500)",
    "DICOM structured report",
)
