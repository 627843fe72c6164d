"""The base of MT-ESTAN that starts from ImageNet: where it is tapped, what it costs, and that older cards stay."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import safetensors
import torch

from cadviewer.models import catalogue
from cadviewer.models.nets import MT_ESTAN_BASES, mt_estan_base
from cadviewer.models.nets import hybrid_mt_estan as h
from cadviewer.models.nets.mt_estan_base import BaseFeatures
from cadviewer.models.nets.runtime import build as build_from_card
from trainers import pretrained
from trainers.config import ConfigError

SHIPPED = Path(__file__).parents[2] / "resources" / "weights" / "breast-hybrid-mt-estan-compact.json"


def test_the_network_of_the_shipped_card_has_the_tensors_of_its_file() -> None:
    card = catalogue.load(SHIPPED)
    assert "base" not in card.config
    network = build_from_card(card)
    with safetensors.safe_open(SHIPPED.with_suffix(".safetensors"), "pt") as file:  # type: ignore[no-untyped-call]
        assert sorted(network.state_dict()) == sorted(file.keys())
    names = "\n".join(network.state_dict()).encode()
    assert hashlib.sha256(names).hexdigest()[:16] == "57225e342e07a61e"


@pytest.mark.parametrize("base", MT_ESTAN_BASES)
def test_a_base_is_tapped_at_every_stride_and_where_a_stage_first_has_it(base: str) -> None:
    features = BaseFeatures(base, 1).eval()
    with torch.inference_mode():
        maps = features(torch.randn(1, 1, 128, 128))
    assert [m.shape[-1] for m in maps] == [64, 32, 16, 8, 4, 32, 16, 8, 4]
    assert tuple(m.shape[1] for m in maps) == features.channels


def test_a_residual_base_is_tapped_before_the_activation() -> None:
    features = BaseFeatures("resnet18", 1).eval()
    with torch.inference_mode():
        maps = features(torch.randn(1, 1, 64, 64))
    assert all(float(m.min()) < 0 for m in maps[5:])
    assert all(float(m.min()) >= 0 for m in maps[:5])


def test_maps_of_a_base_come_at_the_resolutions_of_the_network() -> None:
    features = BaseFeatures("mobilenet_v2", 1).eval()
    with torch.inference_mode():
        maps = features(torch.randn(1, 1, 128, 128))
    plain = mt_estan_base.maps_by_name(maps, 1)
    assert {k: m.shape[-1] for k, m in plain.items()} == {
        "conv1": 64, "conv2": 32, "conv3": 16, "conv4": 8, "conv5": 4,
        "conv2_1": 32, "conv3_1": 16, "conv4_1": 8, "conv5_1": 4,
    }  # fmt: skip
    halved = mt_estan_base.maps_by_name(maps, 2)  # the network then works on 64²
    assert {k: m.shape[-1] for k, m in halved.items()} == {
        "conv1": 32, "conv2": 16, "conv3": 8, "conv4": 4, "conv5": 2, "conv2_1": 16, "conv3_1": 8, "conv4_1": 4,
    }  # fmt: skip
    torch.testing.assert_close(halved["conv5"], torch.nn.functional.avg_pool2d(maps[4], 2))
    widths = mt_estan_base.channels_by_name(features.channels, 2)
    assert widths == {k: m.shape[1] for k, m in halved.items()}


@pytest.mark.parametrize("unshuffle", [1, 2])
def test_a_network_on_a_base_learns_and_is_built_again_from_its_card(unshuffle: int) -> None:
    network = h.build("tiny", base="efficientnet_lite0", unshuffle=unshuffle, swin_window=2)
    assert network.encoder_name == "efficientnet_lite0"
    mask, logit = network(torch.randn(2, 1, 64, 64))
    assert mask.shape == (2, 1, 64, 64)
    (mask.square().mean() + logit.square().mean()).backward()
    without = [n for n, p in network.named_parameters() if p.grad is None]
    assert without == []
    again = h.build(**network.card_config())
    again.load_state_dict(network.state_dict())


def test_a_wrong_base_is_named() -> None:
    with pytest.raises(ValueError, match="base is one of resnet50, resnet18, mobilenet_v2, efficientnet_lite0, not"):
        h.build("tiny", base="vgg16")
    with pytest.raises(ValueError, match="unshuffle is 1, 2 or 4"):
        h.build("tiny", base="resnet18", unshuffle=3, image_size=96)


def test_the_folded_mobilenet_v2_of_a_file_goes_into_a_base_unchanged_by_its_norms(data: Path) -> None:
    if not (data / "weights" / pretrained.TFLITE["mobilenet_v2"]).is_file():
        pytest.skip("no weights of MobileNetV2")
    images = torch.randn(4, 1, 64, 64, generator=torch.Generator().manual_seed(1))
    gray = pretrained.GrayImages(lambda: images, gain=0.5, offset=0.0)
    network = h.build("tiny", base="mobilenet_v2")
    told = pretrained.load(network.encoder, "mobilenet_v2", "imagenet", data / "bus" / "BUS-BRA-256", gray)
    assert told is not None
    assert (told["data"], told["licence"]) == ("ImageNet", "Apache-2.0")
    first = network.encoder.body.conv_stem.weight
    given = pretrained.tflite.convolutions(data / "weights" / pretrained.TFLITE["mobilenet_v2"])[0]
    torch.testing.assert_close(first, 0.5 * torch.from_numpy(given.weight).sum(1, keepdim=True))
    with torch.no_grad():  # the norms undo themselves: the stem answers as the folded convolution does
        found = network.encoder.eval().body.bn1(network.encoder.body.conv_stem(images))
        bias = torch.from_numpy(given.bias)
        expected = torch.nn.functional.conv2d(images, first, bias, 2, 1).clamp_min(0)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)


def test_weights_that_are_no_base_are_refused(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(3)}, tmp_path / "a.pth")
    network = h.build("tiny", base="resnet18")
    gray = pretrained.GrayImages(lambda: torch.zeros(1, 1, 64, 64))
    with pytest.raises(ConfigError, match=r"a\.pth does not fit resnet18"):
        pretrained.load(network.encoder, "resnet18", str(tmp_path / "a.pth"), tmp_path, gray)
