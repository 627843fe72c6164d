"""Zip archives of images: unpacked into a temporary folder that goes when the program ends.

The folder and its sub-folders have names without meaning, since paths inside an archive can hold patient names. Each
folder holds a file that its owner keeps locked: one that can be locked was left by a process that was killed, and the
next start of the program removes it.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import stat
import tempfile
import threading
import time
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from cadviewer import atomic
from cadviewer.imaging.series import InputError, Rejected, State

_LARGEST = 64 * 2**30
_SPARE = 2**30  # bytes that unpacking leaves free on the disk
_PREFIX = "cadviewer-zip-"
_LOCK = "in-use"
_YOUNG_SECONDS = 3600.0
"""So long after its last change a folder without a living owner is left alone."""
_DOCUMENTS = ("[Content_Types].xml", "META-INF/MANIFEST.MF", "mimetype")


def is_archive(head: bytes) -> bool:
    return head.startswith((b"PK\x03\x04", b"PK\x05\x06"))


def unpack(file: Path) -> dict[Path, str] | Rejected:
    """Unpacked file → its path in the archive, in the archive's order.

    An office document or a program is a zip too, but not an archive of images: Rejected. Raises InputError for a
    damaged, encrypted or too large archive, OSError when it or the disk cannot be used.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            members = [m for m in archive.infolist() if not m.is_dir()]
            if any(m.filename in _DOCUMENTS for m in members):
                return Rejected(file, State.SKIPPED, "not an image: a document")
            if not members:
                return Rejected(file, State.FAILED, "an empty archive")
            return _extract(archive, members)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise InputError(f"damaged archive: {error}") from error
    except RuntimeError as error:  # zipfile says so of encryption
        raise InputError("an encrypted archive") from error


def remove_abandoned() -> None:
    """Remove what killed processes of this user had unpacked: it holds patients' images. May take its time."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):  # in use, or another process was quicker
            about = folder.lstat()
            mine = stat.S_ISDIR(about.st_mode) and (not hasattr(os, "getuid") or about.st_uid == os.getuid())
            if mine and time.time() - about.st_mtime > _YOUNG_SECONDS:
                with atomic.locked(folder / _LOCK, wait=0):
                    pass
                shutil.rmtree(folder, ignore_errors=True)


def remove_abandoned_later() -> None:
    """`remove_abandoned` on a thread that nobody waits for."""
    threading.Thread(target=remove_abandoned, name="abandoned archives", daemon=True).start()


def _folder() -> Path:
    """A new folder of this process, locked and removed at its end."""
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
    held = contextlib.ExitStack()
    held.callback(shutil.rmtree, folder, ignore_errors=True)  # after the lock is let go, as Windows wants it
    with contextlib.suppress(OSError):  # a disk without locks: the hour has to do
        held.enter_context(atomic.locked(folder / _LOCK))
    atexit.register(held.close)
    return folder


def _extract(archive: zipfile.ZipFile, members: list[zipfile.ZipInfo]) -> dict[Path, str]:
    folder = _folder()
    size = sum(m.file_size for m in members)
    if size > min(_LARGEST, shutil.disk_usage(folder).free - _SPARE):
        raise InputError(f"an archive of {size / 2**30:.1f} GiB, too large to unpack here")
    folders: dict[PurePosixPath, Path] = {}
    unpacked: dict[Path, str] = {}
    for member in members:
        inside = PurePosixPath(member.filename)
        target = folders.setdefault(inside.parent, folder / f"{len(folders):05d}")
        target.mkdir(exist_ok=True)
        path = target / _safe(inside.name, len(unpacked))
        with archive.open(member) as source, path.open("xb") as sink:
            shutil.copyfileobj(source, sink, 1 << 20)
        unpacked[path] = member.filename
    return unpacked


def _safe(name: str, number: int) -> str:
    """The member's name (an .mhd names its .raw), or a number where a file system may not take it."""
    plain = all(c.isalnum() or c in " ._-()+" for c in name) and name.strip(" .") == name and len(name) < 120
    return name if plain and name else f"file{number:06d}{Path(name).suffix if name.isascii() else ''}"
