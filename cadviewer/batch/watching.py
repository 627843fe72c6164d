"""Folders that are watched: what arrives in them becomes a case once nothing of it has changed for a while.

Folders are listed again and again, and files are known by size and time of change. What a system tells of changes
(inotify and its like) leaves out what other machines write to a network share, and that is where studies arrive. A
listing is never more than a fifth of the time, however large the folder.

A file's own time of change may have been copied with it, or come from another machine's clock: for how long nothing has
changed is what this process saw itself. So a series is looked at no earlier than that time after the start, too.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cadviewer.batch import inputs as batch_inputs
from cadviewer.imaging import files, sources
from cadviewer.imaging.series import Rejected, Series
from cadviewer.messages import Message
from cadviewer.store import results
from cadviewer.store.case_report import CaseState, case_of
from cadviewer.store.results import FinishedCase, ResultsError

ARRIVING = (".part", ".partial", ".filepart", ".crdownload", ".tmp", ".temp")
"""Endings of files that a program is still writing and will rename; so are names that begin with a dot."""
SHARE = 4.0
"""How many times as long as a listing took is waited for the next."""

State = tuple[int, int]
"""Size and time of change (ns) of a file."""
Item = Series | Rejected


def check(inputs: Sequence[Path], out: Path) -> None:
    """Raises ResultsError where the inputs cannot be watched."""
    if any(not given.is_dir() for given in inputs):
        raise ResultsError(Message("only folders that are there can be watched"))
    if any(given.resolve().is_relative_to(out.resolve()) for given in inputs):
        raise ResultsError(Message("a watched folder cannot lie in the folder for the results"))


@dataclass(frozen=True)
class Seen:
    """A file as it was listed last, and since when it has been so (s of the watch's clock)."""

    state: State
    since: float


class Watch:
    """What arrives in folders. Iterate over it: `arrivals`.

    quiet_for: seconds without a change after which a series is complete. finished: cases of the results folder, by
    which a series is known that has more images now. wait: waits so many seconds, True when the watch is over.
    say: told once when a folder cannot be listed, and when it can be again.
    """

    def __init__(
        self,
        inputs: Sequence[Path],
        out: Path,
        quiet_for: float,
        finished: Iterable[FinishedCase],
        wait: Callable[[float], bool],
        clock: Callable[[], float] = time.monotonic,
        say: Callable[[str], object] = lambda text: None,
    ) -> None:
        self._inputs, self._out, self._quiet_for = inputs, out.resolve(), quiet_for
        self._wait, self._clock, self._say = wait, clock, say
        self._away: set[Path] = set()  # inputs that cannot be listed
        self._files: dict[Path, Seen] = {}
        self._read: dict[Path, State] = {}  # files handed out, as they were then
        self._handed: set[tuple[str, str]] = set()  # (case, fingerprint)
        self._of_series: defaultdict[str, set[Path]] = defaultdict(set)  # files handed out, by series
        self._failed: dict[Path, set[Path]] = {}  # files of what gave no image, by what it was
        self._due: dict[Path, float] = {}  # when a file that waits with others is to be looked at again
        self._earlier: defaultdict[str, set[tuple[str, str]]] = defaultdict(set)
        for case in finished:
            if case.state is not CaseState.FAILED:
                self._earlier[case.row["series_uid"] or case.case].add((case.case, case.fingerprint))

    def arrivals(self) -> Iterator[Item]:
        """What has arrived and is complete, for ever: until `wait` says that the watch is over."""
        pause = min(max(self._quiet_for / 4, 0.2), 5.0)
        while True:
            began = self._clock()
            self._look(began)
            yield from self._complete(self._clock())
            if self._wait(max(pause, SHARE * (self._clock() - began))):
                return

    # listing -----------------------------------------------------------------------------------------------------

    def _look(self, now: float) -> None:
        """List the folders. Of a folder that cannot be listed, such as a share that is away, nothing is known anew."""
        listed: dict[Path, Seen] = {}
        for given in self._inputs:
            why = self._list(given, listed, now, {os.path.realpath(given)})
            if why and given not in self._away:
                self._away.add(given)
                self._say(Message("a watched folder cannot be listed: {why}; it is tried again", why=why))
            elif not why and given in self._away:
                self._away.remove(given)
                self._say(Message("the watched folder can be listed again"))
        self._files = listed
        self._due = {path: due for path, due in self._due.items() if path in listed}

    def _list(self, folder: Path, listed: dict[Path, Seen], now: float, inside: set[str]) -> str:
        """Returns why the folder cannot be listed, "" where it can.

        inside: the real paths of the folders around it, so that links that lead in circles end.
        """
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            return error.strerror or type(error).__name__
        for entry in entries:
            path = folder / entry.name
            try:
                if entry.is_dir():
                    real = os.path.realpath(path)
                    if real not in inside and Path(real) != self._out:
                        self._list(path, listed, now, inside | {real})
                elif not entry.name.startswith(".") and path.suffix.lower() not in ARRIVING:
                    about = os.stat(path)  # an entry's own is old on Windows while the file is written
                    state = (about.st_size, about.st_mtime_ns)
                    before = self._files.get(path)
                    listed[path] = before if before is not None and before.state == state else Seen(state, now)
            except OSError:  # gone in this moment
                continue
        return ""

    # what is complete --------------------------------------------------------------------------------------------

    def _complete(self, now: float) -> Iterator[Item]:
        unread = {path for path, seen in self._files.items() if self._read.get(path) != seen.state}
        if not any(self._when(path) <= now for path in unread):
            return
        wanted = unread | self._tried_again(unread)
        items = self._scan(wanted, now)
        read = {f for i in items if isinstance(i, Series) for f in self._of_series.get(i.series_uid, ())}
        if more := (read & self._files.keys()) - wanted:  # of series that were read already and have grown
            items = self._scan(wanted | more, now)
        used: set[Path] = set()
        for group in _groups(items):
            parts = {path for item in group for path in self._carriers(item)}
            used |= parts
            due = max((self._files[path].since for path in parts), default=now) + self._quiet_for
            if due > now:
                self._due |= dict.fromkeys(parts, due)
            else:
                yield from self._hand_out(group)
        for path in unread - used:  # one file under two names is read once
            if self._when(path) <= now:
                self._read[path] = self._files[path].state

    def _when(self, path: Path) -> float:
        return self._due.get(path, self._files[path].since + self._quiet_for)

    def _tried_again(self, unread: set[Path]) -> set[Path]:
        """Files that gave no image, beside new ones: what was missing may have come."""
        folders = {path.parent for path in unread}
        return {f for parts in self._failed.values() for f in parts if f.parent in folders and f in self._files}

    def _scan(self, wanted: set[Path], now: float) -> list[Item]:
        """What is in some of the files. An archive is left out while it may still be written: it would be unpacked."""
        wanted = {path for path in wanted if self._files[path].since + self._quiet_for <= now or not _is_archive(path)}
        if not wanted:
            return []
        found = files.scan(self._above(wanted), ignore=lambda path: path not in wanted)
        # A folder is no case, and what is gone by now is none either
        return [item for item in found if isinstance(item, Series) or (self._carriers(item) and not _gone(item))]

    def _above(self, wanted: set[Path]) -> list[Path]:
        """The lowest folder of each watched folder with all wanted files of it: inputs may have nothing in common."""
        left, above = set(wanted), []
        for given in self._inputs:
            below = {path for path in left if given in path.parents}
            left -= below
            if below:
                above.append(Path(os.path.commonpath([path.parent for path in below])))
        return above

    def _carriers(self, item: Item) -> set[Path]:
        """The listed files that something lies in: its own, or the archive around them."""
        own = item.files if isinstance(item, Series) and not item.source.is_file() else (item.source,)
        around = ((p for p in (file, *file.parents) if p in self._files) for file in (*own, *item.data_files))
        return {found for each in around if (found := next(each, None)) is not None}

    def _hand_out(self, group: Sequence[Item]) -> Iterator[Item]:
        """The items of a group that are new or changed, with a warning where the series was read before."""
        known = [(_name(item), results.fingerprint(batch_inputs.files_of(item))) for item in group]
        before = self._earlier[_key(group[0])]
        grown = bool(before - set(known))
        for item, about in zip(group, known, strict=True):
            parts = self._carriers(item)
            self._read |= {path: self._files[path].state for path in parts}
            self._failed = {key: kept for key, kept in self._failed.items() if not kept & parts}
            if isinstance(item, Series):
                self._of_series[item.series_uid] |= parts if item.series_uid else set()
            elif item.source in self._files:  # not in an archive, which does not change by what arrives beside it
                self._failed[item.source] = parts
            if about in self._handed:
                continue
            self._handed.add(about)
            new = about not in before
            before.add(about)
            yield _warned(item) if grown and new and isinstance(item, Series) else item


def _groups(items: Iterable[Item]) -> Iterator[list[Item]]:
    """What is complete together: the parts of a series (images of two sizes make two), else each item alone."""
    groups: defaultdict[str, list[Item]] = defaultdict(list)
    for item in items:
        groups[_key(item)].append(item)
    yield from groups.values()


def _key(item: Item) -> str:
    return (item.series_uid if isinstance(item, Series) else "") or _name(item)


def _name(item: Item) -> str:
    return item.case_id if isinstance(item, Series) else case_of(item.source)


def _warned(series: Series) -> Series:
    said = Message("images of this series arrived or changed after it was read; the earlier result is another case")
    return replace(series, warnings=(*series.warnings, said))


def _gone(item: Rejected) -> bool:
    return not os.path.lexists(item.source) and not any(p.is_file() for p in item.source.parents)


def _is_archive(path: Path) -> bool:
    try:
        with path.open("rb") as stream:
            return sources.source_of(stream.read(352)) is not None
    except OSError:
        return False
