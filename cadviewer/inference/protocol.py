"""What goes to the engine and what comes back: jobs and events, plain frozen data that pickle."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from cadviewer import HU_OF_8_BITS
from cadviewer.findings import Box, Half, Result, Task
from cadviewer.imaging.series import Series


class Priority(IntEnum):
    """Lower goes first; an OPEN job interrupts a BATCH job between two steps, which then continues."""

    OPEN = 0
    BATCH = 1


@dataclass(frozen=True)
class SharedArray:
    """Pixels in memory that both processes see.

    name: of a `multiprocessing.shared_memory` segment, or a path when `mapped` (where /dev/shm is too small).
    shape, dtype: of the array that begins at byte 0.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    mapped: bool = False


@dataclass(frozen=True)
class Job:
    """Base of what is asked of the engine: something of one model about one case.

    case_id, request_id: come back in every event; what does not match what is on screen is dropped.
    pixels: of `series`, in shared memory that stays until the job's last event.
    model: name of a card.
    """

    case_id: str
    request_id: int
    task: Task
    model: str
    series: Series
    pixels: SharedArray
    priority: Priority = Priority.OPEN


@dataclass(frozen=True, kw_only=True)
class AnalyseJob(Job):
    """Search a case for findings.

    threshold: cut of nodule scores, None for the card's own.
    spacing_mm: mm per pixel given by the user for an image whose file does not say.
    window: (low, high) HU that the 8-bit values of a 2-D CT slice span.
    half: of a split screen of an ultrasound machine, None for an image that is one.
    """

    threshold: float | None = None
    spacing_mm: float | None = None
    window: tuple[float, float] = HU_OF_8_BITS
    half: Half | None = None


@dataclass(frozen=True, kw_only=True)
class ExplainJob(Job):
    """Say what the score of a frame depends on; the result has `maps` and no findings. half: as it was analysed."""

    frame: int
    half: Half | None = None


@dataclass(frozen=True, kw_only=True)
class OutlineJob(Job):
    """Outline a finding that the reader drew, by a model whose role is "outline".

    boxes: of the finding. The result has this finding alone, or none where the model sees nothing to outline.
    """

    boxes: tuple[Box, ...]


@dataclass(frozen=True)
class DeviceReady:
    """The worker is up, or fell back. device: "cpu", "cuda:0"; why: one line for the status bar.

    device is "" when it could not start; the jobs that wait fail with the same reason.
    """

    device: str
    why: str


@dataclass(frozen=True)
class JobEvent:
    """Base of everything said about one job."""

    case_id: str
    request_id: int


@dataclass(frozen=True)
class Started(JobEvent):
    """The worker has begun (or gone on with) the job."""


@dataclass(frozen=True)
class Progressed(JobEvent):
    """done of total steps; seconds_left is None until it can be estimated."""

    done: int
    total: int
    seconds_left: float | None = None


@dataclass(frozen=True)
class Noted(JobEvent):
    """Something the user should know while the job goes on ("out of memory: batch of 2 instead of 8")."""

    text: str


@dataclass(frozen=True)
class Finished(JobEvent):
    """The result. The last event of its job."""

    result: Result


@dataclass(frozen=True)
class Failed(JobEvent):
    """Why there is no result, in one line. The last event of its job.

    out_of_scope: the input is not what the model knows, as opposed to an error.
    unfinished: no process could be had; nothing was found out about the case.
    """

    reason: str
    out_of_scope: bool = False
    unfinished: bool = False


@dataclass(frozen=True)
class Cancelled(JobEvent):
    """The user ended the job. The last event of its job."""


Event = DeviceReady | JobEvent
