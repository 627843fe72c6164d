"""The cases of a window: which there are, which is open, and how long their pixels stay in memory. No Qt."""

from __future__ import annotations

from collections.abc import Iterator

from cadviewer.gui.cases.case import Case
from cadviewer.imaging import patients
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

    def patients(self) -> list[list[list[Case]]]:
        """Patients, of these the studies, of these the series by their number; each where its first one was found.

        What names no patient is a patient of its own for each study.
        """
        where = {id(s): k for k, group in enumerate(patients.groups(c.series for c in self)) for s in group}
        found: dict[str, dict[str, list[Case]]] = {}
        for case in self:
            place = where.get(id(case.series))
            whose = study(case) if place is None else f"patient {place}"
            found.setdefault(whose, {}).setdefault(study(case), []).append(case)
        return [[sorted(cases, key=_number) for cases in studies.values()] for studies in found.values()]

    def ordered(self) -> list[Case]:
        """As `patients` has them."""
        return [case for studies in self.patients() for cases in studies for case in cases]

    def remove(self, case: Case) -> None:
        """Forget a case; its pixels stay for as long as a job reads them."""
        self._cases.pop(case.case_id, None)
        case.stack = None
        if self.current is case:
            self.current = None
        if self.beside is case:
            self.beside = None
        self.trim()

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
        for case_id in [k for k in self._shared if k not in self._cases and k not in self._jobs.values()]:
            self._shared.pop(case_id).close()
        total = sum(self._bytes(case_id) for case_id in self._shared)
        for case_id in list(self._shared):
            if total <= self._keep_bytes:
                return
            if case_id in self._jobs.values() or case_id in (c.case_id for c in (self.current, self.beside) if c):
                continue
            if case_id not in self._cases:
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
        case = self._cases.get(case_id)
        stack = case.stack if case is not None else None
        return stack.pixels.nbytes if stack is not None else 0


def study(case: Case) -> str:
    """What holds the series of one study together: its UID, else the folder the files lie in."""
    return case.series.study_uid or str(case.series.source.parent)


def _number(case: Case) -> tuple[bool, int]:
    """Series without a number come last."""
    return case.series.series_number is None, case.series.series_number or 0
