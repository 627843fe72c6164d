"""Headers and frames of any DICOM file: the fast way for what is common, pydicom for the rest.

pydicom is imported only when it is needed: that alone takes 0.3 s.
"""

from __future__ import annotations

import io
from pathlib import Path

from cadviewer.imaging import dicom_frames, dicom_header
from cadviewer.imaging.dicom_frames import Frame
from cadviewer.imaging.dicom_header import Header


def read_header(file: Path) -> Header:
    """The header of a DICOM file.

    Raises InputError when the file is not DICOM or is damaged, OSError when it cannot be opened.
    """
    with file.open("rb", buffering=0) as stream:
        size = stream.seek(0, io.SEEK_END)
        stream.seek(0)
        header = dicom_header.read_fast(file, size, stream)
    if header is None:
        from cadviewer.imaging import dicom_dataset

        header = dicom_dataset.read_header(file, size)
    return header


def frames_of(header: Header) -> list[Frame]:
    """The frames of a file that `dicom_frames.reject` let through. Raises InputError for damaged functional groups."""
    plain, count = dicom_frames.first_frame(header)
    if not dicom_frames.has_groups(header):
        return dicom_frames.alike(plain, count)
    from cadviewer.imaging import dicom_dataset

    return dicom_dataset.frames_of(plain, count)
