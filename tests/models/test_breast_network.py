"""Hybrid-MT-ESTAN: shapes, sizes and equations."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from torch import nn

from cadviewer.models.nets import hybrid_mt_estan as h
from cadviewer.models.nets.aaa import AnatomyAwareAttention
from cadviewer.models.nets.estan import TABLE, EstanStream


def parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@pytest.fixture(scope="module")
def paper() -> h.HybridMtEstan:
    with torch.device("meta"):  # the full-size network without its 700 MB
        return h.HybridMtEstan(h.Config())


def test_the_row_column_kernels_are_those_of_the_script() -> None:
    assert [t.pair[0] for t in TABLE] == [(1, 15), (1, 13), (1, 11), (1, 9), (3, 7)]
    assert [t.pair[1] for t in TABLE] == [(15, 1), (13, 1), (11, 1), (9, 1), (7, 3)]
    assert [t.fuse for t in TABLE] == [5, 5, 3, 1, 1]
    assert TABLE[0].a == (1, 3)
    assert TABLE[2].b == 1


def test_a_paper_estan_block_has_the_weights_of_its_kernels() -> None:
    stream = EstanStream(3, (32, 64, 128, 256, 512), fuse="script", every_norm=False)
    a = (3 * 32 + 32) + 2 * 32 + (9 * 32 * 32 + 32)
    b = (15 * 3 * 32 + 32) + (15 * 32 * 32 + 32) + 2 * 32 + (9 * 32 * 32 + 32)
    fuse = 25 * 64 * 32 + 32
    assert parameters(stream.blocks[0]) == a + b + fuse


def test_the_paper_preset_has_resnet50_and_swinv2_base(paper: h.HybridMtEstan) -> None:
    assert round(parameters(paper.resnet) / 1e6, 1) == 23.5
    assert round((parameters(paper.swin) - parameters(paper.swin.aaa)) / 1e6, 1) == 86.9
    assert paper.resnet.channels["conv5"] == 2048
    assert paper.swin.channels == [128, 256, 512, 1024]
    assert [round(parameters(m) / 1e6, 2) for m in paper.swin.aaa] == [0.43, 1.70, 6.82, 27.27]
    assert paper.bottleneck.weight.shape[0] == 2048 + 512 + 1024
    assert 175e6 < parameters(paper) < 190e6


def test_the_compact_preset_keeps_every_part_and_fits_the_repository() -> None:
    network = h.build("compact").eval()
    assert sum(t.numel() for t in network.state_dict().values()) * 2 <= 25_000_000
    assert len(network.swin.aaa) == 4
    assert all(isinstance(m, AnatomyAwareAttention) for m in network.swin.aaa)
    assert len(network.estan.blocks) == 5
    with torch.inference_mode():
        mask, logit = network(torch.randn(2, 1, 192, 192))
    assert mask.shape == (2, 1, 192, 192)
    assert logit.shape == (2,)


@pytest.mark.parametrize(
    "switch",
    [
        {"swin": False, "aaa": "none"},
        {"mt_estan": False},
        {"aaa": "none"},
        {"aaa": "add"},
        {"fuse": "script"},
        {"lesion_pool": False},
    ],
    ids=str,
)
def test_every_ablation_runs_and_changes_the_size(switch: dict[str, Any]) -> None:
    network = h.build("tiny", **switch).eval()
    with torch.inference_mode():
        mask, logit = network(torch.randn(1, 1, 64, 64))
    assert mask.shape == (1, 1, 64, 64)
    assert logit.shape == (1,)
    assert parameters(network) != parameters(h.build("tiny"))


def test_the_paper_layout_runs_on_a_small_scale() -> None:
    """The script's own order (fuse kernels, sparse norms, GAP-only classifier), narrow so that it runs in a test."""
    of_the_script = ("in_channels", "fuse", "norm", "unshuffle", "lesion_pool")
    narrow = {k: v for k, v in h.TINY.items() if k not in of_the_script}
    network = h.HybridMtEstan(h.Config(**narrow))
    mask, logit = network(torch.randn(2, 3, 64, 64))
    assert mask.shape == (2, 1, 64, 64)
    (mask.mean() + logit.mean()).backward()
    assert all(p.grad is not None for p in network.parameters())


def test_skips_are_taken_before_the_activation() -> None:
    encoder = h.ResNetEncoder(h.Config(**h.COMPACT), 4, pretrained=False).eval()
    maps = encoder(torch.randn(1, 4, 64, 64))
    assert float(maps["conv3_1"].detach().min()) < 0
    assert maps["conv3_1"].shape[-1] == maps["conv3"].shape[-1] == 8


def test_attention_is_its_three_equations() -> None:
    aaa = AnatomyAwareAttention(1, combine="add", length=3)
    for p in aaa.parameters():
        nn.init.zeros_(p)
    with torch.no_grad():
        aaa.up.weight.fill_(1.0)
        aaa.column.weight[0, 0, 1, 0] = 1.0
        aaa.row.weight[0, 0, 0, 1] = 0.5
    y = torch.tensor([[[[1.0, 2.0], [3.0, 6.0]]]])
    pooled = 6.0 + 3.0  # largest + mean of the one 2×2 window
    expected = y * torch.sigmoid(torch.tensor(0.5 * pooled))
    assert torch.allclose(aaa(y), expected)


def test_attention_joins_by_concatenation_as_the_text_says() -> None:
    aaa = AnatomyAwareAttention(1, combine="cat", length=3)
    for p in aaa.parameters():
        nn.init.zeros_(p)
    with torch.no_grad():
        aaa.up.weight[0].fill_(1.0)  # of the largest
        aaa.up.weight[1].fill_(-2.0)  # of the mean
        aaa.column.weight[0, 0, 1, 0] = 1.0
        aaa.row.weight[0, 0, 0, 1] = 1.0
    y = torch.tensor([[[[1.0, 2.0], [3.0, 6.0]]]])
    assert torch.allclose(aaa(y), y * torch.sigmoid(torch.tensor(6.0 - 2 * 3.0)))


def test_attention_keeps_odd_sizes() -> None:
    assert AnatomyAwareAttention(4)(torch.randn(1, 4, 3, 5)).shape == (1, 4, 3, 5)


def test_a_network_is_built_again_from_what_its_card_keeps() -> None:
    network = h.build("tiny")
    again = h.build(**network.card_config())
    assert again.config == network.config
    again.load_state_dict(network.state_dict())


def test_wrong_settings_are_named() -> None:
    with pytest.raises(ValueError, match="no preset"):
        h.build("huge")
    with pytest.raises(ValueError, match="multiple of 64"):
        h.build("compact", image_size=200)
    with pytest.raises(ValueError, match="aaa"):
        dataclasses.replace(h.Config(), aaa="both")
