"""What a reader decides about a case: a journal of its own for each case, in the user's data folder.

Nothing is ever written beside the images, and nothing is ever changed in the journal: an undo is one more record.
`Session.record` returns when the record is on the disk; only then may a window show it as done.
"""

from __future__ import annotations

import hashlib
import math
import os
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import cadviewer
from cadviewer import paths
from cadviewer.findings import BreastFinding, Nodule, overlap
from cadviewer.imaging.series import Series
from cadviewer.messages import Message
from cadviewer.store.journal import Journal, JournalError, Record
from cadviewer.store.marks import (
    READER,
    Answer,
    Decision,
    Deleted,
    Drawn,
    DrawnBox,
    DrawnOutline,
    Entered,
    FindingRef,
    KeyImage,
    Mark,
    Measure,
    MeasureKind,
    Note,
    Outlined,
    Paired,
    PixelSize,
    Redone,
    RefKind,
    Undone,
)
from cadviewer.store.plain import build

SCHEMA = 1

__all__ = [
    "READER",
    "Answer",
    "Decision",
    "Deleted",
    "Drawn",
    "DrawnBox",
    "DrawnOutline",
    "Entered",
    "Entry",
    "FindingRef",
    "JournalError",
    "KeyImage",
    "Mark",
    "Measure",
    "MeasureKind",
    "Note",
    "Outlined",
    "Paired",
    "PixelSize",
    "Redone",
    "RefKind",
    "Session",
    "Undone",
    "case_key",
    "folder",
    "reference",
]


_TYPES: Mapping[str, type] = {
    "decision": Decision,
    "measure": Measure,
    "drawn": Drawn,
    "outlined": Outlined,
    "key_image": KeyImage,
    "note": Note,
    "entered": Entered,
    "paired": Paired,
    "pixel_size": PixelSize,
    "deleted": Deleted,
    "undone": Undone,
    "redone": Redone,
}
_NAMES = {kind: name for name, kind in _TYPES.items()}


@dataclass(frozen=True)
class Entry:
    """One record of a journal.

    id: unique among all journals. window: of the window that made it. time: UTC, ISO 8601.
    """

    id: str
    window: str
    time: str
    mark: Mark


def folder() -> Path:
    """Where the journals are."""
    return paths.user_data() / "sessions"


def case_key(series: Series) -> str:
    """Sixteen hexadecimal digits that name a case in the journals, wherever its files are and however they were given.

    Images with UIDs are known by them. Others are known by their resolved path, size, first and last MiB: a file that
    was moved begins a new journal, but a decision never shows up on another image. Raises OSError.
    """
    digest = hashlib.sha256()
    if series.series_uid and all(s.sop_uid for s in series.slices):
        parts = ["uid", series.series_uid, *(f"{s.sop_uid}#{s.frame}" for s in series.slices)]
        digest.update("\0".join(parts).encode("utf-8", "surrogateescape"))
    else:
        for file in series.files:
            digest.update(os.fsencode(file.resolve()) + b"\0")
            with file.open("rb") as stream:
                size = os.fstat(stream.fileno()).st_size
                digest.update(size.to_bytes(8, "big") + stream.read(1 << 20))
                if size > 1 << 20:
                    stream.seek(-min(size - (1 << 20), 1 << 20), os.SEEK_END)
                    digest.update(stream.read())
    return digest.hexdigest()[:16]


def reference(nodule: Nodule, model: str, weights_sha256: str, key: str = "") -> FindingRef:
    """How decisions on a nodule name it. key: of the record that drew it, for one of the reader's."""
    box = nodule.box
    kind = RefKind.READER if model == READER else RefKind.MODEL
    return FindingRef(model, weights_sha256, nodule.number, box.slice, box.x0, box.y0, box.x1, box.y1, kind, key)


def frame_reference(finding: BreastFinding, model: str, weights_sha256: str) -> FindingRef:
    """How decisions on a breast image name it."""
    rows, columns = finding.size
    frame = finding.frame
    return FindingRef(model, weights_sha256, frame + 1, frame, 0, 0, columns, rows, RefKind.FRAME)


class Session:
    """The journal of one case, shared safely by any number of windows and processes.

    problems: one line each that the user must be told: a damaged journal kept aside, records of a newer program.
    Raises JournalError when the journal cannot be read.
    """

    def __init__(self, key: str, *, root: Path | None = None) -> None:
        if not key or not key.isalnum():
            raise ValueError(f"a case key is letters and digits, not {key!r}")
        self._journal = Journal((root or folder()) / f"{key}.jsonl")
        self._window = secrets.token_hex(6)
        self.problems: tuple[str, ...] = ()
        content, kept = self._journal.repair()
        if kept is not None:
            self.problems += (
                Message(
                    "The journal of this case was damaged ({damaged} of its lines); it is kept as {kept}, and "
                    "a new one was begun with the {records} records that could be read.",
                    damaged=len(content.damaged),
                    kept=kept.name,
                    records=len(content.records),
                ),
            )
        unknown = sum(_entry(r) is None for r in content.records)
        if unknown:
            self.problems += (
                Message(
                    "{unknown} records of this case were made by another version and are kept, not shown.",
                    unknown=unknown,
                ),
            )

    @property
    def path(self) -> Path:
        """The journal's file."""
        return self._journal.path

    def record(self, mark: Mark) -> Entry:
        """Make a mark last, then return it as an entry. Raises JournalError: then nothing was decided."""
        return self.record_all(mark)[0]

    def record_all(self, *marks: Mark) -> tuple[Entry, ...]:
        """Make marks last that belong together, written at one go. Raises JournalError: then none of them counts."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        entries = tuple(Entry(secrets.token_hex(8), self._window, now, mark) for mark in marks)
        self._journal.append(*(_record(entry) for entry in entries))
        return entries

    def history(self) -> tuple[Entry, ...]:
        """Every record that this version understands, of all windows, in the order of writing."""
        return tuple(e for r in self._journal.read().records if (e := _entry(r)) is not None)

    def entries(self) -> tuple[Entry, ...]:
        """The marks that count now: without what was undone or deleted, and without undo and redo themselves."""
        return effective(self.history())

    def decisions(self) -> dict[FindingRef, Answer]:
        """The last answer on each finding that has one."""
        return decisions(self.entries())

    def answer(self, nodule: Nodule) -> Answer | None:
        """The last answer on the finding at the place of this nodule."""
        return answer_at(self.decisions(), nodule)

    def undo(self, together: Mapping[str, str] = MappingProxyType({})) -> Entry | None:
        """Undo this window's last mark that still counts; returns the entry undone, None when there is none.

        together: ids of marks that are undone and redone as one, a mark's → that of the one made right after it.
        """
        mine = self._mine(self.history())
        if not mine:
            return None
        last = mine[-1:] if len(mine) < 2 or together.get(mine[-2].id) != mine[-1].id else mine[-2:]
        self.record_all(*(Undone(entry.id) for entry in reversed(last)))
        return mine[-1]

    def _mine(self, history: Iterable[Entry]) -> list[Entry]:
        """This window's marks that still count, oldest first."""
        counting = effective(history, deletions=True)
        return [e for e in counting if e.window == self._window and not isinstance(e.mark, Outlined)]

    def can_undo(self, history: Iterable[Entry]) -> bool:
        """Whether `undo` would find something in a history that was just read."""
        return bool(self._mine(history))

    def can_redo(self, history: Iterable[Entry]) -> bool:
        """Whether `redo` would find something in a history that was just read."""
        return self._last_undone(history) is not None

    def redo(self, together: Mapping[str, str] = MappingProxyType({})) -> Entry | None:
        """Redo what this window undid last, unless it made a new mark since; returns the entry redone or None.

        together: as in `undo`.
        """
        target = self._last_undone(self.history())
        if target is not None:
            after = together.get(target.id)
            self.record_all(*(Redone(i) for i in (target.id, after) if i is not None))
        return target

    def _last_undone(self, history: Iterable[Entry]) -> Entry | None:
        undone: list[str] = []
        history = tuple(history)
        for entry in history:
            if entry.window != self._window or isinstance(entry.mark, Outlined):
                continue  # what a model measured is no step of the reader's
            if isinstance(entry.mark, Undone):
                undone.append(entry.mark.target)
            elif isinstance(entry.mark, Redone):
                undone = [t for t in undone if t != entry.mark.target]
            else:
                undone = []
        return next((e for e in history if undone and e.id == undone[-1]), None)


def kept(key: str, *, root: Path | None = None) -> tuple[Entry, ...]:
    """The marks that count in a case's journal, without taking part in it. Raises JournalError."""
    records = Journal((root or folder()) / f"{key}.jsonl").read().records
    return effective(e for r in records if (e := _entry(r)) is not None)


def effective(history: Iterable[Entry], *, deletions: bool = False) -> tuple[Entry, ...]:
    """The entries that count. deletions: keep `Deleted` entries that were not undone (for undo itself)."""
    history = tuple(history)
    undone: set[str] = set()
    for entry in history:
        if isinstance(entry.mark, Undone):
            undone.add(entry.mark.target)
        elif isinstance(entry.mark, Redone):
            undone.discard(entry.mark.target)
    counting = [e for e in history if e.id not in undone and not isinstance(e.mark, Undone | Redone)]
    deleted = {e.mark.target for e in counting if isinstance(e.mark, Deleted)}
    if deletions:
        return tuple(counting)
    return tuple(e for e in counting if e.id not in deleted and not isinstance(e.mark, Deleted))


def decisions(entries: Iterable[Entry]) -> dict[FindingRef, Answer]:
    """The last answer on each finding that has one, in the order of deciding, of entries that count."""
    answers: dict[FindingRef, Answer] = {}
    for entry in entries:
        if isinstance(entry.mark, Decision):
            for finding in [f for f in answers if same_finding(f, entry.mark.finding)]:
                del answers[finding]
            if entry.mark.answer is not None:
                answers[entry.mark.finding] = entry.mark.answer
    return answers


def filled_in(entries: Iterable[Entry]) -> dict[tuple[FindingRef | None, str], str]:
    """The last value of each field that has one, by (finding or None for the case, name), oldest first."""
    values: dict[tuple[FindingRef | None, str], str] = {}
    for entry in entries:
        if isinstance(entry.mark, Entered):
            for finding, name in [
                k for k in values if k[1] == entry.mark.name and same_finding(k[0], entry.mark.finding)
            ]:
                del values[finding, name]
            if entry.mark.value is not None:
                values[entry.mark.finding, entry.mark.name] = entry.mark.value
    return values


def paired(entries: Iterable[Entry]) -> tuple[Paired, ...]:
    """What the reader said of findings of two CTs, oldest first."""
    return tuple(e.mark for e in entries if isinstance(e.mark, Paired))


def pixel_size(entries: Iterable[Entry]) -> tuple[Entry, PixelSize] | None:
    """How large a pixel is as the reader entered it last, with its record; None where it is not entered."""
    last = None
    for entry in entries:
        if isinstance(entry.mark, PixelSize):
            last = (entry, entry.mark) if entry.mark.mm is not None else None
    return last


def same_finding(a: FindingRef | None, b: FindingRef | None) -> bool:
    """Whether two records mean the same finding, though perhaps another model's box of it, or both the case."""
    if a is None or b is None:
        return a is b
    if a.kind is not b.kind:
        return False
    if a.kind is RefKind.FRAME:
        return a.slice == b.slice
    if a.key and b.key:
        return a.key == b.key
    return a.slice == b.slice and overlap(a, b) >= 0.5


def frame_answer(decisions: Mapping[FindingRef, Answer], frame: int) -> Answer | None:
    """The last answer on a breast image.

    Versions that knew no keys answered the image alone, and named it by the reader's finding of the same number.
    """
    return next(
        (
            decisions[finding]
            for finding in reversed(list(decisions))
            if (finding.kind is RefKind.FRAME and finding.slice == frame)
            or (finding.kind is RefKind.READER and not finding.key and finding.number == frame + 1)
        ),
        None,
    )


def same_place(finding: FindingRef, nodule: Nodule) -> bool:
    """Whether a box of the nodule overlaps the finding on its slice by at least half (intersection over union)."""
    if finding.kind is RefKind.FRAME:
        return False
    return any(b.slice == finding.slice and overlap(b, finding) >= 0.5 for b in nodule.boxes)


def answer_at(decisions: dict[FindingRef, Answer], nodule: Nodule) -> Answer | None:
    """The last answer on a finding whose best box overlaps a box of this nodule on the same slice by at least half.

    Overlap is intersection over union; of several the last decision counts.
    """
    return next((decisions[finding] for finding in reversed(decisions) if same_place(finding, nodule)), None)


def _record(entry: Entry) -> Record:
    return {
        "v": SCHEMA,
        "id": entry.id,
        "window": entry.window,
        "time": entry.time,
        "app": cadviewer.__version__,
        "type": _NAMES[type(entry.mark)],
        "mark": _known(asdict(entry.mark)),
    }


def _known(value: Any) -> Any:
    """JSON knows no NaN and no infinity: what is one is missing."""
    if isinstance(value, dict):
        return {name: _known(v) for name, v in value.items()}
    if isinstance(value, tuple | list):
        return [_known(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _entry(record: Record) -> Entry | None:
    """The entry of a record, None when it is of another version of the program."""
    kind = _TYPES.get(str(record.get("type")))
    if kind is None or record.get("v") != SCHEMA:
        return None
    try:
        mark = {name: _with_kind(value) for name, value in record["mark"].items()}
        return Entry(str(record["id"]), str(record["window"]), str(record["time"]), build(kind, mark))
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def _with_kind(value: Any) -> Any:
    """A reference as versions wrote it that did not say what it means: a frame was its number and a whole image."""
    if not isinstance(value, dict) or "weights_sha256" not in value or "kind" in value:
        return value
    if value["model"] == READER:
        return {**value, "kind": RefKind.READER.value}
    borders = (value["x0"], value["y0"]) == (0, 0) and all(float(value[n]).is_integer() for n in ("x1", "y1"))
    frame = borders and value["number"] == value["slice"] + 1
    return {**value, "kind": (RefKind.FRAME if frame else RefKind.MODEL).value}
