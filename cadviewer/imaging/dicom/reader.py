"""Headers and frames of any DICOM file: the fast way for what is common, pydicom for the rest.

pydicom works in another process (`contained`): what is unusual may also be made to harm, and its import takes 0.3 s.
"""

from __future__ import annotations

import io
from pathlib import Path

from cadviewer.imaging import contained
from cadviewer.imaging.dicom import frames as dicom_frames
from cadviewer.imaging.dicom import header as dicom_header
from cadviewer.imaging.dicom.frames import Frame
from cadviewer.imaging.dicom.header import Header

_UNUSUAL = "cadviewer.imaging.dicom.dataset"


def read_header(file: Path) -> Header:
    """The header of a DICOM file.

    Raises InputError when the file is not DICOM or is damaged, OSError when it cannot be opened.
    """
    with file.open("rb", buffering=0) as stream:
        size = stream.seek(0, io.SEEK_END)
        stream.seek(0)
        header = dicom_header.read_fast(file, size, stream)
    if header is None:
        header = contained.call(f"{_UNUSUAL}:read_header", file, size, size=size // 8)
        assert isinstance(header, Header)
    return header


def frames_of(header: Header) -> list[Frame]:
    """The frames of a file that `imaging.dicom.frames.reject` let through.

    Raises InputError for damaged functional groups.
    """
    plain, count = dicom_frames.first_frame(header)
    if not dicom_frames.has_groups(header):
        return dicom_frames.alike(plain, count)
    frames: list[Frame] = contained.call(f"{_UNUSUAL}:frames_of", plain, count, size=header.size)
    return frames
