"""Fonts of the PDF: DejaVu Sans, which ships, and what the computer has for scripts that it does not cover."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from cadviewer import paths

FOLDER = paths.resources() / "fonts"
REGULAR, BOLD = FOLDER / "DejaVuSans.ttf", FOLDER / "DejaVuSans-Bold.ttf"
_PREFERRED = ("noto", "wqy", "droid", "msyh", "simsun", "yugoth", "meiryo", "malgun", "nirmala", "leelaw", "arial")
"""Parts of names of fonts with many characters, looked into first."""


def missing(text: str, covered: frozenset[int]) -> frozenset[str]:
    """Characters of a text that a font does not have; blanks and controls are nothing to be shown."""
    return frozenset(c for c in text if ord(c) not in covered and c.isprintable() and not c.isspace())


@lru_cache(maxsize=8)
def characters(path: Path) -> frozenset[int]:
    """The code points that a font has; none where it cannot be read."""
    from fontTools.ttLib import TTFont, TTLibError

    try:
        with TTFont(path, fontNumber=0, lazy=True) as font:
            return frozenset(font.getBestCmap() or ())
    except (TTLibError, OSError, KeyError, ValueError, AssertionError, AttributeError):
        return frozenset()


@lru_cache(maxsize=64)
def substitutes(wanted: frozenset[str]) -> tuple[tuple[Path, ...], frozenset[str]]:
    """Fonts of this computer that have characters, and the characters that none of them has.

    Where there are such, every font is looked into: that takes seconds, once.
    """
    left, found = set(wanted), []
    for path in _installed() if wanted else ():
        has = characters(path)
        covered = {c for c in left if ord(c) in has}
        if covered:
            found.append(path)
            left -= covered
        if not left:
            break
    return tuple(found), frozenset(left)


@lru_cache(maxsize=1)
def _installed() -> tuple[Path, ...]:
    """TrueType and OpenType fonts, those that cover much first."""

    def rank(path: Path) -> tuple[int, str]:
        name = path.name.lower()
        return next((k for k, part in enumerate(_PREFERRED) if part in name), len(_PREFERRED)), name

    return tuple(sorted(set(_files()), key=rank))


def _files() -> Iterator[Path]:
    for folder in _folders():
        for root, _, names in os.walk(folder):
            yield from (Path(root, name) for name in names if name.lower().endswith((".ttf", ".otf", ".ttc")))


def _folders() -> list[Path]:
    home = Path.home()
    if sys.platform == "win32":
        return [Path(os.environ.get("WINDIR", "C:/Windows")) / "Fonts"]
    if sys.platform == "darwin":
        return [Path("/System/Library/Fonts"), Path("/Library/Fonts"), home / "Library/Fonts"]
    return [Path("/usr/share/fonts"), Path("/usr/local/share/fonts"), home / ".local/share/fonts", home / ".fonts"]
