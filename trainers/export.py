"""From a trained network to what the viewer loads: half-precision safetensors, its converted form and a model card."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import save

from cadviewer import atomic
from cadviewer.models import catalogue
from cadviewer.models.catalogue import ModelCard
from trainers import convert

LIMIT_BYTES = 25_000_000
"""What a file of weights in `resources/weights` may weigh."""


def export(state: Mapping[str, torch.Tensor], card: ModelCard, folder: Path) -> ModelCard:
    """Write `card.name`.safetensors, .graph and .json into `folder`; the card as written, with hashes and folder.

    state: the network's state; floating point values are stored as float16, so figures must be measured on what is
        read back. Raises ValueError for values that float16 cannot hold.
    """
    folder.mkdir(parents=True, exist_ok=True)
    half: dict[str, torch.Tensor] = {}
    for name, tensor in state.items():
        small = tensor.detach().cpu()
        if small.is_floating_point():
            small = small.half()
            if not torch.isfinite(small).all():
                raise ValueError(f"{name} does not fit into half precision")
        half[name] = small.contiguous().clone()
    weights = folder / f"{card.name}.safetensors"
    atomic.write_bytes(weights, save(half))
    written = replace(card, weights_sha256=catalogue.sha256(weights), graph_sha256="", folder=folder)
    written = convert.converted(written)
    write_card(written)
    return written


def write_card(card: ModelCard) -> None:
    """Replace the JSON of a card, in one step."""
    atomic.write_text(card.folder / f"{card.name}.json", card.to_json())
