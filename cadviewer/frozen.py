"""What is different in the frozen program (PyInstaller) beside where things lie, which `paths` knows."""

from __future__ import annotations

import os
import sys
from collections.abc import MutableMapping

_OWN_LIBRARIES = ("LD_LIBRARY_PATH", "QT_PLUGIN_PATH", "QML2_IMPORT_PATH")
_BEFORE = "_ORIG"
"""Ending of the variable in which PyInstaller keeps what one of them was."""


def give_back_environment(environment: MutableMapping[str, str] = os.environ) -> None:
    """Let programs that this one starts (a browser for a link) find their own libraries and not ours.

    Needed once the window's application is made: Qt has read them by then, and this program started again sets them
    again. Does nothing where the program is not frozen.
    """
    if not getattr(sys, "frozen", False):
        return
    for name in _OWN_LIBRARIES:
        before = environment.pop(name + _BEFORE, None)
        environment.pop(name, None)
        if before:
            environment[name] = before
