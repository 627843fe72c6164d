"""What is written for keeps is whole or not there."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

from cadviewer import atomic

ROOT = Path(atomic.__file__).resolve().parents[1]
NOT_FOR_KEEPS = {
    "cadviewer/imaging/archives.py": "copies in a temporary folder",
    "cadviewer/imaging/renaming.py": "copies in a temporary folder",
    "cadviewer/phantoms/files.py": "the demo study, made anew each time",
    "cadviewer/store/image_files.py": "pictures and films that get their name when they are whole",
    "cadviewer/atomic.py": "where it is done",
}


def test_a_text_that_breaks_off_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    with atomic.text(path) as stream:
        csv.writer(stream).writerow(("größe", 1))
    assert path.read_bytes() == "größe,1\r\n".encode()

    def breaks_off() -> None:
        with atomic.text(path) as stream:
            csv.writer(stream).writerow(("half",))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        breaks_off()
    assert path.read_bytes() == "größe,1\r\n".encode()
    assert list(tmp_path.iterdir()) == [path]


def test_no_module_writes_a_file_by_itself() -> None:
    itself = re.compile(
        r"""\.open\("[wx]|\bopen\([^)]*["'][wx]b?["']|(?<!atomic)\.write_(text|bytes)\(|savefig\((?!stream)"""
    )
    found = {
        str(path.relative_to(ROOT))
        for part in ("cadviewer", "trainers")
        for path in (ROOT / part).rglob("*.py")
        if itself.search(path.read_text(encoding="utf-8").replace("open(os.devnull", ""))
    }
    assert found - NOT_FOR_KEEPS.keys() == set()
