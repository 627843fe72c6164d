"""Pixels that the window's process and the worker both see, so that nothing is copied on its way to a model.

The window's process makes and removes the memory; the worker only looks. Where shared memory is too small for the
pixels (containers give /dev/shm 64 MiB, and writing beyond that ends a program with SIGBUS) a mapped file takes its
place. The room is reserved before the first write, so running out is an error with a reason, never a signal.
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import mmap
import os
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Iterator
from math import prod
from multiprocessing import resource_tracker
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cadviewer.imaging.series import InputError
from cadviewer.inference.protocol import SharedArray
from cadviewer.messages import Message

if sys.platform != "win32":
    import fcntl

SHM_FOLDER = Path("/dev/shm")
_PREFIX = "cadviewer-"
_YOUNG_SECONDS = 10.0
"""So long after its creation a file without a lock may still be about to get one."""


class SharedPixels:
    """One array in shared memory, owned by the process that makes this object.

    `allocate` is an `imaging.files.Allocate`: hand it to `files.read` and the pixels are decoded into place. `close`
    when the job's last event has come (or the case is left and its jobs are cancelled): the memory is gone from the
    system then, and from this process when the last view of the array is. On Windows the memory lives as long as a
    process holds it, which is why the owner keeps it until `close` and not until the array is written.
    """

    def __init__(self, folder: Path | None = None) -> None:
        """`folder`: for mapped files, None for the system's own folder of temporary files."""
        self._folder = folder
        self._backing: _Segment | _MappedFile | None = None
        self._handle: SharedArray | None = None
        _owners.add(self)

    def allocate(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
        """A writable C-ordered array of zeros. What an earlier call gave is let go.

        Raises InputError when there is no room for it.
        """
        self.close()
        dtype = np.dtype(dtype)
        size = prod(shape) * dtype.itemsize
        if size <= 0 or dtype.hasobject:
            raise ValueError(f"shared pixels need at least one value of a plain type, not {shape} of {dtype}")
        self._backing = _segment(size) or _mapped_file(size, self._folder)
        self._handle = SharedArray(self._backing.name, tuple(shape), dtype.str, isinstance(self._backing, _MappedFile))
        return np.frombuffer(self._backing.buffer(), dtype, prod(shape)).reshape(shape)

    @property
    def handle(self) -> SharedArray:
        """What a Job carries. Raises ValueError before `allocate` and after `close`."""
        if self._handle is None:
            raise ValueError("no pixels are allocated")
        return self._handle

    def close(self) -> None:
        """Remove the memory from the system. Arrays that are still alive stay valid. May be called again."""
        backing, self._backing, self._handle = self._backing, None, None
        if backing is not None:
            _close(backing)

    def __enter__(self) -> SharedPixels:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()


@contextlib.contextmanager
def attach(handle: SharedArray) -> Iterator[NDArray[Any]]:
    """The array of a handle, read-only, in another process than its owner's.

    Raises InputError when the owner has let it go, MemoryError when this process has no room for it.
    """
    try:
        backing = _OpenedFile(handle.name) if handle.mapped else _Attached(handle.name)
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno == errno.ENOMEM:
            raise MemoryError from error
        raise InputError(Message("the pixels are no longer in memory")) from error
    dtype = np.dtype(handle.dtype)
    array = np.frombuffer(backing.buffer(), dtype, prod(handle.shape)).reshape(handle.shape)
    array.flags.writeable = False
    try:
        yield array
    finally:
        del array
        _close(backing)


# ---------------------------------------------------------------------------------------------------- kinds of memory


class _QuietMemory(SharedMemory):
    """Without a complaint on stderr when the program ends with a view still alive."""

    def __del__(self) -> None:
        with contextlib.suppress(OSError, BufferError):
            self.close()


class _Locked:
    """Something with a file that stays locked as long as its owner lives."""

    _lock: int | None = None

    def _unlock(self) -> None:
        descriptor, self._lock = self._lock, None
        if descriptor is not None:
            os.close(descriptor)


class _Segment(_Locked):
    """A named segment of shared memory that this process made and removes."""

    def __init__(self, size: int) -> None:
        # Short, since macOS allows 30 characters.
        self._memory: SharedMemory | None = _QuietMemory(_PREFIX + os.urandom(6).hex(), create=True, size=size)
        self.name = self._memory.name
        try:
            self._lock = _reserve(SHM_FOLDER / self.name, size)
        except OSError:
            self.unlink()
            self.release()
            raise

    def buffer(self) -> memoryview:
        assert self._memory is not None
        assert self._memory.buf is not None
        return self._memory.buf

    def unlink(self) -> None:
        if self._memory is not None:
            with contextlib.suppress(FileNotFoundError):  # somebody cleaned /dev/shm
                self._memory.unlink()

    def release(self) -> None:
        """Give the mapping back. Raises BufferError while an array of it is alive."""
        if self._memory is not None:
            self._memory.close()
            self._memory = None
        self._unlock()


class _Attached(_Segment):
    """A segment that another process made."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._memory = _attach_untracked(name)

    def unlink(self) -> None:
        pass


class _MappedFile(_Locked):
    """A file of this process's own, mapped; removed when it is closed, or by the next start after a crash."""

    def __init__(self, path: Path, size: int) -> None:
        self.name = str(path)
        self._map: mmap.mmap | None = None
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
        try:
            os.ftruncate(descriptor, size)
            self._lock = _reserve(path, size)
            self._map = mmap.mmap(descriptor, size)
        except OSError:
            self.unlink()
            self._unlock()
            raise
        finally:
            os.close(descriptor)

    def buffer(self) -> memoryview:
        assert self._map is not None
        return memoryview(self._map)

    def unlink(self) -> None:
        Path(self.name).unlink(missing_ok=True)

    def release(self) -> None:
        """Give the mapping back. Raises BufferError while an array of it is alive."""
        if self._map is not None:
            self._map.close()
            self._map = None
        self._unlock()


class _OpenedFile(_MappedFile):
    """A mapped file that another process made."""

    def __init__(self, name: str) -> None:
        self.name = name
        with open(name, "rb") as stream:
            self._map = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)

    def unlink(self) -> None:
        pass


def _segment(size: int) -> _Segment | None:
    """Shared memory, or None where there is not enough of it."""
    with contextlib.suppress(OSError):
        remove_abandoned(SHM_FOLDER)
        if SHM_FOLDER.is_dir() and hasattr(os, "statvfs"):
            room = os.statvfs(SHM_FOLDER)
            if room.f_bavail * room.f_frsize < size:
                return None
        return _Segment(size)
    return None


def _mapped_file(size: int, folder: Path | None) -> _MappedFile:
    folder = folder or Path(tempfile.gettempdir())
    remove_abandoned(folder)
    try:
        return _MappedFile(folder / f"{_PREFIX}{os.urandom(6).hex()}", size)
    except (OSError, ValueError) as error:
        raise InputError(Message("there is no room for these pixels ({size:.0f} MiB)", size=size / 2**20)) from error


def _reserve(path: Path, size: int) -> int | None:
    """Make the system find the room now, and lock the file for as long as this process lives.

    The descriptor that holds the lock; None where there is no such file (Windows, macOS). Raises OSError when there is
    no room (Linux alone can say so ahead).
    """
    if sys.platform != "win32" and path.exists():
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH)
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(descriptor, 0, size)
        except OSError:
            os.close(descriptor)
            raise
        return descriptor
    return None


def remove_abandoned(folder: Path) -> None:
    """Remove what a process left that was killed together with its resource tracker: it holds a patient's images.

    A lock ends with the process that holds it, so what can be locked belongs to nobody any more. Windows removes no
    file that is mapped, so there trying is enough.
    """
    for path in folder.glob(f"{_PREFIX}*"):
        if len(path.name) == len(_PREFIX) + 12:
            with contextlib.suppress(OSError):  # in use, another user's, or another process was quicker
                if sys.platform != "win32":
                    if time.time() - path.stat().st_mtime < _YOUNG_SECONDS:
                        continue
                    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
                    try:
                        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    finally:
                        os.close(descriptor)
                path.unlink()


# ------------------------------------------------------------------------------------------------------- closing, late

_parked: list[_Segment | _MappedFile] = []
_lock = threading.RLock()  # a collection of garbage may close another one in the middle
_owners: weakref.WeakSet[SharedPixels] = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    """What is still open when the program ends is removed before the resource tracker calls it a leak."""
    for owner in list(_owners):
        owner.close()


def _close(backing: _Segment | _MappedFile) -> None:
    """Unlink at once; unmap now or, while views of the array are alive, when something else is closed later.

    Only the owner of a mapping can give it back, and a view in a viewport may outlive the case by a frame.
    """
    with contextlib.suppress(PermissionError):  # Windows: a mapped file goes after its mapping
        backing.unlink()
    with _lock:
        _parked.append(backing)
        still = []
        for each in _parked:
            try:
                each.release()
                with contextlib.suppress(OSError):
                    each.unlink()
            except BufferError:
                still.append(each)
        _parked[:] = still


def _attach_untracked(name: str) -> SharedMemory:
    """Open a segment without telling the resource tracker, which would count it as this process's to remove.

    Python 3.13 has a parameter for it; before, opening always registers (python/cpython#82300).
    """
    if sys.version_info >= (3, 13):
        return _QuietMemory(name, track=False)
    register = resource_tracker.register
    resource_tracker.register = lambda *_: None
    try:
        return _QuietMemory(name)
    finally:
        resource_tracker.register = register
