"""Losses of Hybrid-MT-ESTAN: those of the paper (arXiv 2308.02101 §2.4) and those that train the shipped weights."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def focal(logits: Tensor, target: Tensor, *, alpha: float = 0.5, gamma: float = 2.0) -> Tensor:
    """Mean binary focal loss of (N,) logits and 0/1 targets, in its standard form.

    The formula printed in the paper lacks (1 − t) and the exponent in its second term: a misprint.
    """
    p = torch.sigmoid(logits)
    own = torch.where(target > 0.5, p, 1 - p)
    weight = torch.where(target > 0.5, alpha, 1 - alpha)
    return (weight * (1 - own) ** gamma * F.binary_cross_entropy_with_logits(logits, target, reduction="none")).mean()


def dice(logits: Tensor, target: Tensor, *, smooth: float = 1.0, per_image: bool = False) -> Tensor:
    """1 − soft Dice of (N, 1, H, W), flattened over the batch as in the script, or per image and averaged."""
    p = torch.sigmoid(logits).flatten(1)
    t = target.flatten(1)
    if not per_image:
        p, t = p.reshape(1, -1), t.reshape(1, -1)
    overlap = 2 * (p * t).sum(1) + smooth
    return (1 - overlap / (p.sum(1) + t.sum(1) + smooth)).mean()


def paper_loss(mask: Tensor, logit: Tensor, mask_true: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
    """(segmentation, classification) = (dice, 3 · focal(α .5, γ 2)); no segmentation for a mask without channels."""
    segmentation = dice(mask, mask_true) if mask.shape[1] else mask.new_zeros(())
    return segmentation, 3 * focal(logit, label)


def tuned_loss(
    mask: Tensor,
    logit: Tensor,
    mask_true: Tensor,
    label: Tensor,
    *,
    positive_weight: float,
    class_weight: float = 0.6,
    smoothing: float = 0.1,
) -> tuple[Tensor, Tensor]:
    """(segmentation, classification) that train from scratch in minutes: BCE + Dice per image; weighted BCE, smoothed.

    positive_weight: of malignant images; smoothing: labels become smoothing/2 and 1 − smoothing/2. A mask without
    channels, of a network that only classifies, has no segmentation loss.
    """
    segmentation = mask.new_zeros(())
    if mask.shape[1]:
        segmentation = F.binary_cross_entropy_with_logits(mask, mask_true) + dice(mask, mask_true, per_image=True)
    soft = label * (1 - smoothing) + smoothing / 2
    weight = 1 + (positive_weight - 1) * label
    classification = F.binary_cross_entropy_with_logits(logit, soft, weight=weight)
    return segmentation, class_weight * classification
