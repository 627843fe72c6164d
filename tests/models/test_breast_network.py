"""Hybrid-MT-ESTAN: shapes, sizes and equations."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from cadviewer.findings import Task
from cadviewer.models import catalogue
from cadviewer.models.catalogue import ModelCard
from cadviewer.models.nets import hybrid_mt_estan as h
from cadviewer.models.nets.aaa import AnatomyAwareAttention
from cadviewer.models.nets.estan import TABLE, EstanStream
from cadviewer.models.nets.runtime import build as build_from_card
from trainers.export import export


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


SWITCHES: tuple[dict[str, Any], ...] = (
    {"swin": False, "aaa": "none"},
    {"mt_estan": False},
    {"mt_estan": False, "aaa": "none"},
    {"aaa": "none"},
    {"aaa": "add"},
    {"aaa_place": "pair"},
    {"aaa_up": "bilinear"},
    {"aaa_up": "bilinear", "aaa": "add", "aaa_place": "pair"},
    {"fuse": "script"},
    {"lesion_pool": False},
)
DEEPER = {"swin_depths": (2, 2, 4, 2)}
"""So that attention after each pair of blocks is not attention after each stage."""


@pytest.mark.parametrize("switch", SWITCHES, ids=str)
def test_every_switch_changes_the_size_trains_a_step_and_is_exported(switch: dict[str, Any], tmp_path: Path) -> None:
    network = h.build("tiny", **DEEPER, **switch)
    assert parameters(network) != parameters(h.build("tiny", **DEEPER))
    before = network.segment.weight.detach().clone()
    optimiser = torch.optim.SGD(network.parameters(), 0.1)
    mask, logit = network(torch.randn(2, 1, 64, 64))
    assert mask.shape == (2, 1, 64, 64)
    assert logit.shape == (2,)
    (mask.square().mean() + logit.square().mean()).backward()
    assert all(p.grad is not None for p in network.parameters())
    optimiser.step()
    assert not torch.equal(before, network.segment.weight)
    card = ModelCard(
        name="switched", version="1", task=Task.BREAST, title="", network="hybrid_mt_estan",
        config=network.card_config(), inputs={}, threshold=0.5, weights_sha256="",
    )  # fmt: skip
    export(network.state_dict(), card, tmp_path)
    again = build_from_card(catalogue.load(tmp_path / "switched.json"))
    image = torch.randn(1, 1, 64, 64)
    with torch.inference_mode():
        for one, two in zip(network.eval()(image), again(image), strict=True):
            assert torch.allclose(one, two, atol=0.03)


PUBLISHED = {
    "all": ({}, 181_626_170),
    "MT-ESTAN": ({"swin": False, "aaa": "none"}, 55_898_562),
    "Swin": ({"mt_estan": False, "aaa": "none"}, 93_653_402),
    "both": ({"aaa": "none"}, 145_411_770),
    "AAA by addition": ({"aaa": "add"}, 176_055_610),
    "AAA after each pair": ({"aaa_place": "pair"}, 236_164_410),
    "AAA bilinear": ({"aaa_up": "bilinear"}, 148_237_370),
    "fuse as the caption": ({"fuse": "caption"}, 181_069_114),
}
"""Weights of the paper's size by switch: ResNet50 has 23.5 M, SwinV2-Base 86.9 M, four dense AAA have 36.2 M; the rest
follows from the script's layer table, which gives 55.9 M for MT-ESTAN."""


@pytest.mark.parametrize("row", PUBLISHED)
def test_the_papers_size_by_switch(row: str) -> None:
    switch, count = PUBLISHED[row]
    with torch.device("meta"):
        network = h.build("paper", **switch)
    assert parameters(network) == count
    if network.config.swin:
        assert len(network.swin.aaa) == (12 if network.config.aaa_place == "pair" else 4)


def test_the_decoder_and_classifier_have_the_scripts_widths(paper: h.HybridMtEstan) -> None:
    shapes = {name: tuple(p.shape) for name, p in paper.named_parameters()}
    assert shapes["bottleneck.weight"] == (2048 + 512 + 1024, 512, 2, 2)
    assert shapes["up1.enter.0.weight"] == (256, 512 + 512 + 1024, 3, 3)  # up6: bottleneck, stream 5, conv4
    assert shapes["up1.up.weight"] == (256 + 256, 256, 2, 2)  # beside conv4_1
    assert shapes["up1.merge.0.weight"] == (256, 256 + 256, 1, 1)  # beside stream 4
    assert shapes["up2.enter.0.weight"] == (128, 256 + 512, 3, 3)  # beside conv3
    assert shapes["up3.enter.0.weight"] == (64, 128 + 256, 3, 3)  # beside conv2
    assert shapes["up4.enter.0.weight"] == (32, 64 + 64, 3, 3)  # beside conv1
    assert shapes["up4.up.weight"] == (32 + 64, 32, 2, 2)  # beside conv11
    assert shapes["up4.merge.0.weight"] == (32, 32 + 32, 5, 5)  # the script's 5×5, beside stream 1
    assert shapes["up4.leave.0.weight"] == (32, 32 + 32, 3, 3)  # beside conv11 once more
    assert shapes["classifier.layers.0.weight"] == (512, 2048 + 1024)
    assert shapes["classifier.layers.3.weight"] == (128, 512)
    assert shapes["classifier.layers.5.weight"] == (1, 128)


COMPACT = {
    "all": ({}, 8_882_160),
    "MT-ESTAN": ({"swin": False, "aaa": "none"}, 4_117_842),
    "Swin": ({"mt_estan": False, "aaa": "none"}, 3_153_088),
    "both": ({"aaa": "none"}, 6_617_680),
}


@pytest.mark.parametrize("row", COMPACT)
def test_the_compact_size_by_switch(row: str) -> None:
    switch, count = COMPACT[row]
    with torch.device("meta"):
        assert parameters(h.build("compact", **switch)) == count


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


def test_bilinear_attention_is_depthwise_and_starts_from_the_mean_of_both_poolings() -> None:
    aaa = AnatomyAwareAttention(2, combine="cat", up="bilinear", length=3)
    assert aaa.column.weight.shape == (2, 1, 3, 1)
    assert aaa.row.weight.shape == (2, 1, 1, 3)
    for p in aaa.parameters():
        nn.init.zeros_(p)
    with torch.no_grad():
        join = aaa.get_submodule("up.0").weight
        for channel in range(2):
            join[channel, channel] = 1.0  # the largest of this channel
            join[channel, 2 + channel] = 1.0  # its mean
        aaa.column.weight[:, 0, 1, 0] = 1.0
        aaa.row.weight[:, 0, 0, 1] = torch.tensor([1.0, 0.5])
    y = torch.tensor([[[[1.0, 2.0], [3.0, 6.0]], [[0.0, 0.0], [0.0, 4.0]]]])
    weight = torch.sigmoid(torch.tensor([6.0 + 3.0, 0.5 * (4.0 + 1.0)])).reshape(1, 2, 1, 1)
    assert torch.allclose(aaa(y), y * weight)


@pytest.mark.parametrize("up", ["transposed", "bilinear"])
def test_attention_keeps_odd_sizes(up: str) -> None:
    assert AnatomyAwareAttention(4, up=up)(torch.randn(1, 4, 3, 5)).shape == (1, 4, 3, 5)


def test_attention_after_each_pair_is_inside_a_stage_too() -> None:
    network = h.build("tiny", **DEEPER, aaa_place="pair").swin
    assert [aaa.row.out_channels for aaa in network.aaa] == [8, 16, 32, 32, 64]
    plain = h.build("tiny", **DEEPER, aaa_place="pair", aaa="none").swin.eval()
    direct = plain.patch_embed(torch.ones(1, 4, 32, 32))
    for stage in plain.stages:
        direct = stage(direct)
    assert torch.allclose(plain(torch.ones(1, 4, 32, 32))[-1], direct.permute(0, 3, 1, 2), atol=1e-5)


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
    for field in ("aaa", "aaa_place", "aaa_up", "fuse", "base"):
        with pytest.raises(ValueError, match=f"{field} is one of"):
            dataclasses.replace(h.Config(), **{field: "both"})
