"""What a task offers to the worker: one function from pixels to findings (`TaskSpec.analyse`). No torch.

One whose cards name companions (`ModelCard.companions`) takes them by the keyword `companions` as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, cast

from cadviewer import HU_OF_8_BITS
from cadviewer.findings import BreastFinding, Half, Nodule, Task, resolve
from cadviewer.imaging.series import Volume
from cadviewer.models.catalogue import ModelCard
from cadviewer.models.runtime import Companions, Forward, Progress


@dataclass(frozen=True)
class Demand:
    """What the user asked of a job.

    threshold: cut of scores, None for the card's. spacing_mm: mm per pixel of an image whose file does not say.
    window: HU (low, high) that the 8-bit values of a CT slice span. half: of a split screen of an ultrasound machine.
    """

    threshold: float | None = None
    spacing_mm: float | None = None
    window: tuple[float, float] = HU_OF_8_BITS
    half: Half | None = None


@dataclass(frozen=True)
class TaskFindings:
    """What an analysis gives, in the fields of `findings.Result`."""

    nodules: tuple[Nodule, ...] = ()
    candidates: tuple[Nodule, ...] = ()
    breast: tuple[BreastFinding, ...] = ()
    lines: tuple[str, ...] = ()
    payload: Any = None
    warnings: tuple[str, ...] = ()


class Analyse(Protocol):
    """What `TaskSpec.analyse` names."""

    def __call__(
        self,
        volume: Volume,
        forward: Forward,
        card: ModelCard,
        demand: Demand,
        progress: Progress,
        **companions: Companions,
    ) -> TaskFindings:
        """Findings of one case. Raises OutOfScope, InputError or ValueError with one line.

        companions: by this keyword, and only where the card names companions that can be used.
        """
        ...


def analyse_of(task: Task) -> Analyse:
    """The analysis of a task, imported when it is first needed."""
    return cast(Analyse, resolve(task.spec.analyse))
