"""One optimisation of a breast network on Lightning: images in memory, schedule, averaged weights, figures."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset, Sampler
from torchmetrics.classification import BinaryAUROC, BinaryRecall, BinarySpecificity

from cadviewer.models.breast.analysis import normalise, pad_to_square, resize
from cadviewer.models.nets.breast_network import BreastNetwork
from cadviewer.training_events import Tune, append
from trainers import fitting
from trainers.breast.losses import paper_loss, tuned_loss
from trainers.breast.settings import BreastSettings
from trainers.data.ultrasound.augmentation import Strength, augment, without_lesion
from trainers.data.ultrasound.cases import UltrasoundCase

CACHE = 256  # side at which images wait in memory; augmentation cuts the network's input out of it


class Images(Dataset[tuple[NDArray[np.float32], NDArray[np.float32], np.float32]]):
    """Decoded cases in memory: (C, S, S) normalised image, (1, S, S) mask, label; augmented by `strength`.

    normals: share of augmented images that show tissue beside the lesion instead, see `without_lesion`.
    sets: how many of the cases, in order, are of each set; epoch_images: see `Order`.
    """

    def __init__(
        self,
        cases: Sequence[UltrasoundCase],
        size: int,
        channels: int,
        strength: Strength | None,
        seed: int,
        *,
        normals: float = 0.0,
        sets: Sequence[int] = (),
        epoch_images: int = 0,
    ) -> None:
        self.size, self.channels, self.strength, self.seed, self.normals = size, channels, strength, seed, normals
        self.sets, self.epoch_images = tuple(sets) or (len(cases),), epoch_images
        self.epoch = 0
        self.images, self.masks = [], []
        self.labels = np.array([bool(c.malignant) for c in cases], np.float32)
        for case in cases:
            gray, mask = case.read()
            self.images.append(resize(pad_to_square(gray)[0], CACHE))
            self.masks.append(resize(pad_to_square(mask * np.uint8(255))[0], CACHE))
        self.normal = np.array([c.normal for c in cases])

    def __len__(self) -> int:
        return len(self.images)

    @property
    def seen(self) -> dict[str, int]:
        """How many images there are of each class."""
        malignant, normal = int(self.labels.sum()), int(self.normal.sum())
        counted = {"benign": len(self.labels) - malignant - normal, "malignant": malignant}
        return counted | ({"normal": normal} if normal else {})

    def __getitem__(self, index: int) -> tuple[NDArray[np.float32], NDArray[np.float32], np.float32]:
        image, mask = self.images[index], (self.masks[index] > 127).astype(np.uint8)
        label: np.float32 = self.labels[index]
        if self.strength is None:
            image, mask = resize(image, self.size), (resize(self.masks[index], self.size) > 127).astype(np.uint8)
        else:
            generator = np.random.default_rng((self.seed, self.epoch, index))
            tissue = without_lesion(image, mask, generator) if generator.random() < self.normals else None
            if tissue is not None:
                image, mask, label = tissue, np.zeros_like(mask), np.float32(0)
            image, mask = augment(image, mask, self.size, self.strength, generator)
        prepared = np.repeat(normalise(image)[None], self.channels, 0)
        return prepared, mask[None].astype(np.float32), label

    def plain(self, count: int) -> Tensor:
        """(n, 1, S, S): at most `count` of the images, evenly chosen, normalised and not augmented."""
        chosen = self.images[:: max(1, len(self.images) // count)][:count]
        return torch.from_numpy(np.stack([normalise(resize(image, self.size)) for image in chosen])[:, None])


class Training(fitting.Averaged):
    """One optimisation of one network, whose running average is what is measured and kept (`smooth`)."""

    def __init__(self, settings: BreastSettings, network: BreastNetwork) -> None:
        super().__init__(lambda: copy.deepcopy(network), settings.average)
        self.settings, self.encoder = settings, "encoder" if network.encoder_name else ""
        self.auc, self.recall, self.specificity = BinaryAUROC(), BinaryRecall(), BinarySpecificity()
        self.dices: list[Tensor] = []
        self.classes: set[int] = set()  # among the tune images looked at
        self.spent = 0.0  # seconds of earlier parts of a resumed run
        self.started = time.monotonic()
        self.sums = np.zeros(3)
        self.seen: Mapping[str, int] = {}
        self.started_with: Mapping[str, Any] | None = None  # kept with the checkpoints

    @property
    def seconds(self) -> float:
        """Wall-clock seconds of training so far, earlier parts included."""
        return self.spent + time.monotonic() - self.started

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["seconds"] = self.seconds
        checkpoint["started_with"] = dict(self.started_with) if self.started_with else None

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.spent = float(checkpoint.get("seconds", 0))
        self.started_with = checkpoint.get("started_with")

    def on_train_start(self) -> None:
        self.started = time.monotonic()

    def progress(self) -> float:
        """Share of the schedule that is behind, 0…1."""
        steps = self.global_step / max(1, int(self.trainer.estimated_stepping_batches))
        budget = self.seconds / (self.settings.minutes * 60) if self.settings.minutes else 0
        return min(1.0, max(steps, budget))

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> int | None:
        """Set the learning rate by the share of the budget that is spent."""
        factor = fitting.cosine(self.progress(), self.settings.warm_up, least=0)
        if self.settings.optimizer == "adam":
            factor = 1.0  # the paper's constant rate
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = group.get("initial_lr", self.settings.lr) * max(factor, 1e-3)
        if self.settings.minutes and self.seconds >= self.settings.minutes * 60:
            self.trainer.should_stop = True
            return -1
        return None

    def configure_optimizers(self) -> torch.optim.Optimizer:
        s = self.settings
        optimiser: torch.optim.Optimizer
        if s.optimizer == "adam":
            optimiser = torch.optim.Adam(self.net.parameters(), s.lr, fused=True)
        else:
            rates = {self.encoder: s.lr * s.backbone_lr_factor} if self.encoder else None
            optimiser = torch.optim.AdamW(fitting.groups(self.net, s.weight_decay, rates), s.lr, fused=True)
        for group in optimiser.param_groups:
            group["initial_lr"] = group["lr"]
        return optimiser

    def configure_gradient_clipping(
        self,
        optimizer: torch.optim.Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip the norm of the gradient: by hand, since Lightning refuses to for a fused optimiser. bfloat16 has no
        scaler, which that is about."""
        if gradient_clip_val:
            torch.nn.utils.clip_grad_norm_(self.net.parameters(), gradient_clip_val)

    def training_step(self, batch: tuple[Tensor, Tensor, Tensor], batch_idx: int) -> Tensor:
        image, mask_true, label = batch
        mask, logit = self.net(image.contiguous(memory_format=torch.channels_last))
        mask, logit = mask.float(), logit.float()
        s = self.settings
        if s.loss == "paper":
            parts = paper_loss(mask, logit, mask_true, label)
        else:
            parts = tuned_loss(
                mask, logit, mask_true, label,
                positive_weight=s.positive_weight, class_weight=s.class_weight, smoothing=s.smoothing,
            )  # fmt: skip
        self.sums += (float(parts[0].detach()), float(parts[1].detach()), 1)
        return parts[0] + parts[1]

    def validation_step(self, batch: tuple[Tensor, Tensor, Tensor], batch_idx: int) -> None:
        image, mask_true, label = batch
        mask, logit = self.smooth(image.contiguous(memory_format=torch.channels_last))
        lesion = (mask_true.flatten(1) > 0.5).any(1) | (label > 0.5)  # figures are of lesions; tissue is for `evaluate`
        if not lesion.any():
            return
        mask, logit, mask_true, label = mask[lesion], logit[lesion], mask_true[lesion], label[lesion]
        probability = torch.sigmoid(logit.float())
        for metric in (self.auc, self.recall, self.specificity):
            metric.update(probability, label.int())
        self.classes |= set(label.int().tolist())
        if mask.shape[1]:
            found, true = (mask > 0).flatten(1), mask_true.flatten(1) > 0.5
            self.dices.append(2 * (found & true).sum(1) / (found.sum(1) + true.sum(1)).clamp_min(1))

    def on_validation_epoch_end(self) -> None:
        figures = {}
        if self.classes == {0, 1}:  # what cannot be measured is no number, where torchmetrics says 0
            figures["auc"] = float(self.auc.compute())
            figures["balanced_accuracy"] = float(self.recall.compute() + self.specificity.compute()) / 2
        if self.dices:
            figures["dice"] = float(torch.cat(self.dices).mean())
        for metric in (self.auc, self.recall, self.specificity):
            metric.reset()
        self.dices.clear()
        self.classes.clear()
        self.log_dict(figures)
        if not self.trainer.sanity_checking:
            self._report(figures)

    def _report(self, figures: Mapping[str, float]) -> None:
        count = max(1.0, self.sums[2])
        losses = {"loss_segmentation": self.sums[0] / count, "loss_classification": self.sums[1] / count}
        event = Tune(
            self.global_step,
            self.current_epoch,
            round(self.progress(), 4),
            round(self.seconds, 1),
            {k: round(float(v), 4) for k, v in (losses | dict(figures)).items()},
        )
        append(Path(self.trainer.default_root_dir), event)
        self.sums[:] = 0


class SetSampler(Sampler[int]):
    """The images of an epoch, shuffled; of several sets they are drawn, from each as the root of its size.

    Lesions and normal tissue of a set count as two: the only hospital with normal tissue would otherwise show a lesion
    in one image of three, and a network that knows the hospital by its look then sees no lesions there.
    Order and augmentation follow from (seed, epoch), so runs can be resumed.
    """

    def __init__(self, images: Images) -> None:
        self.images = images

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning before an epoch."""
        self.images.epoch = epoch

    def __len__(self) -> int:
        return self.images.epoch_images or len(self.images)

    def __iter__(self) -> Iterator[int]:
        draw = np.random.default_rng((self.images.seed, self.images.epoch))
        count = len(self.images)
        if not self.images.epoch_images and len(self.images.sets) == 1:
            return iter(draw.permutation(count).tolist())
        parts = 2 * np.repeat(np.arange(len(self.images.sets)), self.images.sets) + self.images.normal
        _, part, size = np.unique(parts, return_inverse=True, return_counts=True)
        share = size[part] ** -0.5
        return iter(draw.choice(count, len(self), p=share / share.sum()).tolist())
