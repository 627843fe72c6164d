"""Losses against values worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch

from trainers.breast.losses import dice, focal, paper_loss, tuned_loss


def test_focal_loss_weighs_both_classes_alike() -> None:
    logits = torch.tensor([math.log(3.0), math.log(3.0)])  # p = 3/4
    target = torch.tensor([1.0, 0.0])
    easy = 0.5 * 0.25**2 * -math.log(0.75)
    hard = 0.5 * 0.75**2 * -math.log(0.25)
    assert float(focal(logits, target)) == pytest.approx((easy + hard) / 2)


def test_dice_loss_is_flattened_over_the_batch() -> None:
    big = torch.full((1, 1, 2, 2), 40.0)  # p = 1 everywhere
    none = torch.full((1, 1, 2, 2), -40.0)
    truth = torch.zeros(2, 1, 2, 2)
    truth[0, 0, 0] = 1
    both = torch.cat([big, none])
    assert float(dice(both, truth)) == pytest.approx(1 - (2 * 2 + 1) / (4 + 2 + 1))
    assert float(dice(both, truth, per_image=True)) == pytest.approx((1 - 5 / 7 + 0) / 2)


def test_the_papers_loss_is_three_focal_and_one_dice() -> None:
    mask, truth = torch.zeros(1, 1, 2, 2), torch.ones(1, 1, 2, 2)
    segmentation, classification = paper_loss(mask, torch.zeros(1), truth, torch.ones(1))
    assert float(segmentation) == pytest.approx(1 - (2 * 2 + 1) / (2 + 4 + 1))
    assert float(classification) == pytest.approx(3 * 0.5 * 0.25 * math.log(2))


def test_smoothing_and_weight_of_the_tuned_loss() -> None:
    mask, truth = torch.zeros(1, 1, 1, 1), torch.ones(1, 1, 1, 1)
    logit = torch.tensor([math.log(3.0)])
    segmentation, classification = tuned_loss(mask, logit, truth, torch.ones(1), positive_weight=2.0, smoothing=0.2)
    assert float(segmentation) == pytest.approx(math.log(2) + 1 - (2 * 0.5 + 1) / (0.5 + 1 + 1))
    entropy = -(0.9 * math.log(0.75) + 0.1 * math.log(0.25))
    assert float(classification) == pytest.approx(0.6 * 2 * entropy)
