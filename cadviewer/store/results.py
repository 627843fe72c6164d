"""The folder that a batch writes into: which cases are finished, kept so that a killed run can go on.

`.cadviewer/journal.jsonl` in the folder holds the options of the run and one record per finished case with its rows.
A case's own files are written before its record, the tables are put together from the records: at any moment the
folder can be gone on with, and the tables are the same however often the run was killed.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from cadviewer import atomic
from cadviewer.imaging.series import UNTOLD, Volume
from cadviewer.messages import Message, joined
from cadviewer.store import session
from cadviewer.store.case_report import CaseReport, CaseState, one_line, path_text
from cadviewer.store.export import FORMATS, ExportError, Format, Run, load, pictures, tables
from cadviewer.store.journal import Journal, JournalError, Record

STATE = ".cadviewer"
"""Folder of the run's own state inside the results folder."""

_OWN = re.compile(r"[0-9a-f]{16}(-\d{4,})?\.\w{1,8}")


class ResultsError(Exception):
    """The results folder cannot be used this way; the message says what to do instead."""


class ExistingResultsError(ResultsError):
    """The folder holds results that must be gone on with, if that is possible, or be replaced."""


class Existing(StrEnum):
    """What to do with results that are already in the folder."""

    KEEP_OUT = "keep out"  # refuse to touch them
    RESUME = "resume"
    OVERWRITE = "overwrite"


@dataclass(frozen=True)
class FinishedCase:
    """A case in the journal. fingerprint: of its files when it was done. rows: by table, as they are written.

    path: where its images were, absolute; key: of its journal of answers (`session.case_key`), "" for none.
    """

    case: str
    state: CaseState
    fingerprint: str
    rows: Mapping[str, Sequence[Sequence[str]]]
    path: str = ""
    key: str = ""

    @property
    def row(self) -> dict[str, str]:
        """The case's row of cases.csv, by column."""
        return dict(zip(tables.COLUMNS["cases"], self.rows["cases"][0], strict=True))

    @property
    def findings(self) -> tuple[dict[str, str], ...]:
        """The rows of its nodules or breast images, by column."""
        return (*self.findings_of("nodules"), *self.findings_of("breast"))

    def findings_of(self, table: str) -> tuple[dict[str, str], ...]:
        """Its rows of a table, by column."""
        return tuple(dict(zip(tables.COLUMNS[table], row, strict=True)) for row in self.rows[table])

    @property
    def undecided(self) -> bool:
        """Whether it was read and refused because its header and content do not say what it is for."""
        row = self.row
        read = row["seconds_load"] != ""
        return self.state is CaseState.REFUSED and read and not row["task"] and row["modality"] in UNTOLD


class ResultsFolder:
    """A results folder held open by one run. Made by `opened` alone."""

    def __init__(
        self,
        folder: Path,
        formats: Sequence[str],
        journal: Journal,
        finished: dict[str, FinishedCase],
        options: Mapping[str, Any],
        held: Callable[[], bool],
    ) -> None:
        """held: whether the lock file is still where it was made."""
        self.folder, self._options = folder, options
        self._held = held
        self.finished = finished
        self._formats: dict[str, Format] = {name: load(name) for name in formats}
        self._journal = journal

    def has(self, case: str, fingerprint: str) -> bool:
        """Whether a case need not be done again: it is finished, did not fail, and its files are as they were."""
        found = self.finished.get(case)
        return found is not None and found.state is not CaseState.FAILED and found.fingerprint == fingerprint

    def add(self, report: CaseReport, volume: Volume | None, fingerprint: str) -> None:
        """Write a case's files, then its record; it is finished when this returns.

        A format that cannot hold the case is left out, and the case's reason and errors.csv say so: the other formats
        are written all the same. Raises OSError, JournalError; the case is then not finished.
        """
        self._check()
        if report.case in self.finished:  # done before, and perhaps with a mask that there is none of now
            self._remove({report.case})
        pictures.write_masks(report, self.folder)
        faults: list[str] = []
        for name, each in self._formats.items():
            if each.write_case is None:
                continue
            try:
                each.write_case(report, volume, self.folder / each.folder)
            except ExportError as error:
                faults.append(Message("{format} was not written: {reason}", format=name, reason=error))
        if faults:
            report = replace(report, reason=joined("; ", [*([report.reason] if report.reason else []), *faults]))
        rows = tables.rows(report)
        rows["errors"] += [(path_text(report.source), one_line(fault)) for fault in faults]
        done = FinishedCase(report.case, report.state, fingerprint, rows, os.path.abspath(report.source), _key(report))
        self._journal.append({"type": "case", **vars(done), "state": report.state.value})
        self.finished[report.case] = done

    def forget(self, case: str) -> None:
        """A case is none any more: what was taken for damaged belongs to another one. Raises OSError, JournalError."""
        self._check()
        self._journal.append({"type": "forgotten", "case": case})
        self._remove({case})
        del self.finished[case]

    def write_tables(self, cases: Collection[str] | None = None) -> None:
        """Put the tables together from the finished cases, or from those named. Raises OSError.

        Where cases are named, the files of others go: their inputs are no longer there.
        """
        self._check()
        if cases is not None:
            self._remove(self.finished.keys() - set(cases))
        chosen = [f.rows for c, f in sorted(self.finished.items()) if cases is None or c in cases]
        run = Run(chosen, self._options)
        for each in self._formats.values():
            if each.write_tables is not None:
                each.write_tables(run, self.folder)

    def _check(self) -> None:
        """Raises OSError when what was written is no longer there: writing on would make a folder of the rest alone."""
        if not self._held() or not self._journal.path.is_file():
            raise OSError("the output folder was removed while the run was writing into it")

    def _remove(self, cases: Collection[str]) -> None:
        """Delete the files of some cases."""
        for path in _case_files(self.folder) if cases else ():
            if path.stem.partition("-")[0] in cases:
                path.unlink(missing_ok=True)


@contextlib.contextmanager
def opened(
    folder: Path, options: Mapping[str, Any], formats: Sequence[str], existing: Existing
) -> Iterator[ResultsFolder]:
    """Hold a results folder for one run.

    options: JSON values; a run goes on only with the options that it began with.
    Raises ResultsError when it holds results and `existing` does not say what to do, when the options differ, when
    another run is writing there, or when it cannot be written to.
    """
    with contextlib.ExitStack() as stack:
        try:
            results = _open(stack, folder, options, formats, existing)
        except atomic.LockedError:
            raise ResultsError(Message("another run is writing into the output folder")) from None
        except (OSError, JournalError) as error:
            reason = getattr(error, "strerror", None) or error
            raise ResultsError(Message("the output folder cannot be used: {reason}", reason=reason)) from error
        yield results


def _open(
    stack: contextlib.ExitStack, folder: Path, options: Mapping[str, Any], formats: Sequence[str], existing: Existing
) -> ResultsFolder:
    if existing is Existing.KEEP_OUT and holds_results(folder):
        raise ExistingResultsError(
            Message("the output folder already holds results; say whether to go on with them or to replace them")
        )
    state = folder / STATE
    state.mkdir(parents=True, exist_ok=True)
    held = stack.enter_context(atomic.locked(state / "lock", wait=0))
    for place in (folder, state, *(folder / name for name in _folders())):
        atomic.remove_temporaries(place)
    if existing is Existing.OVERWRITE:
        clear(folder)
    journal = Journal(state / "journal.jsonl")
    return ResultsFolder(folder, formats, journal, _go_on(folder, journal, options), options, held)


def holds_results(folder: Path) -> bool:
    """Whether there is anything in a folder that a run would have to go on with or replace."""
    if any((folder / name).exists() for name in _tables()):
        return True
    return (folder / STATE / "journal.jsonl").exists() or any(True for _ in _case_files(folder))


def is_own(path: Path, folder: Path) -> bool:
    """Whether a path inside a results folder (both resolved) is one that a run writes."""
    try:
        parts = path.relative_to(folder).parts
    except ValueError:
        return False
    if not parts:
        return False
    if parts[0] == STATE:
        return True
    if len(parts) == 1:
        ours = _tables().get(parts[0])
        return (ours is not None and ours(path)) or parts[0].endswith(atomic.TEMPORARY)
    return len(parts) == 2 and parts[0] in _folders() and _OWN.fullmatch(parts[1]) is not None


def clear(folder: Path) -> None:
    """Remove what a run wrote there and nothing else. Raises ResultsError for a table that is not one of ours."""
    for name, is_ours in _tables().items():
        if (folder / name).exists() and not is_ours(folder / name):
            raise ResultsError(
                Message("{name} in the output folder was not made by this program; it is left as it is", name=name)
            )
    # The journal last: until then the folder is known as one of ours.
    for path in [*_case_files(folder), *(folder / name for name in _tables())]:
        path.unlink(missing_ok=True)
    for name in _folders():
        with contextlib.suppress(OSError):  # not empty: it holds somebody else's files
            (folder / name).rmdir()
    (folder / STATE / "journal.jsonl").unlink(missing_ok=True)


def fingerprint(files: Sequence[Path]) -> str:
    """Changes when one of the files does (size or time of change); "" for none, "?" where one cannot be looked at."""
    digest = hashlib.sha256()
    try:
        for file in files:
            status = os.stat(file)
            digest.update(f"{status.st_size} {status.st_mtime_ns}\n".encode())
    except OSError:
        return "?"
    return digest.hexdigest()[:16] if files else ""


def _tables() -> dict[str, Callable[[Path], bool]]:
    """Names of what is made of all cases, by any format, each with what tells whether such a file is ours."""
    return {name: form.is_ours for form in map(load, FORMATS) for name in form.tables}


def _folders() -> set[str]:
    """Where files per case can lie: the masks, and the folder of each format."""
    return {"masks"} | {own for name in FORMATS if (own := load(name).folder)}


def _case_files(folder: Path) -> Iterator[Path]:
    for name in _folders():
        place = folder / name
        if place.is_dir():
            yield from (p for p in sorted(place.iterdir()) if _OWN.fullmatch(p.name))


def _go_on(folder: Path, journal: Journal, options: Mapping[str, Any]) -> dict[str, FinishedCase]:
    """The cases that are finished already; begins the journal where there is none."""
    content, _ = journal.repair()
    if not content.records:
        if holds_results(folder) and journal.path.exists() and content.damaged:
            raise ExistingResultsError(
                Message("the state of the earlier run is damaged; its results can only be replaced")
            )
        if any((folder / name).exists() for name in _tables()) or any(True for _ in _case_files(folder)):
            raise ExistingResultsError(
                Message("the results there have no state to go on from; they can only be replaced")
            )
        journal.append({"type": "options", "options": dict(options)})
        return {}
    first = content.records[0]
    if first.get("type") != "options":
        raise ExistingResultsError(Message("the state of the earlier run is damaged; its results can only be replaced"))
    _same_options(first["options"], options)
    return finished_cases(content.records[1:])


def _key(report: CaseReport) -> str:
    """Names the answers of readers on a case; "" where it has no images, or these cannot be looked at any more."""
    if report.series is None or report.state is not CaseState.DONE:
        return ""
    try:
        return session.case_key(report.series)
    except OSError:
        return ""


def _same_options(before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    for name in sorted(set(before) | set(now)):
        if before.get(name) != now.get(name):
            if name == "inputs":  # paths can hold patient names: they are kept as a hash and never shown
                raise ExistingResultsError(
                    Message("the results there were made from other inputs; they can only be replaced")
                )
            was, is_ = _shown(before.get(name)), _shown(now.get(name))
            raise ExistingResultsError(
                Message(
                    "the results there were made with {option} {was}, not {now}; go on with the same options, "
                    "or replace them",
                    option=name.lstrip("-"),
                    was=was,
                    now=is_,
                )
            )


def _shown(value: Any) -> str:
    return "unset" if value is None else str(value)


def finished_cases(records: Iterable[Record]) -> dict[str, FinishedCase]:
    """The cases that the records of a run's journal tell of, by name."""
    found: dict[str, FinishedCase] = {}
    for record in records:
        if record.get("type") == "forgotten":
            found.pop(str(record.get("case")), None)
        elif (case := _finished(record)) is not None:
            found[case.case] = case
    return found


def _finished(record: Record) -> FinishedCase | None:
    try:
        rows = {table: record["rows"][table] for table in tables.COLUMNS}
        path, key = str(record.get("path", "")), str(record.get("key", ""))
        return FinishedCase(record["case"], CaseState(record["state"]), record["fingerprint"], rows, path, key)
    except (KeyError, ValueError, TypeError):
        return None
