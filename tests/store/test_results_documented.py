"""The page on results names every file and column that there is."""

from __future__ import annotations

from pathlib import Path

import pytest

from cadviewer.store.case_report import CaseState
from cadviewer.store.export import FORMATS, load, tables

PAGE = Path(__file__).resolve().parents[2] / "docs" / "results.md"


@pytest.mark.parametrize("table", tables.COLUMNS)
def test_every_column_is_explained(table: str) -> None:
    text = PAGE.read_text(encoding="utf-8")
    part = text if table == "errors" else text.split(f"## {table}.csv")[1].split("\n## ")[0]
    assert [c for c in tables.COLUMNS[table] if f"`{c}`" not in part] == []


def test_every_format_and_state_is_named() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert [s for s in CaseState if f"`{s.value}`" not in text] == []
    for name in FORMATS:
        form = load(name)
        assert not form.folder or f"`{form.folder}/" in text
        assert name in text
