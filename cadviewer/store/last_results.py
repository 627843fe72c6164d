"""The last result of each case, kept in the user's data folder, so that a case that is opened again shows it at once.

A result is known by the case (`session.case_key`) and the task. What is kept can be made again from the images: a file
that cannot be read counts as none, and the oldest go when there are too many.
"""

from __future__ import annotations

import contextlib
import io
import json
import zipfile
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from cadviewer import atomic, paths
from cadviewer.findings import Result, Task, resolve
from cadviewer.store.plain import build, plain

SCHEMA = 1
MOST_FILES, MOST_BYTES = 2000, 512 << 20
"""How much is kept; the oldest beyond it are removed."""


@dataclass(frozen=True)
class Last:
    """A result as it was kept. made: UTC, ISO 8601. spacing_mm: the pixel size that the reader had entered, if any."""

    result: Result
    made: str
    spacing_mm: float | None = None


def folder() -> Path:
    """Where the results are."""
    return paths.user_data() / "results"


def keep(key: str, result: Result, spacing_mm: float | None = None) -> Last:
    """Keep the result of a case in place of an earlier one. key: of `session.case_key`. Raises OSError."""
    last = Last(result, datetime.now(UTC).isoformat(timespec="seconds"), spacing_mm)
    arrays: list[np.ndarray[tuple[int, ...], np.dtype[np.generic]]] = []
    text = json.dumps({"v": SCHEMA, "last": plain(last, arrays)}, allow_nan=False).encode()
    content = io.BytesIO()
    named = {f"a{k}": array for k, array in enumerate(arrays)}
    np.savez_compressed(content, json=np.frombuffer(text, np.uint8), **named)  # type: ignore[arg-type]
    atomic.write_bytes(_file(key, result.task), content.getvalue())
    _trim()
    return last


def last(key: str, task: Task) -> Last | None:
    """The last result of a case that was kept; None where there is none, or none that this version can read."""
    try:
        with np.load(_file(key, task), allow_pickle=False) as stored:
            content = json.loads(stored["json"].tobytes())
            if content["v"] != SCHEMA:
                return None
            arrays = [stored[f"a{k}"] for k in range(len(stored.files) - 1)]
        found, held = content["last"], content["last"]["result"].pop("payload", None)
        last = build(Last, found, arrays)
        kind = Task(task).spec.payload
        if held is None or not kind:
            return last
        return replace(last, result=replace(last.result, payload=build(resolve(kind), held, arrays)))
    except (OSError, EOFError, ValueError, KeyError, TypeError, IndexError, AttributeError, zipfile.BadZipFile):
        return None


def _file(key: str, task: Task) -> Path:
    if not key or not key.isalnum():
        raise ValueError(f"a case key is letters and digits, not {key!r}")
    return folder() / f"{key}-{task.value}.npz"


def _trim() -> None:
    """Remove the oldest beyond what is kept."""
    found = []
    for path in folder().glob("*.npz"):
        with contextlib.suppress(OSError):  # another window removed it
            status = path.stat()
            found.append((status.st_mtime, status.st_size, path))
    total = 0
    for number, (_, size, path) in enumerate(sorted(found, reverse=True), start=1):
        total += size
        if number > MOST_FILES or total > MOST_BYTES:
            with contextlib.suppress(OSError):
                path.unlink()
