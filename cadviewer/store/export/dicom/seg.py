"""The format `seg`: the outlines as a DICOM segmentation."""

from __future__ import annotations

from cadviewer.store.export.dicom.objects import format_of

FORMAT = format_of(
    "seg",
    "cadviewer.store.export.dicom.segmentation:build",
    "the outlines as a DICOM segmentation",
    "DICOM segmentation",
)
