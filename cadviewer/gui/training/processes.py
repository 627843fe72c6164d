"""Whether a process that another program may have started still runs, told without starting one. No Qt."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

SYNCHRONIZE = 0x00100000
ACCESS_DENIED = 5
STILL_RUNNING = 0x102  # WAIT_TIMEOUT


def alive(pid: int) -> bool:
    """Whether a process of that number runs, whoever's it is. A number may have gone to another process meanwhile."""
    if pid <= 0:
        return False
    if sys.platform == "win32":
        import ctypes

        kernel = ctypes.WinDLL("kernel32", use_last_error=True)
        kernel.OpenProcess.restype = ctypes.c_void_p  # a handle has 64 bits
        kernel.WaitForSingleObject.argtypes = (ctypes.c_void_p, ctypes.c_uint32)
        kernel.CloseHandle.argtypes = (ctypes.c_void_p,)
        return alive_on_windows(pid, kernel, ctypes.get_last_error)
    try:
        os.kill(pid, 0)  # which on Windows would end it
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def alive_on_windows(pid: int, kernel: Any, last_error: Callable[[], int]) -> bool:
    """By the functions of kernel32 (Microsoft Learn, processthreadsapi.h and synchapi.h).

    A process object outlives its process while somebody holds a handle of it, so opening it is not enough: it is waited
    for, zero milliseconds long.
    """
    if pid >= 2**32:
        return False
    handle = kernel.OpenProcess(SYNCHRONIZE, False, pid)
    if not handle:
        return last_error() == ACCESS_DENIED  # another user's
    try:
        return bool(kernel.WaitForSingleObject(handle, 0) == STILL_RUNNING)
    finally:
        kernel.CloseHandle(handle)
