"""Where things lie on disk: shipped resources, user data, and nothing else.

Every other module asks here, so that a source checkout, an installed wheel and a frozen program differ in one place.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import platformdirs

_PACKAGE = Path(__file__).resolve().parent


def resources() -> Path:
    """Folder of icons, styles, translations, weights and model cards that ship with the program."""
    shipped = _PACKAGE / "resources"  # an installed wheel
    return shipped if shipped.is_dir() else _PACKAGE.parent / "resources"  # a source checkout


def user_data() -> Path:
    """Folder for journals and the user's own weights; `CADVIEWER_HOME` replaces the platform's."""
    home = os.environ.get("CADVIEWER_HOME")
    return Path(home) / "data" if home else Path(platformdirs.user_data_dir("cadviewer", appauthor=False))


def user_config() -> Path:
    """Folder for settings; `CADVIEWER_HOME` replaces the platform's."""
    home = os.environ.get("CADVIEWER_HOME")
    return Path(home) / "config" if home else Path(platformdirs.user_config_dir("cadviewer", appauthor=False))


def shipped_weights() -> Path:
    """Folder of the models that ship with the program."""
    return resources() / "weights"


def own_weights() -> Path:
    """Folder of the user's own models; it need not be there."""
    return user_data() / "weights"


def weights_folders() -> tuple[Path, ...]:
    """Folders searched for model cards and weights; a card in an earlier one hides a later one of the same name."""
    return (shipped_weights(), own_weights())


def program() -> list[str]:
    """The command that starts this program again, for its other roles (`--train`); one executable when frozen."""
    return [sys.executable] if getattr(sys, "frozen", False) else [sys.executable, "-m", "cadviewer"]
