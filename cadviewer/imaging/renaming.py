"""Numbers for the names of files out of an archive, so that no name of a patient lies on the disk.

Files that belong together keep on doing so: those of one folder lie in one folder, `.hdr` and `.img` of one name get
one number, and MetaImage and NRRD headers are written anew where they name files that have numbers now.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from cadviewer.imaging import contained
from cadviewer.imaging.formats import simpleitk
from cadviewer.imaging.series import InputError

_SUFFIXES = (
    *(".dcm", ".dicom", ".ima", ".mhd", ".mha", ".nrrd", ".nhdr", ".nii", ".hdr", ".img", ".raw", ".zraw"),
    *(".png", ".jpg", ".jpeg", ".jpe", ".bmp", ".tif", ".tiff", ".gif", ".webp", ".jp2"),
    *(".zip", ".txt", ".xml", ".csv", ".json", ".pdf"),
)
"""Endings that stay: they name a kind and no patient."""
_LARGEST_HEADER = 1 << 20


class Numbers:
    """Where the files of one archive go within `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folders = {PurePosixPath(): folder}
        self._numbers = itertools.count()
        self._stems: dict[PurePosixPath, int] = {}
        self._paths: dict[PurePosixPath, Path] = {}
        self._used: set[Path] = set()

    def path(self, inside: PurePosixPath) -> Path:
        """The numbered path for one in the archive; another one each time."""
        stem, suffix = _split(inside.name)
        key = inside.parent / stem

        def numbered() -> Path:
            return self._folder(inside.parent) / f"{self._stems[key]:06d}{suffix}"

        if key not in self._stems or numbered() in self._used:
            self._stems[key] = next(self._numbers)
        path = self._paths[inside] = numbered()
        self._used.add(path)
        return path

    def _folder(self, inside: PurePosixPath) -> Path:
        if inside not in self._folders:
            self._folders[inside] = self._folder(inside.parent) / f"{len(self._folders):05d}"
        return self._folders[inside]

    def rewrite_headers(self, unpacked: Mapping[Path, str]) -> None:
        """Let headers name the numbered files. One that names a file that is not there is left as it is."""
        for file, name in unpacked.items():
            with file.open("rb") as stream:
                kind = simpleitk.kind_of(stream.read(352))
            if kind in ("metaimage", "nrrd"):
                with contextlib.suppress(InputError, OSError):  # damaged: said when it is read
                    self._rewrite(file, PurePosixPath(name).parent, kind)

    def _rewrite(self, file: Path, inside: PurePosixPath, kind: str) -> None:
        named: list[Path] = list(contained.call("cadviewer.imaging.formats.simpleitk:data_files", file, kind))
        paths = [self._paths.get(inside / data.relative_to(file.parent).as_posix()) for data in named]
        new = [path.relative_to(file.parent).as_posix() for path in paths if path is not None]
        if not new or len(new) < len(named) or file.stat().st_size > _LARGEST_HEADER:
            return
        lines = file.read_bytes().decode("latin-1").splitlines()
        file.write_bytes("\n".join([*_with_names(lines, new, kind), ""]).encode("latin-1"))


def _with_names(lines: Sequence[str], names: Sequence[str], kind: str) -> list[str]:
    """The lines of a header with the names of its data files replaced; of several by a list, at its end."""
    for k, line in enumerate(lines):
        sign = next((c for c in line if c in "=:"), "=") if kind == "metaimage" else ":"
        field, _, value = line.partition(sign)
        if field.strip().lower() not in ("elementdatafile", "data file", "datafile"):
            continue
        first, *more = value.split()
        listed = first.upper() == "LIST"
        others = [] if listed or kind == "metaimage" else [*itertools.takewhile(str.strip, lines[k + 1 :])]
        if len(names) == 1 and not listed:
            return [*lines[:k], *others, f"{field}{sign} {names[0]}", ""]
        axes = more if listed else more[3:]  # a pattern has first, last and step before the axes of each file
        return [*lines[:k], *others, " ".join([f"{field}{sign} LIST", *axes]), *names]
    return list(lines)


def _split(name: str) -> tuple[str, str]:
    """(stem, ending) of a file's name; the ending only where it is known."""
    stem, packed = (name[:-3], ".gz") if name.lower().endswith(".gz") else (name, "")
    suffix = PurePosixPath(stem).suffix
    if suffix.lower() in _SUFFIXES:
        return stem[: -len(suffix)], suffix.lower() + packed
    return stem, packed
