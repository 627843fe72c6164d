"""`cadviewer-train outline`: trains the network that outlines the nodule in a box, and exports it with its card.

What is learned is the share of readers who count a pixel in, not one vote: half of it is the boundary of the
consensus (at least half of the readers), its area is the readers' mean area, and where readers disagree the network is
not pushed to a side. Loss: cross-entropy with that share plus the Dice loss of Milletari et al. (arXiv 1606.04797).
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning
import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader

from cadviewer import __version__
from cadviewer.findings import Task
from cadviewer.models import runtime
from cadviewer.models.catalogue import ModelCard
from cadviewer.models.nets import build
from cadviewer.models.nets.runtime import TorchForward
from cadviewer.models.nodules import outline
from cadviewer.models.runtime import Companion
from cadviewer.training_events import Tune, append
from trainers import config, enough, export, fitting
from trainers.data.ct import lidc_crops, lidc_ratings, samples
from trainers.data.ct.lidc_crops import OutlinedCrop
from trainers.data.ct.luna16_slices import WINDOW
from trainers.nodules import types as nodule_types
from trainers.nodules.crops import EpochSampler
from trainers.outline import figures as outline_figures
from trainers.outline.patches import Patches, PatchSettings
from trainers.outline.settings import PRESETS, OutlineSettings

TITLE = "Outline of the nodule in a box on axial chest CT"


def loss_of(logits: Tensor, share: Tensor, weight: float) -> Tensor:
    """Cross-entropy with the readers' share plus `weight` × Dice loss, for (n, 1, s, s)."""
    raw = logits.float()
    entropy = functional.binary_cross_entropy_with_logits(raw, share)
    chance = torch.sigmoid(raw)
    shared = 2 * (chance * share).sum((1, 2, 3)) + 4.0  # the 4: a patch without a nodule is not all or nothing
    dice = shared / (chance.sum((1, 2, 3)) + share.sum((1, 2, 3)) + 4.0)
    return 4 * entropy + weight * (1 - dice).mean()


class OutlineTask(fitting.Averaged):
    """One network with its running average and schedule."""

    def __init__(self, settings: OutlineSettings, steps: int) -> None:
        super().__init__(lambda: build("outline", {"widths": settings.widths}), settings.average, steps)
        self.settings = settings

    def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
        """Loss of one batch of patches."""
        planes, share = batch
        (logits,) = self.net(planes.to(memory_format=torch.channels_last))
        return loss_of(logits, share, self.settings.dice)

    def configure_optimizers(self) -> Any:
        """AdamW; linear warm-up, then a cosine to 1 %."""
        s = self.settings
        made = torch.optim.AdamW(self.net.parameters(), lr=s.lr, weight_decay=s.weight_decay)
        return self.scheduled(made, s.warm_up)


class OutlineValidation(lightning.Callback):
    """Dice on the tune fold every few epochs, for the run's log."""

    def __init__(self, crops: Sequence[OutlinedCrop], settings: OutlineSettings, out: Path) -> None:
        self.crops, self.settings, self.out = crops, settings, out
        self.started = time.monotonic()

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Write the figures when it is time."""
        assert isinstance(pl_module, OutlineTask)
        epoch = trainer.current_epoch + 1
        if not self.crops or (epoch % self.settings.check_every and epoch != self.settings.epochs):
            return
        forward = TorchForward(pl_module.smooth, pl_module.device, batch_size=32)
        event = Tune(
            trainer.global_step,
            epoch,
            round(epoch / self.settings.epochs, 4),
            round(time.monotonic() - self.started, 1),
            {k: round(v, 4) for k, v in outline_figures.quick(self.crops, forward).items()},
        )
        append(self.out, event)


def run(file: Path | None, data: Path, out: Path, assignments: Sequence[str], resume: bool) -> None:
    """Train, resume, export into `out`. Raises ConfigError for settings and data that cannot be used."""
    with fitting.begun(
        OutlineSettings, PRESETS, file=file, data=data, out=out, assignments=assignments, resume=resume
    ) as current:
        settings = current.settings
        train = lidc_crops.read(data, samples.TRAIN)[: settings.limit or None]
        tune = lidc_crops.read(data, samples.TUNE)[: settings.limit or None]
        enough.require(enough.outlines(len(train), lidc_crops.summary(data).patients))
        task = fit(settings, train, tune, out, current.last)
        current.made(choose(export_run(task, settings, out, train), tune, data))


def fit(
    settings: OutlineSettings,
    train: Sequence[OutlinedCrop],
    tune: Sequence[OutlinedCrop],
    out: Path,
    checkpoint: Path | None,
) -> OutlineTask:
    """Train (on) and return the task with its weights."""
    patches = Patches(train, PatchSettings(), settings.seed)
    sampler = EpochSampler(len(patches), settings.patches or len(patches), settings.seed)
    loader: DataLoader[Any] = DataLoader(
        patches, batch_size=settings.batch, sampler=sampler, drop_last=len(sampler) > settings.batch
    )
    task = OutlineTask(settings, settings.epochs * len(loader))
    fitting.fit(task, loader, out, checkpoint, [OutlineValidation(tune, settings, out)], settings)
    return task


def export_run(task: OutlineTask, settings: OutlineSettings, out: Path, train: Sequence[OutlinedCrop]) -> ModelCard:
    """Write the averaged weights and a card without figures into `out`; `evaluate --update-card` adds them."""
    card = ModelCard(
        name=settings.name,
        version=settings.version,
        task=Task.NODULES,
        title=TITLE,
        network="outline",
        config={"widths": list(settings.widths)},
        inputs={
            "window": list(WINDOW),
            "side": outline.SIDE,
            "context": outline.CONTEXT,
            "least_px": outline.LEAST_PX,
            "views": {"volume": "one", "single": "eight"},
            "batch": 16,
        },
        threshold=0.5,
        weights_sha256="",
        role="outline",
        paper="U-Net: Ronneberger et al. 2015, arXiv 1505.04597 (made small)",
        training={
            "data": "LIDC-IDRI crops in HU with outlines (ct/lidc-hu-crops128), folds 3–9; fold 2 for choices",
            "target": "share of the readers (2 to 4) who count a pixel in",
            "crops": len(train),
            "patients": len({c.patient for c in train}),
            "patients by set": {lidc_crops.NAME: sorted({c.patient for c in train})},
            "licence": "LIDC-IDRI CC BY 3.0",
            "cite": ["Armato et al. 2011 (LIDC-IDRI)"],
            "settings": config.described(settings),
            "application": __version__,
        },
        limits=LIMITS,
    )
    return export.export(task.smooth.state_dict(), card, out)


def choose(card: ModelCard, tune: Sequence[OutlinedCrop], data: Path) -> ModelCard:
    """What is fixed after training: the probability of the boundary, by Dice on the tune crops, and the nodule type.

    The type (`models.nodules.nodule_type`) stands on this network's outlines, so it is part of its card; it is learned
    where `data` holds slices with texture ratings, from all folds but the test fold.
    """
    forward = runtime.ready(card, batch_size=32)
    chosen = dataclasses.replace(card, threshold=outline_figures.best_level(tune, forward)) if tune else card
    if lidc_ratings.holds(data):
        rated = lidc_ratings.read(data, (*samples.TRAIN, *samples.TUNE))
        learned = nodule_types.learn(*nodule_types.table(rated, Companion(chosen, forward)))
        if learned is not None:
            chosen = dataclasses.replace(chosen, calibration={**chosen.calibration, "type": learned})
    export.write_card(chosen)
    return chosen


LIMITS = (
    "For research use only; not a medical device.",
    "Outlines what readers of LIDC-IDRI outlined: nodules of 3 mm and more that at least two of four marked.",
    "Looks at single slices.",
    "Needs a box: where there is no nodule it may outline a vessel or nothing.",
)
