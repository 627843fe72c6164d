"""What the header of a DICOM image says of the examination beyond what a `Series` keeps; needs no pydicom itself."""

from __future__ import annotations

from dataclasses import dataclass

from cadviewer.imaging import contained
from cadviewer.imaging.series import InputError, Series


@dataclass(frozen=True)
class Examination:
    """How an image was made and for whom; "" and None where the file does not say.

    thickness_mm: Slice Thickness. kernel: Convolution Kernel, several joined by "\\". contrast: the agent.
    Its repr hides everything.
    """

    accession: str = ""
    referring: str = ""
    institution: str = ""
    scanner: str = ""
    protocol: str = ""
    kernel: str = ""
    kvp: float | None = None
    contrast: str = ""
    thickness_mm: float | None = None

    def __repr__(self) -> str:
        return "Examination(hidden)"


NOTHING = Examination()
"""Of a file that says nothing of all that."""


def of_series(series: Series) -> Examination:
    """By the header of its first image; `NOTHING` where that is no DICOM or cannot be read any more. Never raises."""
    if series.format != "dicom" or not series.slices:
        return NOTHING
    try:
        found = contained.call("cadviewer.imaging.dicom.examination:read_examination", series.slices[0].file)
    except (InputError, OSError):  # it was read before: gone, or another file by now
        return NOTHING
    return found if isinstance(found, Examination) else NOTHING
