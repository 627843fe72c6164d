"""A training run as the window sees it: a process of its own, and a folder that tells how it goes. No Qt, no torch.

The process is started detached, so it outlives the dialog and the window; whoever opens its folder later follows it by
the lines of `log.jsonl` (written by `trainers.run_log`) and stops it by a file called `stop`.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cadviewer import atomic, paths
from cadviewer.gui.training.processes import alive
from cadviewer.models import catalogue

_started: dict[int, subprocess.Popen[bytes]] = {}
"""Processes of this program by number, so that one that has ended is not taken for running until somebody waits."""
LOG, STOP, OUTPUT, COMMAND = "log.jsonl", "stop", "output.txt", "command.json"


@dataclass
class RunState:
    """What the log of a run has said so far.

    state: "new" (no log yet), "running", "done", "stopped", "failed" or "lost" (its process is gone without a word).
    losses: (step, loss); tune: one mapping of figures per look at the tune fold, with "step".
    progress: 0…1; card: path of the exported model card, once done.
    """

    state: str = "new"
    reason: str = ""
    pid: int = 0
    progress: float = 0.0
    epoch: int = 0
    seconds: float = 0.0
    losses: list[tuple[int, float]] = field(default_factory=list)
    tune: list[Mapping[str, Any]] = field(default_factory=list)
    card: Path | None = None

    @property
    def resumable(self) -> bool:
        return self.state in ("stopped", "failed", "lost")


@dataclass(frozen=True)
class Begun:
    """Task, data folder and `key=value` settings of a run."""

    task: str
    data: Path
    settings: tuple[str, ...]


class Run:
    """The run in one folder, new or old."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = RunState()
        self._offset = 0

    def start(self, task: str, data: Path, settings: Sequence[str]) -> None:
        """Start training anew. Raises OSError when the process cannot be started."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / LOG).unlink(missing_ok=True)
        self.state, self._offset = RunState(), 0
        arguments = [task, "--data", str(data), "--out", str(self.folder)]
        for setting in settings:
            arguments += ["--set", setting]
        atomic.write_text(self.folder / COMMAND, json.dumps(arguments))
        self._launch(arguments)

    def resume(self) -> None:
        """Go on from the last checkpoint with the settings it was started with.

        Raises ValueError when the folder does not say how it was started, OSError as `start` does.
        """
        try:
            arguments = [str(a) for a in json.loads((self.folder / COMMAND).read_text(encoding="utf-8"))]
        except (OSError, TypeError) as error:
            raise ValueError(f"{self.folder.name} does not say how it was started") from error
        self.poll()  # what an earlier part said is not said of this one
        self._launch([*arguments, "--resume"])

    def begun_with(self) -> Begun | None:
        """What the run was started with; None where its folder does not say."""
        try:
            task, _, data, _, _, *rest = [str(a) for a in json.loads((self.folder / COMMAND).read_text("utf-8"))]
        except (OSError, ValueError, TypeError):
            return None
        return Begun(task, Path(data), tuple(rest[1::2]))

    def _launch(self, arguments: Sequence[str]) -> None:
        (self.folder / STOP).unlink(missing_ok=True)
        with (self.folder / OUTPUT).open("ab") as output:
            process = subprocess.Popen(
                [*paths.program(), "--train", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                **_detached(),
            )
        self.state.state, self.state.reason, self.state.pid = "running", "", process.pid
        _started[process.pid] = process

    def stop(self) -> None:
        """Ask the run to end at its next step; what it learned up to the last whole epoch stays."""
        (self.folder / STOP).touch()

    def kill(self) -> None:
        """End a run that does not answer."""
        if self.state.pid and _alive(self.state.pid):
            with contextlib.suppress(OSError):  # it ended meanwhile
                os.kill(self.state.pid, signal.SIGTERM)

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
                self._take(line)
        if self.state.state == "running" and not (self.state.pid and _alive(self.state.pid)):
            self.state.state, self.state.reason = "lost", self._last_words()
        return self.state

    def _take(self, line: bytes) -> None:
        try:
            said = json.loads(line)
            kind = said["kind"]
        except (ValueError, KeyError, TypeError):
            return  # a line damaged by a crash says nothing
        state = self.state
        if kind == "begin":
            state.state, state.reason, state.pid = "running", "", int(said["pid"])
        elif kind == "step":
            state.losses.append((int(said["step"]), float(said["loss"])))
        elif kind == "tune":
            state.tune.append(said)
        elif kind == "end":
            state.state, state.reason = str(said["state"]), str(said.get("reason", ""))
            state.card = Path(said["card"]) if said.get("card") else None
            state.progress = 1.0 if state.state == "done" else state.progress
        state.progress = float(said.get("progress", state.progress))
        state.epoch = int(said.get("epoch", state.epoch))
        state.seconds = float(said.get("seconds", state.seconds))

    def _last_words(self) -> str:
        """The last line that the process printed: why it could not go on."""
        try:
            lines = (self.folder / OUTPUT).read_text(encoding="utf-8", errors="replace").strip().splitlines()
        except OSError:
            lines = []
        return lines[-1] if lines else "the training process is gone"

    def install(self) -> str:
        """Copy the exported weights to the user's own, where the viewer finds them at once; the model's name.

        Raises CardError when the run has exported none, or they are not what their card says.
        """
        if self.state.card is None:
            raise catalogue.CardError(f"{self.folder.name}: this run has no weights yet")
        card = catalogue.load(self.state.card)
        if catalogue.sha256(card.weights) != card.weights_sha256:
            raise catalogue.CardError(f"{card.weights.name}: not the weights that the card describes")
        target = paths.user_data() / "weights"
        target.mkdir(parents=True, exist_ok=True)
        for path in (card.weights, self.state.card):  # the card last: it makes the model visible
            draft = target / f".{path.name}.part"
            shutil.copyfile(path, draft)
            os.replace(draft, target / path.name)
        return card.name


def _detached() -> dict[str, Any]:
    """What makes a process outlive the one that starts it."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.DETACHED_PROCESS}
    return {"start_new_session": True}


def _alive(pid: int) -> bool:
    """Whether a process of that number runs; one that this program started and that has ended is let go of."""
    if pid in _started:
        return _started[pid].poll() is None
    return alive(pid)
