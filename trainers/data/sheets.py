"""Tables that come with data sets, CSV or XLSX alike: rows of text by column."""

from __future__ import annotations

import csv
from pathlib import Path

from trainers.data.ultrasound.cases import DataError


def rows(path: Path) -> list[dict[str, str]]:
    """The rows of a table by column name, in lower case and without spaces around; empty cells are "".

    XLSX: the first sheet; whole numbers without their ".0". Raises DataError naming the file.
    """
    try:
        lines = _sheet(path) if path.suffix.lower() == ".xlsx" else _csv(path)
    except (OSError, ValueError, KeyError, csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"{path.name}: not a readable table ({type(error).__name__})") from error
    if not lines:
        raise DataError(f"{path.name}: an empty table")
    names = [name.strip().lower() for name in lines[0]]
    return [dict(zip(names, line, strict=False)) for line in lines[1:] if any(line)]


def column(row: dict[str, str], path: Path, *names: str) -> str:
    """The first of some columns that a row has. Raises DataError naming them where it has none."""
    for name in names:
        if name in row:
            return row[name]
    raise DataError(f"{path.name}: no column is called {' or '.join(names)}")


def _csv(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8-sig") as stream:
        return [[cell.strip() for cell in line] for line in csv.reader(stream)]


def _sheet(path: Path) -> list[list[str]]:
    import openpyxl  # only some sets need it

    book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    try:
        return [[_text(cell) for cell in line] for line in book.worksheets[0].iter_rows(values_only=True)]
    finally:
        book.close()


def _text(cell: object) -> str:
    if cell is None:
        return ""
    return str(int(cell)) if isinstance(cell, float) and cell == int(cell) else str(cell).strip()
