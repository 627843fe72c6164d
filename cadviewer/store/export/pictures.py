"""Pictures of the findings as PNG, and the masks of breast lesions.

A picture shows the best slice of a CT with its boxes, or each ultrasound image with the outline of its mask, drawn
with square pixels, and below it what it is and that it is for research use only (`store.export.drawing`).
"""

from __future__ import annotations

from pathlib import Path

import cv2

from cadviewer import atomic
from cadviewer.imaging.series import Volume
from cadviewer.store.case_report import CaseReport, mask_name
from cadviewer.store.export import Format
from cadviewer.store.export.drawing import Image
from cadviewer.store.export.parts import part_of


def write_masks(report: CaseReport, folder: Path) -> None:
    """Write the masks of a case into the results folder, each of its source's size, 0 or 255. Raises OSError."""
    for finding in report.result.breast if report.result else ():
        if finding.mask is not None:
            write_png(folder / mask_name(report, finding), finding.mask)


def write_png(path: Path, image: Image) -> None:
    """Put a gray or BGR image into a PNG, atomically. Raises OSError."""
    coded, data = cv2.imencode(".png", image)
    if not coded:
        raise OSError(f"{path.name} could not be coded as PNG")
    atomic.write_bytes(path, data.tobytes())


def _write_case(report: CaseReport, volume: Volume | None, folder: Path) -> None:
    if volume is None or report.result is None or report.task is None:
        return
    for name, image in part_of(report.task).pictures(report, volume):
        write_png(folder / f"{report.case}{name}.png", image)


FORMAT = Format("a picture of each finding, or of each ultrasound image", folder="pictures", write_case=_write_case)
