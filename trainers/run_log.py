"""What a run says of itself while it trains on Lightning; `run_folder` says what the lines mean."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lightning

from trainers.run_folder import LOG, STOP, TrainingStopped, recorded, stage, write

__all__ = ["LOG", "STOP", "RunLog", "TrainingStopped", "recorded", "write"]


class RunLog(lightning.Callback):
    """Writes the loss of steps as they happen and looks for the stop file."""

    def __init__(self, out: Path, every_seconds: float = 1.0) -> None:
        self.out, self.every_seconds = out, every_seconds
        self.started = self.last = time.monotonic()
        self.sum, self.count = 0.0, 0

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        self.started = self.last = time.monotonic()
        stage(self.out, "training", step=trainer.global_step)

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        stage(self.out, "finishing")

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
            raise TrainingStopped
