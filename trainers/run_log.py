"""What a run says of itself while it goes on: lines in its folder that a window can follow, and a file that stops it.

`log.jsonl` holds one JSON object per line: `{"kind": "begin", "pid", "data", "settings"}`, then
`{"kind": "step", "step", "epoch", "loss", "progress", "seconds"}` at most once a second,
`{"kind": "tune", "epoch", "step", "progress", "seconds", figures…}` after each look at the tune fold, and
`{"kind": "end", "state": "done" | "stopped" | "failed", "reason", "card"}`. A file called `stop` in the folder ends
the run at the next step; the checkpoint of the last whole epoch stays for `--resume`.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning

LOG = "log.jsonl"
STOP = "stop"


def write(out: Path, kind: str, **values: Any) -> None:
    """Append one line to the log of the run in `out`."""
    with (out / LOG).open("a", encoding="utf-8") as stream:
        stream.write(json.dumps({"kind": kind, **values}, default=str) + "\n")


class Stopped(Exception):
    """The run was asked to stop; it can be resumed."""


@contextmanager
def recorded(out: Path, settings: Mapping[str, Any], data: Path) -> Iterator[dict[str, Any]]:
    """A run in `out` from its first line to its last, whatever ends it. Put the path of the card under "card"."""
    out.mkdir(parents=True, exist_ok=True)
    (out / STOP).unlink(missing_ok=True)
    write(out, "begin", pid=os.getpid(), data=str(data), settings=dict(settings))
    result: dict[str, Any] = {}
    try:
        yield result
    except (Stopped, KeyboardInterrupt):
        write(out, "end", state="stopped", reason="stopped by the user; resume goes on from the last whole epoch")
        raise KeyboardInterrupt from None
    except BaseException as error:
        write(out, "end", state="failed", reason=f"{type(error).__name__}: {error}".splitlines()[0])
        raise
    write(out, "end", state="done", reason="", **result)


class RunLog(lightning.Callback):
    """Writes the loss of steps as they happen and looks for the stop file."""

    def __init__(self, out: Path, every_seconds: float = 1.0) -> None:
        self.out, self.every_seconds = out, every_seconds
        self.started = self.last = time.monotonic()
        self.sum, self.count = 0.0, 0

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        self.started = self.last = time.monotonic()

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        loss = outputs["loss"] if isinstance(outputs, Mapping) else outputs
        self.sum, self.count = self.sum + float(loss), self.count + 1
        now = time.monotonic()
        if now - self.last >= self.every_seconds or trainer.global_step == 1:
            progress = getattr(pl_module, "progress", None)
            total = max(1.0, float(trainer.estimated_stepping_batches))
            write(
                self.out,
                "step",
                step=trainer.global_step,
                epoch=trainer.current_epoch,
                loss=round(self.sum / self.count, 5),
                progress=round(float(progress()) if callable(progress) else trainer.global_step / total, 4),
                seconds=round(now - self.started, 1),
            )
            self.sum, self.count, self.last = 0.0, 0, now
        if (self.out / STOP).exists():
            raise Stopped
