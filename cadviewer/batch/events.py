"""What a batch is told and what it tells: frozen data, for the command line and the window's dialog alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cadviewer import HU_OF_8_BITS
from cadviewer.findings import Task
from cadviewer.store.case_report import CaseState
from cadviewer.store.export import DEFAULT
from cadviewer.store.results import Existing


@dataclass(frozen=True)
class Options:
    """What to do with the inputs.

    task: None decides by modality and content. model: name of a card, "" for the default of the task.
    device: "auto", "cpu", "cuda" or "cuda:N". threshold: cut of nodule scores, None for the card's.
    spacing_mm: mm per pixel of images whose file does not say; window: HU (low, high) that their 8-bit values span.
    formats: keys of `store.export.FORMATS`. existing: what to do with results in the folder.
    jobs: how many files are read at a time. told: what the user says that some cases are for, by case; they are done
    again. quiet_for: None for one pass over the inputs; else they are folders that are watched until the run is
    cancelled, and what arrives is taken when nothing of it has changed for so many seconds.
    """

    task: Task | None = None
    model: str = ""
    device: str = "auto"
    threshold: float | None = None
    spacing_mm: float | None = None
    window: tuple[float, float] = HU_OF_8_BITS
    formats: tuple[str, ...] = DEFAULT
    existing: Existing = Existing.KEEP_OUT
    jobs: int = 2
    told: Mapping[str, Task] = field(default_factory=dict)
    quiet_for: float | None = None


@dataclass(frozen=True)
class BatchEvent:
    """Base of what `run` tells. Sources are for the user's own screen alone: paths can hold patient names."""


@dataclass(frozen=True)
class Looked(BatchEvent):
    """done of total files have been looked at."""

    done: int
    total: int


@dataclass(frozen=True)
class CaseFound(BatchEvent):
    """There is a case; cases that are finished already are found too. series: its number and description, if any."""

    case: str
    source: Path
    series: str = ""


@dataclass(frozen=True)
class CaseStarted(BatchEvent):
    """The model has begun (or gone on with) a case."""

    case: str
    task: Task


@dataclass(frozen=True)
class CaseProgress(BatchEvent):
    """done of total steps of the model; seconds_left is None until it can be estimated."""

    case: str
    done: int
    total: int
    seconds_left: float | None


@dataclass(frozen=True)
class CaseDone(BatchEvent):
    """A case is finished and its results are on the disk.

    kept: by an earlier run. row: its row of cases.csv, by column. findings: its rows of the other tables, likewise.
    undecided: nobody could tell what it is for: `Options.told` can.
    """

    case: str
    state: CaseState
    kept: bool
    row: Mapping[str, str]
    findings: tuple[Mapping[str, str], ...] = ()
    undecided: bool = False


@dataclass(frozen=True)
class AllFound(BatchEvent):
    """Every input has been looked at: `total` cases in all."""

    total: int


@dataclass(frozen=True)
class Noticed(BatchEvent):
    """Something to tell the user: the device, a smaller batch for want of memory."""

    text: str


@dataclass(frozen=True)
class Summary:
    """How a run ended.

    counts: cases by state, kept ones included. cancelled: by the user, before everything was done.
    unfinished: why the run ended before everything was done though nobody cancelled it, "" where it did not.
    """

    counts: dict[CaseState, int]
    cancelled: bool = False
    unfinished: str = ""

    @property
    def troubled(self) -> int:
        """How many cases were refused or failed."""
        return self.counts.get(CaseState.REFUSED, 0) + self.counts.get(CaseState.FAILED, 0)
