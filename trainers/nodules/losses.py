"""Losses of the SSD: SSD, arXiv 1512.02325 §2.2; focal loss, 1708.02002; DIoU, 1911.08287.

Labels are those of `trainers.nodules.crops`: (n, A) with −1 for boxes that do not count, 0 for the background and k for
the k-th class of the network, counted from 1.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def focal(logits: Tensor, labels: Tensor, *, alpha: float = 0.6, gamma: float = 2.0) -> Tensor:
    """Sigmoid focal loss over all boxes that count, divided by the number of positives (1708.02002 eq. 5).

    logits: (n, A, C), one sigmoid per class: a box of one class is background to the others.
    """
    counts = (labels >= 0)[..., None]
    truth = labels[..., None] == torch.arange(1, logits.shape[-1] + 1, device=labels.device)  # (n, A, C)
    raw = logits.float()
    entropy = functional.binary_cross_entropy_with_logits(raw, truth.float(), reduction="none")
    right = torch.exp(-entropy)
    weight = torch.where(truth, alpha, 1 - alpha) * (1 - right) ** gamma
    return (weight * entropy * counts).sum() / (labels > 0).sum().clamp(min=1)


def mined(logits: Tensor, labels: Tensor, *, ratio: int = 3, least: int = 30) -> Tensor:
    """Softmax loss of the positives and the hardest negatives, at most 3:1 (1512.02325 §2.2 "Hard negative mining").

    logits: (n, A, 1 + C), the background first. At least `least` negatives per image, so that images without a nodule
    teach as well.
    """
    classes = labels.clamp(min=0).long()
    entropy = functional.cross_entropy(logits.float().transpose(1, 2), classes, reduction="none")
    positives = labels > 0
    negative = torch.where(labels == 0, entropy.detach(), torch.full_like(entropy, -1.0))
    rank = negative.argsort(1, descending=True).argsort(1)
    wanted = (positives.sum(1, keepdim=True) * ratio).clamp(min=least)
    hard = (rank < wanted) & (labels == 0)
    return (entropy * (positives | hard)).sum() / positives.sum().clamp(min=1)


SCALES = (10.0, 10.0, 5.0, 5.0)
"""By which the TF object detection box coder multiplies the offsets before its loss."""


def box_loss(offsets: Tensor, labels: Tensor, targets: Tensor, defaults: Tensor, *, kind: str = "diou") -> Tensor:
    """Of the positives, by `kind`.

    "diou": 1 − DIoU (arXiv 1911.08287 eq. 7) and half the smooth-L1 of the offsets; "smooth_l1": the smooth-L1 of the
    scaled offsets alone (1512.02325 eq. 2).
    """
    image, row = torch.nonzero(labels > 0, as_tuple=True)
    if not len(image):
        return offsets.sum() * 0.0
    given, truth, base = offsets[image, row].float(), targets[image, row], defaults[row]
    size = base[:, 2:] - base[:, :2]
    true_size = truth[:, 2:] - truth[:, :2]
    wanted = torch.cat(
        [(truth[:, :2] + truth[:, 2:] - base[:, :2] - base[:, 2:]) / 2 / size, (true_size / size).log()], 1
    )
    if kind == "smooth_l1":
        scales = torch.tensor(SCALES, device=given.device)
        return functional.smooth_l1_loss(given * scales, wanted * scales, reduction="none").sum(1).mean()
    centre = (base[:, :2] + base[:, 2:]) / 2 + given[:, :2] * size
    half = size * given[:, 2:].clamp(-4, 4).exp() / 2
    low, high = centre - half, centre + half
    shared = (torch.minimum(high, truth[:, 2:]) - torch.maximum(low, truth[:, :2])).clamp(min=0).prod(1)
    union = (2 * half).prod(1) + true_size.prod(1) - shared
    hull = torch.maximum(high, truth[:, 2:]) - torch.minimum(low, truth[:, :2])
    apart = ((centre - (truth[:, :2] + truth[:, 2:]) / 2) ** 2).sum(1) / (hull**2).sum(1)
    diou = 1 - shared / union + apart
    smooth = functional.smooth_l1_loss(given, wanted, beta=0.1, reduction="none").sum(1)
    return (diou + 0.5 * smooth).mean()
