"""What there is to annotate: everything in the inputs but what this program wrote."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from cadviewer.imaging import files
from cadviewer.imaging.series import Rejected, Series
from cadviewer.store import results


def cases(inputs: Sequence[Path], out: Path, on_file: Callable[[int, int], None]) -> Iterator[Series | Rejected]:
    """What is in the inputs, each file once; an input without an image is refused by a `Rejected` of its own.

    out: the results folder, whose files are no input even where it lies inside one.
    """
    return files.scan(inputs, on_file=on_file, ignore=output_filter(inputs, out))


def output_filter(inputs: Sequence[Path], out: Path) -> Callable[[Path], bool]:
    """Whether a path is output of this program and not input.

    The whole output folder where it lies inside an input; only this program's own files where inputs lie inside it.
    """
    out = out.resolve()
    if any(p.resolve().is_relative_to(out) for p in inputs):
        return lambda path: results.is_own(path.resolve(), out)
    return lambda path: path.resolve().is_relative_to(out)


def files_of(what: Series | Rejected) -> tuple[Path, ...]:
    """The files whose change means that a case must be done again."""
    # The series of a zip is unpacked anew each time: the zip is what stays.
    own = what.files if isinstance(what, Series) and not what.source.is_file() else (what.source,)
    return tuple(f for f in (*own, *what.data_files) if f.is_file())


def count_files(what: Series | Rejected) -> int:
    """How many of the files found belong to a case; none to a folder, or to an input that is not there."""
    if isinstance(what, Series):
        return len(what.files) + len(what.data_files)
    in_archive = any(p.is_file() for p in what.source.parents)
    is_file = os.path.lexists(what.source) and not what.source.is_dir()
    return (1 if is_file or in_archive else 0) + len(what.data_files)
