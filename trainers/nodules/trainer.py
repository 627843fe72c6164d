"""`cadviewer-train nodules`: trains the SSD (`models.nets.ssd`) on lung slices and exports it with its card.

Matching, losses and hard negatives: SSD, arXiv 1512.02325 §2.2; focal loss: arXiv 1708.02002. The weights that are
validated and exported are a running average of the trained ones.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from cadviewer.models.nets import build
from cadviewer.models.nets.runtime import TorchForward
from cadviewer.models.nets.ssd import SSD
from cadviewer.models.nodules.boxes import default_boxes, levels
from cadviewer.models.nodules.detection import Decoding
from cadviewer.training_events import Tune, append
from trainers import config, enough, fitting, pretrained
from trainers.data import read_slices, recognise
from trainers.data.ct import lidc_crops, samples
from trainers.data.ct.lidc_crops import OutlinedCrop
from trainers.data.ct.samples import LabelledSlice
from trainers.metrics import froc
from trainers.nodules import feature_selection
from trainers.nodules import sources as nodule_sources
from trainers.nodules.card import choose, export_run, sizes_of
from trainers.nodules.crops import Crops, CropSettings, EpochSampler
from trainers.nodules.losses import box_loss, focal, mined
from trainers.nodules.scoring import score_slices, summary
from trainers.nodules.settings import PRESETS, NoduleSettings, classes_of, network_config


class NoduleTask(fitting.Averaged):
    """One network with its running average, losses and schedule."""

    def __init__(self, settings: NoduleSettings, steps: int, network: Mapping[str, Any] | None = None) -> None:
        """network: `ModelCard.config`, where it is not the one that the settings alone ask for."""
        made = network_config(settings) if network is None else dict(network)
        super().__init__(lambda: build("ssd", made), settings.average, steps)
        self.settings, self.network = settings, made
        rows, columns = crop_settings(settings).shape
        self.register_buffer("defaults", torch.from_numpy(default_boxes(levels(made["boxes"]), rows, columns)), False)
        self.sums: dict[str, float] = {}
        self.started_with: dict[str, Any] | None = None

    def training_step(self, batch: tuple[Tensor, Tensor, Tensor], index: int) -> Tensor:
        """Loss of one batch of crops."""
        images, labels, targets = batch
        logits, offsets = self.net(images.to(memory_format=torch.channels_last))
        s = self.settings
        classes = focal(logits, labels) if s.loss == "focal" else mined(logits, labels, least=s.least_negatives)
        boxes = box_loss(offsets, labels, targets, self.get_buffer("defaults"), kind=s.box_loss)
        loss = classes + self.settings.box_weight * boxes
        for key, value in (("classes", classes), ("boxes", boxes)):
            self.sums[key] = self.sums.get(key, 0.0) + float(value.detach())
        self.sums["steps"] = self.sums.get("steps", 0.0) + 1
        return loss

    def configure_optimizers(self) -> Any:
        """AdamW, RMSProp or momentum; linear warm-up, then a cosine to 1 %, or not."""
        s = self.settings
        rates = {"backbone": s.lr * s.backbone_lr_factor} if s.backbone_lr_factor != 1 else None
        groups = fitting.groups(self.net, s.weight_decay, rates)
        made: torch.optim.Optimizer
        if s.optimizer == "adamw":
            made = torch.optim.AdamW(groups, lr=s.lr)
        elif s.optimizer == "rmsprop":
            made = torch.optim.RMSprop(groups, lr=s.lr, alpha=0.9, momentum=0.9, eps=1.0)
        elif s.optimizer == "sgd":
            made = torch.optim.SGD(groups, lr=s.lr, momentum=0.9)
        else:
            raise config.ConfigError(f"optimizer: {s.optimizer!r} is none of adamw, rmsprop, sgd")
        return self.scheduled(made, s.warm_up, constant=s.schedule == "constant")


class NoduleValidation(lightning.Callback):
    """Figures on the tune fold every few epochs, and the parts of the loss after each, for the run's log."""

    def __init__(self, slices: Sequence[LabelledSlice], settings: NoduleSettings, out: Path) -> None:
        self.slices, self.settings, self.out = slices, settings, out
        self.started = time.monotonic()

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Write the figures when it is time."""
        assert isinstance(pl_module, NoduleTask)
        epoch = trainer.current_epoch + 1
        steps = pl_module.sums.pop("steps", 1.0)
        parts = {f"loss_{k}": round(pl_module.sums.pop(k, 0.0) / steps, 5) for k in ("classes", "boxes")}
        if epoch % self.settings.check_every and trainer.global_step < pl_module.steps:
            return
        figures: dict[str, float] = {}
        if any(len(s.boxes) for s in self.slices):
            forward = TorchForward(pl_module.smooth, pl_module.device)
            decoding = Decoding.of(pl_module.network, {"views": {"volume": "one"}})
            scored = score_slices(self.slices, forward, decoding, sizes_of(self.settings))
            figures = {k: round(v, 4) for k, v in summary(scored).items()}
        event = Tune(
            trainer.global_step,
            epoch,
            round(min(1.0, trainer.global_step / pl_module.steps), 4),
            round(time.monotonic() - self.started, 1),
            {**parts, **figures},
        )
        append(self.out, event)


def run(file: Path | None, data: Path, out: Path, assignments: Sequence[str], resume: bool) -> None:
    """Train, resume, export into `out`. Raises ConfigError for settings and data that cannot be used."""
    with fitting.begun(
        NoduleSettings, PRESETS, file=file, data=data, out=out, assignments=assignments, resume=resume
    ) as current:
        settings = current.settings
        train = read_slices(data, samples.TRAIN)[: settings.limit or None]
        tune = read_slices(data, samples.TUNE)[: settings.limit or None]
        about = recognise(data)
        enough.require(enough.slices(train, tune, patients=about.patients is not None))
        crops = lidc_crops.read(data, samples.TRAIN)[: settings.limit or None] if settings.hounsfield else []
        task = fit(
            settings, train, tune, out, current.last, classes=classes_of(settings, about.labels), crops=crops, data=data
        )
        made = export_run(task.smooth.state_dict(), task.network, settings, out, train, about, crops, task.started_with)
        current.made(choose(made, train, tune, data))


def fit(
    settings: NoduleSettings,
    train: Sequence[LabelledSlice],
    tune: Sequence[LabelledSlice],
    out: Path,
    checkpoint: Path | None,
    *,
    classes: Sequence[str] = samples.NODULE,
    crops: Sequence[OutlinedCrop] = (),
    data: Path | None = None,
) -> NoduleTask:
    """Train (on) and return the task with its weights.

    crops: in Hounsfield units, for `settings.hounsfield`; data: the folder of data sets, for `settings.pretrained`.
    """
    keep = feature_selection.settled(settings, classes, train, out, resumed=checkpoint is not None)
    task = NoduleTask(settings, 1, network_config(settings, classes, keep))
    task.started_with = _pretrained(task, train, data) if checkpoint is None else None
    started = _start(task, settings)
    false_alarms = mine(train, started) if started is not None and settings.mine else None
    loader = _batches(task, train, crops, false_alarms) if settings.in_batches else _crops(task, train, false_alarms)
    task.steps = settings.iterations or settings.epochs * len(loader)
    validation = NoduleValidation(tune, settings, out)
    fitting.fit(task, loader, out, checkpoint, [validation], settings, iterations=settings.iterations)
    return task


FalseAlarms = Sequence[Sequence[tuple[float, float]]]


def _crops(task: NoduleTask, train: Sequence[LabelledSlice], false_alarms: FalseAlarms | None) -> DataLoader[Any]:
    """Crops one at a time, put together to batches."""
    settings = task.settings
    crops = Crops(
        train,
        levels(task.network["boxes"]),
        crop_settings(settings),
        settings.seed,
        false_alarms,
        by_class=settings.classes == "each",
    )
    sampler = EpochSampler(len(crops), settings.crops or len(crops), settings.seed)
    return DataLoader(
        crops,
        batch_size=settings.batch,
        sampler=sampler,
        num_workers=settings.workers,
        drop_last=len(sampler) > settings.batch,
    )


def _batches(
    task: NoduleTask,
    train: Sequence[LabelledSlice],
    crops: Sequence[OutlinedCrop],
    false_alarms: FalseAlarms | None,
) -> DataLoader[Any]:
    """Batches made on the device that trains, of slices and of crops in Hounsfield units."""
    settings = task.settings
    device = fitting.device(settings)
    sources = [(nodule_sources.shelf_of_slices(train, device, settings.seed, false_alarms), 1 - settings.hounsfield)]
    if settings.hounsfield:
        sources.append((nodule_sources.shelf_of_crops(crops, device, settings.seed), settings.hounsfield))
    batches = nodule_sources.Batches(
        sources, settings.batch, crop_settings(settings), task.get_buffer("defaults"), settings.seed
    )
    steps = -(-(settings.crops or len(train)) // settings.batch)
    return DataLoader(batches, batch_size=None, sampler=EpochSampler(1, steps, settings.seed))


def crop_settings(settings: NoduleSettings) -> CropSettings:
    """What the settings of a run say of its crops."""
    return CropSettings(
        size=settings.size,
        nodules=settings.nodules,
        positive=settings.positive,
        negative=settings.negative,
        least_side=settings.widened,
        background=settings.background,
        narrow=settings.narrow,
        augment=settings.augment,
        whole=settings.input_size,
        neighbours=settings.neighbours,
    )


def _pretrained(task: NoduleTask, train: Sequence[LabelledSlice], data: Path | None) -> dict[str, Any] | None:
    """Put the weights that a run starts from into both networks; what a card says of them."""
    settings = task.settings
    if settings.pretrained == "none":
        return None
    assert isinstance(task.net, SSD)
    backbone = task.net.backbone
    assert isinstance(backbone, nn.Module)
    gray = pretrained.GrayImages(lambda: nodule_sources.middles(train, pretrained.SEEN))
    said = pretrained.load(backbone, settings.backbone, settings.pretrained, data or Path(), gray)
    task.smooth.load_state_dict(task.net.state_dict())
    return said


def _start(task: NoduleTask, settings: NoduleSettings) -> NoduleTask | None:
    """Load the averaged weights of an earlier run into both networks; None where there is none to start from."""
    if settings.start_from is None:
        return None
    state = feature_selection.state_of(settings.start_from)
    if "keep" in task.network:
        state = feature_selection.carry(state, task.network, task.network["keep"])
    try:
        task.load_state_dict(state)
    except RuntimeError as error:
        raise config.ConfigError(f"start_from: {settings.start_from} does not fit ({type(error).__name__})") from error
    task.net.load_state_dict(task.smooth.state_dict())
    return task


def mine(
    slices: Sequence[LabelledSlice], task: NoduleTask, *, least: float = 0.05, most: int = 6
) -> list[list[tuple[float, float]]]:
    """For each slice the (x, y) of the best marks that lie on no nodule: where a network can still learn the most."""
    forward = TorchForward(task.smooth, task.device)
    decoding = Decoding.of(task.network, {"views": {"volume": "one"}})
    scored = score_slices(slices, forward, decoding, sizes_of(task.settings))
    found = []
    for one in scored:
        known = np.concatenate([one.nodules, one.ignored])
        free = ~froc.hit_table(one.boxes, known, least_iou=0.02).any(axis=1) & (one.scores >= least)
        centres = (one.boxes[free, :2] + one.boxes[free, 2:]) / 2
        found.append([(float(x), float(y)) for x, y in centres[:most]])
    return found
