"""What every network for breast ultrasound is, so that one trainer, one pipeline and one table take them all.

A new one is a file with a subclass of `BreastNetwork` and a `build(preset, *, pretrained, **settings)`, and a line in
`models.nets.NETWORKS`.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, TypeVar

import timm
from torch import Tensor, nn

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class NetworkConfig:
    """What is known of any network: image_size, the side of its square input in pixels, and in_channels."""

    image_size: int
    in_channels: int


C = TypeVar("C", bound=NetworkConfig)


class BreastNetwork(nn.Module):
    """Takes (N, in_channels, S, S), gives mask logits and class logits (N,); a positive class logit means malignant.

    Mask logits are (N, 1, S, S), or (N, 0, S, S) from a network that only classifies: outputs stay a plain tuple of
    tensors for every runtime, and no mask is told from an empty one.

    title, source: what a model card calls the network, and where it was published. encoder_name: in `nets.BACKBONES`,
    of a part `encoder` that can start from ImageNet weights; "" where there is none.
    """

    title: ClassVar[str]
    source: ClassVar[str]
    config: NetworkConfig
    encoder_name: str = ""

    def card_config(self) -> dict[str, Any]:
        """What a model card keeps to build this very network again, independent of later changes to the presets."""
        return {"preset": "paper", **asdict(self.config)}


def configure(kind: type[C], presets: Mapping[str, Mapping[str, Any]], preset: str, settings: Mapping[str, Any]) -> C:
    """The config of a preset with some fields given otherwise; `presets["paper"]` is empty: the defaults of `kind`.

    JSON lists are taken as tuples. Raises ValueError for an unknown preset, TypeError for an unknown field.
    """
    if preset not in presets:
        raise ValueError(f"no preset is called {preset!r}; there are: {', '.join(presets)}")
    merged: dict[str, Any] = {**presets[preset], **settings}
    merged = {k: tuple(v) if isinstance(v, list) else v for k, v in merged.items()}
    return kind(**merged)


def no_mask(image: Tensor) -> Tensor:
    """(N, 0, S, S): the mask logits of a network that only classifies."""
    return image.new_zeros((image.shape[0], 0, image.shape[2], image.shape[3]))


def timm_model(name: str, *, pretrained: bool, **arguments: Any) -> Any:
    """A timm model with its ImageNet weights where they can be had; else from scratch, and the log says so."""
    if pretrained:
        try:
            return timm.create_model(name, pretrained=True, **arguments)
        except Exception as error:  # noqa: BLE001 - hub clients raise many kinds; training can go on without
            log.warning("no ImageNet weights for %s (%s): training it from scratch", name, type(error).__name__)
    return timm.create_model(name, pretrained=False, **arguments)
