"""Running a batch with the fake worker, and reading what it wrote. `python batching.py INPUT OUT MODE` runs one."""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cadviewer import batch, paths
from cadviewer.batch import BatchEvent, Existing, Options, Summary
from cadviewer.inference.engine import Engine

Rows = list[dict[str, str]]


def annotate(
    inputs: list[Path],
    out: Path,
    on_event: Callable[[BatchEvent], None] = lambda event: None,
    cancelled: Callable[[], bool] = lambda: False,
    **options: Any,
) -> Summary:
    """`batch.run` with an engine whose worker knows no torch."""
    return batch.run(
        inputs,
        out,
        Options(**options),
        on_event,
        cancelled,
        make_engine=lambda hear: Engine(hear, worker="fake_worker"),
    )


def tables(out: Path) -> dict[str, Rows]:
    """Rows of the four tables."""
    found = {}
    for name in ("nodules", "breast", "cases", "errors"):
        with (out / f"{name}.csv").open(newline="", encoding="utf-8") as stream:
            found[name] = list(csv.DictReader(stream))
    return found


def without_times(rows: Rows) -> Rows:
    return [{k: v for k, v in row.items() if not k.startswith("seconds")} for row in rows]


if __name__ == "__main__":
    paths.weights_folders = lambda: (paths.user_data() / "weights",)  # as in the fixture: nothing of what ships
    annotate([Path(sys.argv[1])], Path(sys.argv[2]), existing=Existing(sys.argv[3]))
