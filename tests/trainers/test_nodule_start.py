"""Starts from ImageNet: what a TensorFlow Lite file says, and that an unfolded network is still the same."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch.nn import functional

from cadviewer.models.nets.backbones import backbone
from trainers import fitting, pretrained, tflite
from trainers.config import ConfigError
from trainers.data.ct.samples import LabelledSlice
from trainers.nodules.sources import middles
from trainers.pretrained import GrayImages

STRIDES = (2, 4, 8, 16)


def gray(slices: list[LabelledSlice]) -> GrayImages:
    return GrayImages(lambda: middles(slices, pretrained.SEEN))


@pytest.fixture
def slices(tmp_path: Path) -> list[LabelledSlice]:
    draw = np.random.default_rng(0)
    made = []
    for k in range(2):
        cv2.imwrite(str(tmp_path / f"{k}.png"), draw.integers(1, 255, (70, 80), np.uint8))
        box = np.array([[20, 20, 26, 26]], np.float32)
        made.append(LabelledSlice(tmp_path / f"{k}.png", "P", "1", "3", box, np.array([6.0], np.float32)))
    return made


def test_mobilenet_v1_of_a_file_computes_what_its_convolutions_do(data: Path, slices: list[LabelledSlice]) -> None:
    path = data / "weights" / pretrained.TFLITE["mobilenet_v1"]
    if not path.is_file():
        pytest.skip(f"no {path}")
    network = backbone("mobilenet_v1", 1, STRIDES)
    assert isinstance(network, torch.nn.Module)
    said = pretrained.load(network, "mobilenet_v1", "imagenet", data, gray(slices))
    assert said is not None
    assert (said["data"], said["licence"]) == ("ImageNet", "Apache-2.0")
    image = torch.rand(1, 1, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        maps = network.eval()(image)
        given = tflite.convolutions(path)
        x = 2 * image.repeat(1, 3, 1, 1) - 1
        expected = []
        strides = [2, 1, 1, 2, 1, 1, 1, 2, 1, 1, 1, 2, 1] + [1] * 10  # arXiv 1704.04861 table 1, as far as stride 16
        for number, (one, stride) in enumerate(zip(given, strides, strict=False)):
            weight = torch.from_numpy(one.weight)
            groups = x.shape[1] if one.depthwise else 1
            # The network pads slices with their black, which is −1 in the values that the file takes.
            inputs = functional.pad(x, (1, 1, 1, 1), value=-1.0) if number == 0 else x
            padding = 0 if number == 0 else weight.shape[-1] // 2
            x = functional.conv2d(inputs, weight, torch.from_numpy(one.bias), stride, padding, groups=groups).relu()
            expected.append(x)
    for found, at in zip(maps, (2, 6, 10, 22), strict=True):
        torch.testing.assert_close(found, expected[at], rtol=1e-3, atol=1e-3 * float(expected[at].abs().max()))


def test_a_file_that_is_none_or_ends_early_is_named(data: Path, tmp_path: Path) -> None:
    other = tmp_path / "a.tflite"
    other.write_bytes(b"no FlatBuffer at all")
    with pytest.raises(ConfigError, match=r"a\.tflite: not a TensorFlow Lite file"):
        tflite.convolutions(other)
    other.write_bytes(b"\x1c\0\0\0TFL3" + b"\xff" * 60)
    with pytest.raises(ConfigError, match="damaged"):
        tflite.convolutions(other)
    with pytest.raises(ConfigError, match="damaged"):
        tflite.convolutions(tmp_path / "missing.tflite")


def test_weights_in_another_librarys_names_go_in_by_their_order(tmp_path: Path, slices: list[LabelledSlice]) -> None:
    source = backbone("efficientnet_lite0", 3, STRIDES)
    assert isinstance(source, torch.nn.Module)
    state = {f"other.{k}": v + 0.5 for k, v in source.state_dict().items() if v.is_floating_point()}
    torch.save(state, tmp_path / "lite0.pth")
    network = backbone("efficientnet_lite0", 1, STRIDES)
    assert isinstance(network, torch.nn.Module)
    said = pretrained.load(network, "efficientnet_lite0", str(tmp_path / "lite0.pth"), tmp_path, gray(slices))
    assert said is not None
    assert (said["source"], said["licence"]) == ("lite0.pth", "unknown")
    for (name, value), given in zip(
        ((k, v) for k, v in network.state_dict().items() if v.is_floating_point()), state.values(), strict=True
    ):
        wanted = 2 * given.sum(1, keepdim=True) if "conv_stem" in name else given
        torch.testing.assert_close(value, wanted)


def test_weights_that_do_not_fit_are_refused(tmp_path: Path, slices: list[LabelledSlice]) -> None:
    torch.save({"a": torch.zeros(3, 3)}, tmp_path / "small.pth")
    network = backbone("mobilenet_v1", 1, STRIDES)
    assert isinstance(network, torch.nn.Module)
    with pytest.raises(ConfigError, match=r"small\.pth does not fit mobilenet_v1"):
        pretrained.load(network, "mobilenet_v1", str(tmp_path / "small.pth"), tmp_path, gray(slices))
    with pytest.raises(ConfigError, match="nobody publishes"):
        pretrained.load(network, "inception_v2", "imagenet", tmp_path, gray(slices))
    assert pretrained.load(network, "mobilenet_v1", "none", tmp_path, gray(slices)) is None


def test_a_part_learns_at_its_own_rate_and_every_parameter_once() -> None:
    network = torch.nn.ModuleDict({"backbone": torch.nn.Conv2d(1, 2, 3), "head": torch.nn.Conv2d(2, 2, 3)})
    groups = fitting.groups(network, 0.1, {"backbone": 0.5})
    assert [(len(g["params"]), g.get("lr"), g["weight_decay"]) for g in groups] == [
        (1, 0.5, 0.1),
        (1, 0.5, 0.0),
        (1, None, 0.1),
        (1, None, 0.0),
    ]
    assert len(fitting.groups(network, 0.1)) == 2
