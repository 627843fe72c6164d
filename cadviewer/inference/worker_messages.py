"""What goes to the worker process: how it is to compute, and its commands. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cadviewer.inference.protocol import Job


@dataclass(frozen=True)
class WorkerOptions:
    """How the process is to compute.

    device: "auto", "cpu", "cuda" or "cuda:N".
    threads: CPU threads for the network.
    background: run at low priority, so that the window always goes first.
    log: file for stack traces, which never hold a message or a value; None for none.
    """

    device: str = "auto"
    threads: int = 1
    background: bool = True
    log: Path | None = None


@dataclass(frozen=True)
class RunJob:
    """To the process: begin this job now, between two steps of the one that is running if there is one."""

    job: Job


@dataclass(frozen=True)
class Stop:
    """To the process: end this job at its next step."""

    request_id: int


@dataclass(frozen=True)
class Warm:
    """To the process: load this model when there is nothing else to do."""

    model: str


Command = RunJob | Stop | Warm


@dataclass(frozen=True)
class CannotStart:
    """From the process: why it will never be ready, in one line."""

    reason: str
