"""A training run as the window sees it: a process of its own, and a folder that tells how it goes. No Qt, no torch.

The process is started detached, so it outlives the dialog and the window; whoever opens its folder later follows it by
the lines of `log.jsonl` (`cadviewer.training_events`), all but the first of which the trainer writes. It runs as long
as it holds `run.lock`. Once it trains, a file called `stop` ends it at the next step; before and after there is nothing
to lose, and it is ended at once.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cadviewer import atomic, messages, paths
from cadviewer.gui.training.processes import alive, created, end
from cadviewer.messages import Message
from cadviewer.models import catalogue, own_models
from cadviewer.training_events import (
    LAST,
    LOCK,
    LOG,
    STOP,
    Begun,
    Ended,
    Launched,
    Scan,
    Stage,
    Step,
    TrainingEvent,
    Tune,
    append,
    parse,
)

_started: dict[int, subprocess.Popen[bytes]] = {}
"""Processes of this program by number, so that one that has ended is not taken for running until somebody waits."""
OUTPUT, COMMAND = "output.txt", "command.json"
SAYS = "cadviewer-train: "
"""How a line of the trainer begins that is meant for the user."""
SECONDS_TO_LOCK = 120
"""How long a process that another window started may take until it holds its lock; on a slow disk it takes seconds."""


class BusyError(Exception):
    """A process trains in this folder already."""


@dataclass
class RunState:
    """What the log of a run has said so far.

    state: "new" (no log yet), "starting" (until it trains), "running", "done", "stopped", "failed" or "lost" (its
    process is gone without a word). stage: what it does meanwhile, "", "reading", "training" or "finishing"; stopping:
    it was asked to stop, or has said its last word and its process is not gone yet. losses: (step, loss); tune: the
    looks at the tune fold; parts: the step after which each resumed part began.
    progress: 0…1; card: path of the exported model card, once done. resumable: whether there is something to go on
    from.
    """

    state: str = "new"
    reason: str = ""
    pid: int = 0
    since: float | None = None
    stage: str = ""
    stopping: bool = False
    progress: float = 0.0
    epoch: int = 0
    seconds: float = 0.0
    losses: list[tuple[int, float]] = field(default_factory=list)
    tune: list[Tune] = field(default_factory=list)
    parts: list[int] = field(default_factory=list)
    card: Path | None = None
    resumable: bool = False

    @property
    def active(self) -> bool:
        """Whether a process is at it."""
        return self.state in ("starting", "running")


@dataclass(frozen=True)
class StartedWith:
    """Task, data folder and `key=value` settings of a run."""

    task: str
    data: Path
    settings: tuple[str, ...]


class TrainingRun:
    """The run in one folder, new or old."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = RunState()
        self._offset = 0
        self._began = 0.0  # when the process was started, by the clock; 0 where nobody said
        self._output = 0  # where what this process printed begins

    def start(self, task: str, data: Path, settings: Sequence[str]) -> None:
        """Start training anew, in a folder that is not there yet.

        Raises OSError when the process cannot be started or the folder is there.
        """
        self.folder.mkdir(parents=True)
        arguments = [task, "--data", str(data), "--out", str(self.folder)]
        for setting in settings:
            arguments += ["--set", setting]
        atomic.write_text(self.folder / COMMAND, json.dumps(arguments))
        self._launch(arguments, resume=False)

    def resume(self) -> None:
        """Go on from the last checkpoint with the settings it was started with.

        Raises BusyError while a process is at it, ValueError when there is nothing to go on from or the folder does not
        say how the run was started, OSError as `start` does.
        """
        if self.poll().active or self._held():
            raise BusyError(self.folder.name)
        arguments = self._command()
        if arguments is None:
            raise ValueError(f"{self.folder.name} does not say how it was started")
        if not self.state.resumable:
            raise ValueError(f"{self.folder.name} has nothing to go on from")
        self._launch([*arguments, "--resume"], resume=True)

    def _command(self) -> list[str] | None:
        try:
            return [str(a) for a in json.loads((self.folder / COMMAND).read_text(encoding="utf-8"))]
        except (OSError, ValueError, TypeError):
            return None

    def begun_with(self) -> StartedWith | None:
        """What the run was started with; None where its folder does not say."""
        command = self._command() or []
        if len(command) < 5:
            return None
        return StartedWith(command[0], Path(command[2]), tuple(command[6::2]))

    def _launch(self, arguments: Sequence[str], *, resume: bool) -> None:
        (self.folder / STOP).unlink(missing_ok=True)
        with (self.folder / OUTPUT).open("ab") as output:
            before = output.tell()
            try:
                process = subprocess.Popen(
                    [*paths.program(), "--train", "--json-errors", *arguments],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    **_detached(),
                )
            except OSError as error:
                append(self.folder, Ended("failed", str(error)))
                raise
        _started[process.pid] = process
        append(self.folder, Launched(process.pid, created(process.pid), resume, time.time(), before))
        self.poll()

    def stop(self) -> None:
        """End the run: while it trains at its next step, else, and when it was asked already, at once.

        What it learned up to the last whole epoch stays.
        """
        state = self.poll()
        if not state.active:
            return
        if state.stage == "training" and not state.stopping:
            (self.folder / STOP).touch()
            state.stopping = True
        else:
            self.kill()

    def kill(self) -> None:
        """End the process at once; a checkpoint that is being written then leaves the one before it."""
        if not self.state.active or not self._at_it():
            return
        end(self.state.pid, self.state.since)
        append(self.folder, Ended("stopped"))
        self.poll()

    def poll(self) -> RunState:
        """Read what the log has gained; cheap enough for twice a second."""
        log = self.folder / LOG
        if log.is_file():
            with log.open("rb") as stream:
                stream.seek(self._offset)
                data = stream.read()
            whole = data.rfind(b"\n") + 1  # the last line may be half written
            self._offset += whole
            for line in data[:whole].splitlines():
                if (event := parse(line)) is not None:
                    self._take(event)
        state = self.state
        if state.active:
            state.stopping = (self.folder / STOP).exists()
            if not self._at_it():
                # Before it said anything of itself it has said why on its standard error, as wrong usage is said.
                state.state = "failed" if state.state == "starting" and not state.stage else "lost"
                state.reason, state.stopping = self._last_words(), False
        if state.state in ("stopped", "failed", "lost"):
            state.stopping = self._held()  # between its last line and its end
            state.resumable = not state.stopping and self._can_go_on()
        else:
            state.resumable = False
        return state

    def _at_it(self) -> bool:
        """Whether the process of this run is there: it holds the lock, or it was started a moment ago."""
        if self._held():
            return True
        if (process := _started.get(self.state.pid)) is not None:
            return process.poll() is None
        return (
            0 <= time.time() - self._began < SECONDS_TO_LOCK
            and not self.state.stage
            and alive(self.state.pid, self.state.since)
        )

    def _held(self) -> bool:
        lock = self.folder / LOCK
        if not lock.is_file():
            return False
        try:
            with atomic.locked(lock, wait=0):
                return False
        except atomic.LockedError:
            return True
        except OSError:
            return False

    def _can_go_on(self) -> bool:
        """Whether there is a whole checkpoint; torch writes zip files, whose table of contents comes last."""
        last = self.folder / LAST
        return last.is_file() and zipfile.is_zipfile(last) and self._command() is not None

    def _take(self, event: TrainingEvent) -> None:
        state = self.state
        match event:
            case Launched():
                state.state, state.reason, state.pid, state.stage = "starting", "", event.pid, ""
                state.since, self._began, self._output = event.since, event.at, event.output
            case Begun():
                state.state, state.reason, state.pid, state.stage = "starting", "", event.pid, "reading"
                state.since = event.since
            case Stage():
                state.stage = event.stage
                if state.stage == "training":
                    state.state = "running"
                    self._cut(event.step)
            case Step():
                state.state, state.stage = "running", "training"
                if event.loss is not None:
                    state.losses.append((event.step, event.loss))
            case Tune():
                state.tune.append(event)
            case Ended():
                state.state, state.reason, state.stage = event.state, event.reason, ""
                state.card, state.stopping = Path(event.card) if event.card else None, False
                state.progress = 1.0 if state.state == "done" else state.progress
            case Scan():
                pass
        if isinstance(event, Step | Tune | Scan):
            state.progress = state.progress if event.progress is None else event.progress
            state.seconds = state.seconds if event.seconds is None else event.seconds
        if isinstance(event, Step | Tune):
            state.epoch = state.epoch if event.epoch is None else event.epoch

    def _cut(self, step: int) -> None:
        """A resumed part begins after `step`: what was beyond it is learned again, and the curve is another one."""
        state = self.state
        state.losses = [point for point in state.losses if point[0] <= step]
        state.tune = [look for look in state.tune if look.step <= step]
        if step:
            state.parts.append(step)

    def _last_words(self) -> str:
        """The last line that the process printed for the user, or at all: why it could not go on."""
        try:
            with (self.folder / OUTPUT).open("rb") as stream:
                stream.seek(self._output)
                text = stream.read().decode("utf-8", "replace")
        except OSError:
            text = ""
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        meant = [line for line in lines if line.startswith(SAYS)]
        return spoken((meant or lines)[-1]) if lines else Message("the training process is gone")

    def install(self, name: str) -> str:
        """Give the exported weights to the viewer as a model of the user's own called `name`; see `own_models.install`.

        Raises CardError when the run has exported none, or they cannot be used.
        """
        if self.state.card is None:
            raise catalogue.CardError(Message("{run}: this run has no weights yet", run=self.folder.name))
        return own_models.install(self.state.card, name).name


def spoken(line: str) -> str:
    """A line that a trainer printed for the user; a message where it was printed as one (`--json-errors`)."""
    text = line.removeprefix(SAYS)
    if text.startswith("{"):
        with contextlib.suppress(ValueError):
            return messages.from_json(json.loads(text))
    return text


def _detached() -> dict[str, Any]:
    """What makes a process outlive the one that starts it."""
    if sys.platform == "win32":
        # Not DETACHED_PROCESS: without a console of its own each process that it starts would open a window
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW}
    return {"start_new_session": True}
