"""Whoever waits for a registration: may stop it, and is told how far it is."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from cadviewer.imaging.registration.itk import itk

SECONDS = 40.0
"""After this no finer level is begun; what there is by then counts."""


class Cancelled(Exception):
    """It was stopped by whoever asked for it."""


@dataclass
class Run:
    """Whoever waits: may stop it, and is told how far it is."""

    stop: Callable[[], bool] = lambda: False
    progress: Callable[[float], None] = lambda share: None
    began: float = field(default_factory=time.monotonic)

    def step(self, share: float) -> None:
        """So much is done. Raises Cancelled."""
        if self.stop():
            raise Cancelled
        self.progress(share)

    @property
    def late(self) -> bool:
        """Whether no finer level is begun any more."""
        return self.seconds > SECONDS

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.monotonic() - self.began

    def execute(self, filter_: Any, *arguments: Any) -> Any:
        """Run a process object of SimpleITK; stopped at its next step, by Cancelled."""
        stopped: list[bool] = []

        def ask() -> None:
            if self.stop():
                stopped.append(True)
                filter_.Abort()

        filter_.AddCommand(itk().sitkIterationEvent, ask)
        try:
            made = filter_.Execute(*arguments)
        except RuntimeError:
            if stopped:
                raise Cancelled from None
            raise
        if stopped:
            raise Cancelled
        return made
