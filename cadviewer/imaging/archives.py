"""Zip archives of images (an `imaging.sources.Source`): unpacked into a temporary folder that goes with the program.

The folder, its sub-folders and its files have numbers for names, since paths inside an archive can hold patient names.
Headers that name other files (MetaImage, NRRD) are written anew with the numbers. Each folder holds a file that its
owner keeps locked: one that can be locked was left by a process that was killed, and the next start of the program
removes it.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import stat
import struct
import tempfile
import time
import zipfile
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from cadviewer import atomic, background
from cadviewer.imaging import renaming, unzipping
from cadviewer.imaging.budget import Budget, Share, TooMuch
from cadviewer.imaging.faults import one_line
from cadviewer.imaging.series import InputError, Rejected, State
from cadviewer.imaging.sources import Contents
from cadviewer.messages import Message

_SPARE = 2**30  # bytes that unpacking leaves free on the disk
_PREFIX = "cadviewer-zip-"
_LOCK = "in-use"
_YOUNG_SECONDS = 3600.0
"""So long after its last change a folder without a lock is left alone: there are disks without locks."""
_DOCUMENTS = ("[Content_Types].xml", "META-INF/MANIFEST.MF", "mimetype")
_ENTRY = 256
"""Bytes of the list of contents for each file, names and all, that are plenty."""
_LONGEST_PATH = 1000
"""Letters of a path in an archive that are shown: more than a system's own files can have after a folder's name."""
_ENCRYPTED = 0x1


def recognises(head: bytes) -> bool:
    """Whether a file begins as a zip does, an empty one too (APPNOTE.TXT 4.3.7, 4.3.16)."""
    return head.startswith((b"PK\x03\x04", b"PK\x05\x06"))


def unpack(file: Path, share: Share | None = None) -> Contents | Rejected:
    """The files of an archive. share: what it may take; it is taken from it.

    An office document or a program is a zip too, but not an archive of images: Rejected, as one is that is too large
    or has too many files. A damaged file in it is `broken`, and the others are there. Raises InputError for a damaged
    or encrypted archive, OSError when it or the disk cannot be used.
    """
    share = share or Budget().share(file.stat().st_size)
    try:
        members = _members(file, share)
        if any(m.filename in _DOCUMENTS for m in members):
            return Rejected(file, State.SKIPPED, Message("not an image: a document"))
        if not members:
            return Rejected(file, State.FAILED, Message("an empty archive"))
        if all(m.flag_bits & _ENCRYPTED for m in members):
            raise InputError(Message("an encrypted archive"))
        share.take(len(members), sum(m.file_size for m in members))
        return _extract(file, members, share)
    except TooMuch as error:
        return Rejected(file, State.REFUSED, str(error))


def declared(file: Path, share: Share) -> tuple[int, int]:
    """(files, bytes) that its list of contents promises. Raises InputError, OSError, TooMuch."""
    members = _members(file, share)
    return len(members), sum(m.file_size for m in members)


def _members(file: Path, share: Share) -> list[zipfile.ZipInfo]:
    """The files that an archive lists. Raises InputError, OSError, TooMuch."""
    try:
        with file.open("rb") as stream:
            count, length = _listed(stream)
            if count > share.members or length > _ENTRY * share.members:
                share.check_members(max(count, share.members + 1))
            with zipfile.ZipFile(stream) as archive:
                members = [m for m in archive.infolist() if not m.is_dir()]
    except (OSError, TooMuch):
        raise
    except Exception as error:  # zipfile's own words quote names
        raise InputError(Message("damaged archive: its list of contents cannot be read")) from error
    share.check_members(len(members))
    return members


def _listed(stream: BinaryIO) -> tuple[int, int]:
    """(files, bytes of the list) that the end of an archive declares (APPNOTE.TXT 4.3.14, 4.3.16); 0 for none."""
    size = stream.seek(0, os.SEEK_END)
    start = max(0, size - 65557 - 20)
    stream.seek(start)
    tail = stream.read()
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or at + 22 > len(tail):
        return 0, 0
    count, length = struct.unpack_from("<HI", tail, at + 10)
    if tail[at - 20 : at - 16] == b"PK\x06\x07" and at >= 20:
        (where,) = struct.unpack_from("<Q", tail, at - 12)
        if where + 56 <= size:
            stream.seek(where)
            large = stream.read(56)
            if large.startswith(b"PK\x06\x06"):
                count, length = struct.unpack_from("<QQ", large, 32)
    return count, min(length, size)


def _extract(file: Path, members: list[zipfile.ZipInfo], share: Share) -> Contents:
    folder = _folder()
    size = sum(m.file_size for m in members)
    if size > shutil.disk_usage(folder).free - _SPARE:
        raise InputError(
            Message("an archive of {size:.1f} GiB, for which there is no room on the disk", size=size / 2**30)
        )
    unpacked = Contents()
    numbers = renaming.Numbers(folder)
    began = time.monotonic()
    with zipfile.ZipFile(file) as archive:
        for member in members:
            inside = _inside(member.filename)
            path = numbers.path(inside)
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                _one(archive, member, path, share, began)
            except TooMuch:
                raise
            except OSError as error:
                if error.errno is not None:  # the disk's fault; bzip2 raises it without a number
                    raise
                unpacked.broken[str(inside)] = Message("damaged in its archive")
            except Exception as error:  # noqa: BLE001 - zipfile and what it unpacks with raise anything
                unpacked.broken[str(inside)] = _why(error, member)
            else:
                unpacked[path] = str(inside)
            if str(inside) in unpacked.broken:
                path.unlink(missing_ok=True)
    share.seconds += time.monotonic() - began
    if not unpacked:
        raise InputError(Message("damaged archive: {next}", next=next(iter(unpacked.broken.values()))))
    numbers.rewrite_headers(unpacked)
    return unpacked


def _one(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path, share: Share, began: float) -> None:
    with path.open("xb") as sink:
        for part in unzipping.pieces(archive, member):
            sink.write(part)
            share.spent(began)


def _why(error: Exception, member: zipfile.ZipInfo) -> str:
    """Why a file could not be unpacked, never in words that quote its name."""
    if member.flag_bits & _ENCRYPTED:
        return Message("encrypted in its archive")
    if isinstance(error, NotImplementedError):
        return Message("packed in a way that this program does not know")
    return Message("damaged in its archive")


def _inside(name: str) -> PurePosixPath:
    """A member's path as it may be shown: relative, one line, of sensible length."""
    parts = [one_line(p, 120) for p in name.replace("\\", "/").split("/") if p not in ("", ".", "..")]
    kept = [p for p in parts if p] or ["file"]
    while len(kept) > 1 and sum(map(len, kept)) > _LONGEST_PATH:
        del kept[0]
    return PurePosixPath(*kept)


# ------------------------------------------------------------------------------------------------- temporary folders


def remove_abandoned() -> None:
    """Remove what killed processes of this user had unpacked: it holds patients' images. May take its time."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):  # in use, or another process was quicker
            about = folder.lstat()
            mine = stat.S_ISDIR(about.st_mode) and (not hasattr(os, "getuid") or about.st_uid == os.getuid())
            locked = (folder / _LOCK).exists()
            if mine and (locked or time.time() - about.st_mtime > _YOUNG_SECONDS):
                with atomic.locked(folder / _LOCK, wait=0):
                    _empty(folder)
                shutil.rmtree(folder, ignore_errors=True)


def _empty(folder: Path) -> None:
    """Remove everything but the lock, which a system may not let go while it is held."""
    for entry in os.scandir(folder):
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path, ignore_errors=True)
        elif entry.name != _LOCK:
            Path(entry.path).unlink(missing_ok=True)


def remove_abandoned_later() -> None:
    """`remove_abandoned` on a thread that nobody waits for."""
    background.start("abandoned archives", remove_abandoned)


def _folder() -> Path:
    """A new folder of this process, locked and removed at its end."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
        held = contextlib.ExitStack()
        held.callback(shutil.rmtree, folder, ignore_errors=True)  # after the lock is let go, as Windows wants it
        try:
            held.enter_context(atomic.locked(folder / _LOCK))
        except atomic.LockedError:  # another start took it for abandoned in that moment
            held.close()
            continue
        except OSError:  # a disk without locks: its age has to do
            (folder / _LOCK).unlink(missing_ok=True)
        else:
            if not (folder / _LOCK).exists():  # likewise
                held.close()
                continue
        atexit.register(held.close)
        return folder
