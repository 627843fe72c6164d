"""The cases of a window: which there are, which is open, and how long their pixels stay in memory. No Qt."""

from __future__ import annotations

from collections.abc import Iterator

from cadviewer.gui.case import Case
from cadviewer.imaging.series import Series
from cadviewer.inference.shared import SharedPixels

KEEP_BYTES = 1 << 30
"""Pixels of cases that are not on screen are kept up to this, so that going back to one is at once."""


class Cases:
    """All cases by id, in the order in which they were found."""

    def __init__(self, keep_bytes: int = KEEP_BYTES) -> None:
        self._cases: dict[str, Case] = {}
        self._shared: dict[str, SharedPixels] = {}  # the one used last, last
        self._jobs: dict[int, str] = {}  # request -> case whose pixels it reads
        self._keep_bytes = keep_bytes
        self.current: Case | None = None
        self.beside: Case | None = None  # on screen too

    def __iter__(self) -> Iterator[Case]:
        return iter(self._cases.values())

    def __len__(self) -> int:
        return len(self._cases)

    def get(self, case_id: str) -> Case | None:
        return self._cases.get(case_id)

    def add(self, series: Series) -> tuple[Case, bool]:
        """The case of a series, and whether it is new."""
        case = self._cases.get(series.case_id)
        if case is not None:
            return case, False
        case = self._cases[series.case_id] = Case(series)
        return case, True

    def ordered(self) -> list[Case]:
        """Study after study, each where its first series was found."""
        groups: dict[str, list[Case]] = {}
        for case in self._cases.values():
            groups.setdefault(study(case), []).append(case)
        return [case for group in groups.values() for case in group]

    def neighbour(self, step: int) -> Case | None:
        """The case `step` further down the list than the open one; None beyond its ends."""
        every = self.ordered()
        if self.current is None:
            return every[0] if every else None
        at = every.index(self.current) + step
        return every[at] if 0 <= at < len(every) else None

    # pixels ------------------------------------------------------------------------------------------------------

    def keep(self, case: Case, shared: SharedPixels) -> None:
        """These are the pixels of a case from now on."""
        old = self._shared.pop(case.case_id, None)
        if old is not None and old is not shared:
            old.close()
        self._shared[case.case_id] = shared

    def shared(self, case: Case) -> SharedPixels | None:
        return self._shared.get(case.case_id)

    def use(self, case: Case) -> None:
        """A case comes on screen: what was used longest ago makes room if there is too much."""
        if case is not self.current:
            self.beside = None  # it was beside the other one
        self.current = case
        if case.case_id in self._shared:
            self._shared[case.case_id] = self._shared.pop(case.case_id)
        self.trim()

    def job_begins(self, request_id: int, case: Case) -> None:
        """The pixels of a case stay until `job_ended`."""
        self._jobs[request_id] = case.case_id

    def job_ended(self, request_id: int) -> None:
        self._jobs.pop(request_id, None)
        self.trim()

    def trim(self) -> None:
        """Free the pixels used longest ago that are neither on screen nor read by a job."""
        total = sum(self._bytes(case_id) for case_id in self._shared)
        for case_id in list(self._shared):
            if total <= self._keep_bytes:
                return
            if case_id in self._jobs.values() or case_id in (c.case_id for c in (self.current, self.beside) if c):
                continue
            total -= self._bytes(case_id)
            self._cases[case_id].stack = None
            self._shared.pop(case_id).close()

    def drop_pixels(self, case: Case) -> None:
        """A case whose reading failed has no pixels."""
        case.stack = None
        shared = self._shared.pop(case.case_id, None)
        if shared is not None:
            shared.close()

    def close(self) -> None:
        """Free everything; the engine must have ended."""
        for case in self._cases.values():
            case.stack = None
        for shared in self._shared.values():
            shared.close()
        self._shared.clear()

    def _bytes(self, case_id: str) -> int:
        stack = self._cases[case_id].stack
        return stack.pixels.nbytes if stack is not None else 0


def study(case: Case) -> str:
    """What holds the series of one study together: its UID, else the folder the files lie in."""
    return case.series.study_uid or str(case.series.source.parent)
