"""`cadviewer-train nodules`: trains the SSD (`models.nets.ssd`) on lung slices and exports it with its card.

Matching, losses and hard negatives: SSD, arXiv 1512.02325 §2.2; focal loss: arXiv 1708.02002. The weights that are
validated and exported are a running average of the trained ones.
"""

from __future__ import annotations

import dataclasses
import math
import pickle
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import ModelCheckpoint, TQDMProgressBar
from torch import Tensor
from torch.utils.data import DataLoader

from cadviewer import __version__
from cadviewer.findings import Task
from cadviewer.models.boxes import SMALL, default_boxes, levels, paper_levels
from cadviewer.models.catalogue import ModelCard
from cadviewer.models.detect import Decoding, detect, repair_wrapped
from cadviewer.models.nets import build
from cadviewer.models.nets.runtime import TorchForward
from cadviewer.models.nets.runtime import build as build_card
from cadviewer.models.runtime import Forward
from trainers import config, export, froc, precision, run_log, suspicion
from trainers.data import luna16_slices, read_slices, samples
from trainers.data.samples import LabelledSlice
from trainers.nodule_crops import Crops, CropSettings, EpochSampler
from trainers.nodule_losses import box_loss, focal, mined

TITLE = "SSD for pulmonary nodules on axial chest CT"


@dataclass(frozen=True)
class Settings:
    """Settings of a run (`--set key=value`).

    boxes: "small" (fits nodules of 3–30 mm) or "paper" (TF object detection defaults); loss: "focal" or "mined"
    (softmax with hard negatives 3:1); crops: per epoch, 0 for one per slice; check_every: epochs between validations.
    start_from: checkpoint of an earlier run to start from; mine: cut crops where that run saw nodules that are none.
    """

    backbone: str = "mobilenet_v1"
    boxes: str = "small"
    loss: str = "focal"
    width: int = 96
    epochs: int = 160
    crops: int = 0
    batch: int = 16
    lr: float = 2.5e-3
    optimizer: str = "adamw"
    weight_decay: float = 0.05
    warm_up: float = 0.08
    average: float = 0.998
    clip: float = 5.0
    box_weight: float = 1.0
    size: int = 128
    nodules: float = 0.75
    positive: float = 0.4
    negative: float = 0.22
    background: float = 0.12
    narrow: float = 0.2
    seed: int = 1
    threads: int = 0
    workers: int = 0
    device: str = "auto"
    precision: str = "auto"
    check_every: int = 10
    limit: int = 0
    start_from: str = ""
    mine: bool = False
    name: str = "nodules-ssd-mobilenet_v1"
    version: str = "1"


PRESETS: dict[str, dict[str, Any]] = {
    "paper": {
        "boxes": "paper",
        "loss": "mined",
        "size": 416,
        "batch": 64,
        "positive": 0.5,
        "negative": 0.5,
        "lr": 0.004,
        "optimizer": "rmsprop",
        "weight_decay": 4e-5,
        "background": 0.0,
        "narrow": 0.0,
    },
}


def network_config(settings: Settings) -> dict[str, Any]:
    """`ModelCard.config`: the arguments of `models.nets.ssd.SSD`."""
    paper = settings.boxes == "paper"
    return {
        "backbone": settings.backbone,
        "boxes": list(paper_levels(settings.size) if paper else SMALL),
        "maps": "extras" if paper else "topdown",
        "width": settings.width,
        "classes": ["nodule"],
        "softmax": settings.loss == "mined",
    }


class NoduleTask(lightning.LightningModule):
    """One network with its running average, losses and schedule."""

    def __init__(self, settings: Settings, steps: int) -> None:
        super().__init__()
        self.settings, self.steps = settings, steps
        network = network_config(settings)
        self.net = build("ssd", network).to(memory_format=torch.channels_last)
        self.smooth = build("ssd", network).to(memory_format=torch.channels_last).requires_grad_(False).eval()
        self.smooth.load_state_dict(self.net.state_dict())
        made = levels(network["boxes"])
        self.register_buffer("defaults", torch.from_numpy(default_boxes(made, settings.size, settings.size)), False)
        self.sums: dict[str, float] = {}

    def training_step(self, batch: tuple[Tensor, Tensor, Tensor], index: int) -> Tensor:
        """Loss of one batch of crops."""
        images, labels, targets = batch
        logits, offsets = self.net(images.to(memory_format=torch.channels_last))
        classes = focal(logits, labels) if self.settings.loss == "focal" else mined(logits, labels)
        boxes = box_loss(offsets, labels, targets, self.get_buffer("defaults"))
        loss = classes + self.settings.box_weight * boxes
        for key, value in (("classes", classes), ("boxes", boxes)):
            self.sums[key] = self.sums.get(key, 0.0) + float(value.detach())
        self.sums["steps"] = self.sums.get("steps", 0.0) + 1
        return loss

    def on_train_batch_end(self, *_: Any) -> None:
        """Move the running average; it follows faster at the start."""
        decay = min(self.settings.average, (1 + self.global_step) / (10 + self.global_step))
        ours, averaged = self.net.state_dict(), self.smooth.state_dict()
        for key, value in averaged.items():
            if value.is_floating_point():
                value.lerp_(ours[key].to(value.dtype), 1 - decay)
            else:
                value.copy_(ours[key])

    def configure_optimizers(self) -> Any:
        """AdamW (no decay of norms and biases) or RMSProp; linear warm-up, then a cosine to 1 %."""
        s = self.settings
        decayed = [p for p in self.net.parameters() if p.ndim > 1]
        plain = [p for p in self.net.parameters() if p.ndim <= 1]
        groups = [{"params": decayed, "weight_decay": s.weight_decay}, {"params": plain, "weight_decay": 0.0}]
        made: torch.optim.Optimizer
        if s.optimizer == "adamw":
            made = torch.optim.AdamW(groups, lr=s.lr)
        elif s.optimizer == "rmsprop":
            made = torch.optim.RMSprop(groups, lr=s.lr, alpha=0.9, momentum=0.9, eps=1.0)
        elif s.optimizer == "sgd":
            made = torch.optim.SGD(groups, lr=s.lr, momentum=0.9)
        else:
            raise config.ConfigError(f"optimizer: {s.optimizer!r} is none of adamw, rmsprop, sgd")
        warm = max(1, int(self.steps * s.warm_up))

        def factor(step: int) -> float:
            if step < warm:
                return (step + 1) / warm
            done = min(1.0, (step - warm) / max(1, self.steps - warm))
            return 0.01 + 0.99 * (1 + math.cos(math.pi * done)) / 2

        return {
            "optimizer": made,
            "lr_scheduler": {"scheduler": torch.optim.lr_scheduler.LambdaLR(made, factor), "interval": "step"},
        }


def score_slices(slices: Sequence[LabelledSlice], forward: Forward, decoding: Decoding) -> list[froc.Slice]:
    """Marks on whole slices, for validation while training."""
    scored = []
    for item in slices:
        image = repair_wrapped(item.pixels()).astype(np.float32) / np.float32(255)
        marks = detect([image].__getitem__, 1, forward, decoding)[0]
        boxes, nodules, others = (np.asarray(b, float) for b in (marks.boxes, item.boxes, item.others))
        ignored = np.concatenate([others, np.asarray(item.ignored, float)])
        scored.append(froc.Slice(boxes, np.asarray(marks.scores, float), nodules, ignored))
    return scored


def summary(scored: Sequence[froc.Slice]) -> dict[str, float]:
    """The figures shown while training: hits by IoU ≥ 0.5 (top1, ap50) and by the centre in the box (sens…)."""
    curve = froc.froc(froc.match_slices(scored, rule="centre"))
    return {
        "top1": float(precision.top1([s for s in scored if len(s.nodules)]).mean()),
        "sens1": float(froc.sensitivity_at(curve, [1.0], interpolation="step")[0]),
        "mean_sens": froc.cpm(curve, interpolation="step"),
        "ap50": precision.average_precision(precision.rank(scored)),
    }


class Validation(lightning.Callback):
    """Figures on the tune fold every few epochs, and the parts of the loss after each, for the run's log."""

    def __init__(self, slices: Sequence[LabelledSlice], settings: Settings, out: Path) -> None:
        self.slices, self.settings, self.out = slices, settings, out
        self.started = time.monotonic()

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Write the figures when it is time."""
        assert isinstance(pl_module, NoduleTask)
        epoch = trainer.current_epoch + 1
        steps = pl_module.sums.pop("steps", 1.0)
        parts = {f"loss_{k}": round(pl_module.sums.pop(k, 0.0) / steps, 5) for k in ("classes", "boxes")}
        if epoch % self.settings.check_every and epoch != self.settings.epochs:
            return
        forward = TorchForward(pl_module.smooth, pl_module.device)
        decoding = Decoding.of(network_config(self.settings), {"views": {"volume": "one"}})
        figures = {k: round(v, 4) for k, v in summary(score_slices(self.slices, forward, decoding)).items()}
        run_log.write(
            self.out,
            "tune",
            epoch=epoch,
            step=trainer.global_step,
            progress=round(epoch / self.settings.epochs, 4),
            seconds=round(time.monotonic() - self.started, 1),
            **parts,
            **figures,
        )


def run(file: Path | None, data: Path, out: Path, assignments: Sequence[str], resume: bool) -> None:
    """Train, resume, export into `out`. Raises ConfigError for settings and data that cannot be used."""
    settings = config.merge(Settings, PRESETS, file=file, assignments=assignments)
    out.mkdir(parents=True, exist_ok=True)
    last = config.checkpoint(out, resume=resume)
    config.save(settings, out / "settings.json")
    if settings.threads:
        torch.set_num_threads(settings.threads)
        cv2.setNumThreads(settings.threads)
    lightning.seed_everything(settings.seed, verbose=False)
    train = read_slices(data, samples.TRAIN)[: settings.limit or None]
    tune = read_slices(data, samples.TUNE)[: settings.limit or None]
    with run_log.recorded(out, dataclasses.asdict(settings), data) as result:
        task = fit(settings, train, tune, out, last)
        card = choose(export_run(task, settings, out, train), train, tune)
        result["card"] = str(card.folder / f"{card.name}.json")


def fit(
    settings: Settings,
    train: Sequence[LabelledSlice],
    tune: Sequence[LabelledSlice],
    out: Path,
    checkpoint: Path | None,
) -> NoduleTask:
    """Train (on) and return the task with its weights."""
    crop = CropSettings(
        settings.size,
        settings.nodules,
        settings.positive,
        settings.negative,
        0.0 if settings.boxes == "paper" else 5.0,
        settings.background,
        settings.narrow,
    )
    task = NoduleTask(settings, 1)
    started = _start(task, settings)
    false_alarms = mine(train, started) if started is not None and settings.mine else None
    crops = Crops(train, levels(network_config(settings)["boxes"]), crop, settings.seed, false_alarms)
    sampler = EpochSampler(len(crops), settings.crops or len(crops), settings.seed)
    loader: DataLoader[Any] = DataLoader(
        crops,
        batch_size=settings.batch,
        sampler=sampler,
        num_workers=settings.workers,
        drop_last=len(sampler) > settings.batch,
    )
    task.steps = settings.epochs * len(loader)
    cuda = torch.cuda.is_available() and settings.device != "cpu"
    precision = settings.precision
    if precision == "auto":
        precision = "bf16-mixed" if cuda or torch.backends.cpu.get_cpu_capability() == "AVX512" else "32-true"
    trainer = lightning.Trainer(
        max_epochs=settings.epochs,
        accelerator="cuda" if cuda else "cpu",
        devices=1,
        precision=precision,  # type: ignore[arg-type]
        gradient_clip_val=settings.clip,
        logger=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        default_root_dir=out,
        deterministic=True,
        callbacks=[
            Validation(tune, settings, out),
            run_log.RunLog(out),
            ModelCheckpoint(dirpath=out, filename="last", save_top_k=1, every_n_epochs=1, enable_version_counter=False),
            TQDMProgressBar(refresh_rate=20),
        ],
    )
    # Tensors and plain values: nothing is unpickled, in a run from elsewhere neither.
    trainer.fit(task, loader, ckpt_path=checkpoint, weights_only=True)
    return task


def _start(task: NoduleTask, settings: Settings) -> NoduleTask | None:
    """Load the averaged weights of an earlier run into both networks; None where there is none to start from."""
    if not settings.start_from:
        return None
    try:
        state = torch.load(settings.start_from, map_location="cpu", weights_only=True)["state_dict"]
        task.load_state_dict(state)
    except (OSError, KeyError, RuntimeError, pickle.UnpicklingError) as error:
        raise config.ConfigError(f"start_from: {settings.start_from} does not fit ({type(error).__name__})") from error
    task.net.load_state_dict(task.smooth.state_dict())
    return task


def mine(
    slices: Sequence[LabelledSlice], task: NoduleTask, *, least: float = 0.05, most: int = 6
) -> list[list[tuple[float, float]]]:
    """For each slice the (x, y) of the best marks that lie on no nodule: where a network can still learn the most."""
    forward = TorchForward(task.smooth, task.device)
    scored = score_slices(slices, forward, Decoding.of(network_config(task.settings), {"views": {"volume": "one"}}))
    found = []
    for one in scored:
        known = np.concatenate([one.nodules, one.ignored])
        free = ~froc.hit_table(one.boxes, known, least_iou=0.02).any(axis=1) & (one.scores >= least)
        centres = (one.boxes[free, :2] + one.boxes[free, 2:]) / 2
        found.append([(float(x), float(y)) for x, y in centres[:most]])
    return found


def export_run(task: NoduleTask, settings: Settings, out: Path, train: Sequence[LabelledSlice]) -> ModelCard:
    """Write the averaged weights and a card without figures into `out`; `evaluate --update-card` adds them."""
    card = ModelCard(
        name=settings.name,
        version=settings.version,
        task=Task.NODULES,
        title=TITLE,
        network="ssd",
        config=network_config(settings),
        inputs={"pixel_mm": luna16_slices.PIXEL_MM, "window": list(luna16_slices.WINDOW), "lung_mask": True},
        threshold=0.5,
        weights_sha256="",
        paper="SSD: Liu et al. 2016, arXiv 1512.02325; lung nodules: Abdullah et al.",
        calibration={"views": {"volume": "four", "single": "twelve"}, "nms": 0.3, "floor": 0.01, "keep": 50},
        training={
            "data": "LUNA16 slices (ct/luna16-slices), folds 3–9 by patient; fold 2 for choices",
            "slices": len(train),
            "patients": len({s.patient for s in train}),
            "licence": "LUNA16 CC BY 4.0, LIDC-IDRI CC BY 3.0",
            "cite": ["Setio et al. 2017 (LUNA16)", "Armato et al. 2011 (LIDC-IDRI)"],
            "settings": dataclasses.asdict(settings),
            "application": __version__,
        },
        limits=LIMITS,
    )
    state: Mapping[str, Tensor] = task.smooth.state_dict()
    return export.export(state, card, out)


def choose(card: ModelCard, train: Sequence[LabelledSlice], tune: Sequence[LabelledSlice]) -> ModelCard:
    """What is fixed after training: the threshold on the tune slices, and the suspicion learned from ratings.

    The threshold is the lowest one with at most one false alarm in eight tune slices, by the exported weights.
    """
    forward = TorchForward(build_card(card))
    scored = score_slices(tune, forward, Decoding.of(card.config, card.calibration, single=True))
    threshold = card.threshold
    if scored:
        curve = froc.froc(froc.match_slices(scored, rule="centre"))
        threshold = float(np.clip(froc.threshold_at(curve, FALSE_ALARMS), 0.05, 0.95))
    calibration = dict(card.calibration)
    learned = suspicion.learn(train, tune, luna16_slices.PIXEL_MM)
    if learned is not None:
        calibration["malignancy"] = learned
    chosen = dataclasses.replace(card, threshold=round(threshold, 3), calibration=calibration)
    export.write_card(chosen)
    return chosen


FALSE_ALARMS = 0.125
"""False alarms per tune slice that the default threshold allows."""

LIMITS = (
    "For research use only; not a medical device.",
    "Trained on 830 lung-masked slices that each hold a nodule of 3 mm or more; slices without any were not part of "
    "the training data.",
    "Looks at single slices; neighbouring slices are only joined afterwards.",
    "Boxes of LUNA16 are squares whose side is a step function of the diameter: sizes come from the outline instead.",
)
