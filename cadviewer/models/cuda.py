"""Whether there is an NVIDIA card, and what computes on it. Without importing torch, which takes seconds."""

from __future__ import annotations

import ctypes
import functools
import importlib.util
import sys

COMMAND = 'pip install "cadviewer[cuda]"'
"""What brings torch, for whoever has a card."""


@functools.cache
def cards() -> int:
    """How many NVIDIA cards the driver sees; 0 without one.

    Asks the driver itself: CUDA Driver API, `cuInit` and `cuDeviceGetCount`.
    """
    try:
        driver = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
        count = ctypes.c_int(0)
        if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
            return 0
        return count.value
    except (OSError, AttributeError):
        return 0


def torch_installed() -> bool:
    """Whether torch and what the networks need beside it (the extra "cuda") can be imported, without doing so."""
    try:
        return all(importlib.util.find_spec(name) is not None for name in ("torch", "torchvision", "timm"))
    except ValueError:  # something that stands for it, without a specification
        return False
