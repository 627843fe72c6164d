"""A network of this package as a `models.runtime.Forward`, from a model card or as it is."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import nn

from cadviewer.models import nets
from cadviewer.models.catalogue import CardError, ModelCard, sha256


def build(card: ModelCard) -> nn.Module:
    """The network of a card with its weights, on the CPU in float32, ready to run.

    Raises CardError when its network is unknown, its weights are not those of the card, or do not fit.
    """
    if card.network not in nets.NETWORKS:
        raise CardError(f"{card.name}: no network is called {card.network!r}; there are: {', '.join(nets.NETWORKS)}")
    try:
        if sha256(card.weights) != card.weights_sha256:
            raise CardError(f"{card.name}: {card.weights.name} is not the file that its card describes")
        network = nets.build(card.network, card.config)
        network.load_state_dict(
            {k: v.float() if v.is_floating_point() else v for k, v in load_file(card.weights).items()}
        )
    except (OSError, ValueError, TypeError, RuntimeError) as error:
        raise CardError(f"{card.name}: {str(error).splitlines()[0]}") from error
    return network.eval()


class TorchForward:
    """A `Forward` on a torch device. bfloat16 where asked and where the device computes it faster."""

    def __init__(self, network: nn.Module, device: str = "cpu", *, batch_size: int = 8, bfloat16: bool = True) -> None:
        self.device = torch.device(device)
        self.batch_size = batch_size
        self.bfloat16 = bfloat16
        moved: Any = network.eval().to(self.device)
        self.network = moved.to(memory_format=torch.channels_last)

    def __call__(self, batch: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        with torch.inference_mode(), torch.autocast(self.device.type, torch.bfloat16, enabled=self.bfloat16):
            values = torch.from_numpy(batch).to(self.device).contiguous(memory_format=torch.channels_last)
            return tuple(output.float().cpu().numpy() for output in self.network(values))
