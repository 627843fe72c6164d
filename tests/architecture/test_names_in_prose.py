"""Modules and what is in them are called in docstrings and documents by the names that they have."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_NAME = re.compile(r"`((?:cadviewer|trainers|gui|imaging|models|store|inference|batch|risk|phantoms)(?:\.\w+)+)`")
_FILES = {"json", "jsonl", "csv", "py", "md", "toml"}


def _modules() -> dict[str, str]:
    """Dotted name → source."""
    found = {}
    for root in ("cadviewer", "trainers"):
        for file in (ROOT / root).rglob("*.py"):
            name = ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
            found[name] = file.read_text(encoding="utf-8")
    return found


MODULES = _modules()


def _is_there(name: str) -> bool:
    """Whether a name is a module, or something that is spelled in one; `cadviewer.` may be left out."""
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        module = ".".join(parts[:count])
        source = MODULES.get(module, MODULES.get(f"cadviewer.{module}"))
        if source is not None:
            return count == len(parts) or re.search(rf"\b{parts[count]}\b", source) is not None
    return False


def _prose() -> Iterator[tuple[str, str]]:
    files = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
    files += [file for root in ("cadviewer", "trainers", "tests") for file in (ROOT / root).rglob("*.py")]
    for file in files:
        if file.name not in ("CHANGELOG.md", Path(__file__).name):
            for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
                yield f"{file.relative_to(ROOT)}:{number}", line


def test_every_module_that_prose_names_is_there() -> None:
    named = [(place, name) for place, line in _prose() for name in _NAME.findall(line)]
    assert len(named) > 200
    stale = [f"{place}: {name}" for place, name in named if name.split(".")[-1] not in _FILES and not _is_there(name)]
    assert stale == []
