"""What a run says of itself while it trains on Lightning (`cadviewer.training_events`)."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lightning

from cadviewer.training_events import STOP, Stage, Step, append
from trainers.run_folder import TrainingStopped


class RunLog(lightning.Callback):
    """Writes the loss of steps as they happen and looks for the stop file."""

    def __init__(self, out: Path, every_seconds: float = 1.0) -> None:
        self.out, self.every_seconds = out, every_seconds
        self.started = self.last = time.monotonic()
        self.sum, self.count = 0.0, 0

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        self.started = self.last = time.monotonic()
        append(self.out, Stage("training", trainer.global_step))

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        append(self.out, Stage("finishing"))

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        loss = outputs["loss"] if isinstance(outputs, Mapping) else outputs
        self.sum, self.count = self.sum + float(loss), self.count + 1
        now = time.monotonic()
        if now - self.last >= self.every_seconds or trainer.global_step == 1:
            progress = getattr(pl_module, "progress", None)
            total = max(1.0, float(trainer.estimated_stepping_batches))
            done = float(progress()) if callable(progress) else trainer.global_step / total
            loss, seconds = round(self.sum / self.count, 5), round(now - self.started, 1)
            append(self.out, Step(trainer.global_step, loss, trainer.current_epoch, round(done, 4), seconds))
            self.sum, self.count, self.last = 0.0, 0, now
        if (self.out / STOP).exists():
            raise TrainingStopped
