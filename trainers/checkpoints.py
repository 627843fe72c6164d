"""Checkpoints on Lightning: each is whole or not there, beside the old one, and only where there is room for it."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.plugins.io import TorchCheckpointIO

from cadviewer import atomic
from cadviewer.training_events import LAST
from trainers import run_folder


class Whole(TorchCheckpointIO):
    """Writes a checkpoint beside the old one and then puts it in its place.

    Lightning's own writes to the system's temporary folder, which may be another disk, and copies from there over the
    old one.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Raises `run_folder.NoRoomError` when the disk does not take it; the old checkpoint is then as it was."""
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        out = Path(path).parent
        run_folder.check_room(out, buffer.tell())
        try:
            with atomic.replacing(Path(path)) as stream:
                stream.write(buffer.getbuffer())
        except OSError as error:
            if error.errno in run_folder.FULL:
                raise run_folder.no_room(out, "it is full") from error
            raise


class Room(lightning.Callback):
    """Ends a run before an epoch whose checkpoint would find no room, the first one included."""

    def __init__(self, out: Path) -> None:
        self.out = out

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Raises `run_folder.NoRoomError`."""
        last = self.out / LAST
        run_folder.check_room(self.out, last.stat().st_size if last.is_file() else expected(pl_module))


class Seeded(lightning.Callback):
    """What a step draws from torch's own generator (dropout) follows from the seed and the step: a run that was broken
    off and resumed goes on as one that was not."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_batch_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """At each step and not at each epoch: a loader draws too, in the first epoch of a process earlier."""
        torch.manual_seed(int(np.random.SeedSequence((self.seed, trainer.global_step)).generate_state(1)[0]))


def expected(module: lightning.LightningModule) -> int:
    """About how many bytes a first checkpoint takes: the weights, their average, two moments of what is trained."""
    state: int = sum(t.nbytes for t in module.state_dict().values())
    moments: int = 2 * sum(p.nbytes for p in module.parameters() if p.requires_grad)
    return state + moments


def callbacks(out: Path, seed: int) -> list[lightning.Callback]:
    """What seeds each step, and keeps the checkpoint of the last whole epoch of the run in `out`.

    Its trainer needs the plugin `Whole`.
    """
    # Without a monitor "the best one" is the latest; Lightning saves none at all for save_top_k=0.
    name = Path(LAST).stem
    return [
        Seeded(seed),
        Room(out),
        ModelCheckpoint(out, name, save_top_k=1, save_on_train_epoch_end=True, enable_version_counter=False),
    ]
