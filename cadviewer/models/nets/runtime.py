"""Networks made ready to run: built from a model card, and computed by torch behind the seam `models.runtime.Forward`.

Used by the inference worker and by the trainers alike, so that a figure in a model card is one of what `annotate` does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from torch import nn

from cadviewer.messages import Message, joined
from cadviewer.models import catalogue, nets
from cadviewer.models.batched import BatchedForward
from cadviewer.models.catalogue import CardError, ModelCard
from cadviewer.models.runtime import Note, no_note, nothing

Precision = Literal["auto", "float32", "bfloat16"]


def build(card: ModelCard) -> nn.Module:
    """The network of a card with its weights, in float32 on the CPU, in evaluation mode.

    The file is read once, and what was hashed is what is loaded. Raises CardError naming the file when the weights are
    missing, are not those of the card or do not fit, or when the card's network does not exist.
    """
    if card.network not in nets.NETWORKS:
        known = ", ".join(sorted(nets.NETWORKS))
        raise CardError(
            Message(
                "{card}: no network is called {network!r}; there are: {known}",
                card=card.name,
                network=card.network,
                known=known,
            )
        )
    content = catalogue.content(card.weights, card.weights_sha256)
    try:
        network = nets.build(card.network, card.config)
        state = safetensors.torch.load(content)
        network.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in state.items()})
    except ImportError as error:
        raise CardError(
            Message("{card}: its network needs {library}, which is not installed", card=card.name, library=error.name)
        ) from error
    except (SafetensorError, ValueError, TypeError, RuntimeError) as error:
        raise CardError(
            Message(
                "{name}: does not fit the network {network} of its card", name=card.weights.name, network=card.network
            )
        ) from error
    return network.eval()


def choose_device(asked: str = "auto") -> tuple[torch.device, str]:
    """The device for "auto", "cpu", "cuda" or "cuda:N", and one line that says why it is this one.

    A CUDA device counts only after it has computed something: old ones lack kernels, others are full or broken.
    """
    if asked == "cpu":
        return torch.device("cpu"), Message("as asked")
    if asked != "auto" and not asked.startswith("cuda"):
        return torch.device("cpu"), Message("there is no kind of device called {asked!r}", asked=asked)
    if not torch.cuda.is_available():
        built = torch.version.cuda is not None
        why = Message("no CUDA device") if built else Message("this torch is built without CUDA")
        return torch.device("cpu"), _instead_of(asked, why)
    try:
        device = torch.device("cuda:0" if asked in ("auto", "cuda") else asked)
        nn.Conv2d(1, 1, 3).to(device)(torch.zeros(1, 1, 8, 8, device=device)).sum().item()
        return device, torch.cuda.get_device_name(device)
    except (RuntimeError, AssertionError) as error:  # torch raises both, without kinds of their own
        fault = " ".join(str(error).split())[:80]
        return torch.device("cpu"), _instead_of(asked, Message("CUDA failed: {fault}", fault=fault))


def _instead_of(asked: str, why: Message) -> Message:
    return why if asked == "auto" else Message("{wish} asked for, but {why}", wish=asked, why=why)


def fast_bfloat16(device: torch.device) -> bool:
    """Whether the CPU multiplies bfloat16 in hardware, which makes convolutions about twice as fast as in float32.

    False on CUDA, where float32 is fast enough for one case at a time and closer to the measured figures.
    """
    if device.type != "cpu":
        return False
    tests = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")  # not public so far; without them: float32
    return any(getattr(torch.cpu, test, lambda: False)() for test in tests)


_NO_MEMORY = (
    "can't allocate memory",
    # oneDNN, of a network that ran before; measured with the address space limited to what was in use.
    "could not create a primitive",
    "could not create a memory",
    "could not execute a primitive",
)


class TorchForward(BatchedForward):
    """A `models.runtime.Forward` that computes with torch.

    Out of memory on CUDA it moves to the CPU. `bfloat16` says whether it multiplies in that precision now.
    """

    def __init__(
        self,
        network: nn.Module,
        device: str | torch.device = "auto",
        *,
        why: str = "",
        batch_size: int | None = None,
        precision: Precision = "auto",
        note: Note = no_note,
        between: Callable[[], None] = nothing,
    ) -> None:
        """`network`: its forward takes (n, channels, rows, columns) and gives a tuple of tensors (n, …). It is moved to
        the device and put into evaluation mode. `batch_size`: None for 4 on the CPU and 16 on CUDA. `between`: called
        before each batch; whatever it raises ends the run."""
        self._precision = precision
        self._network = network.eval()
        chosen, why = (
            (device, why or Message("as asked")) if isinstance(device, torch.device) else choose_device(device)
        )
        super().__init__(batch_size or (4 if chosen.type == "cpu" else 16), note=note, between=between)
        self._move(chosen, why)

    def _move(self, device: torch.device, why: str) -> None:
        self._on, self.device, self.why = device, str(device), why
        self.bfloat16 = self._precision == "bfloat16" or (self._precision == "auto" and fast_bfloat16(device))
        self._network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def describe(self) -> str:
        """See `ReadyForward`."""
        return f"{self.device}, torch {torch.__version__}, {'bfloat16' if self.bfloat16 else 'float32'}"

    def _compute(self, batch: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        kind = self._on.type
        with (
            torch.inference_mode(),
            torch.autocast(kind, torch.bfloat16, enabled=self.bfloat16),
            # The same case gives the same result, and float32 means float32.
            torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False),
        ):
            images = torch.from_numpy(np.ascontiguousarray(batch)).to(self._on)
            outputs: Any = self._network(images.contiguous(memory_format=torch.channels_last))
            return tuple(output.float().cpu().numpy() for output in outputs)

    def _is_out_of_memory(self, error: Exception) -> bool:
        if not is_out_of_memory(error):
            return False
        if self._on.type == "cuda":
            torch.cuda.empty_cache()
        return True

    def _leave_device(self) -> bool:
        if self._on.type == "cpu":
            return False
        self._move(torch.device("cpu"), f"out of memory on {self.device}")
        return True


class TorchRuntime:
    """`models.runtime.Runtime` of torch: on CUDA where there is a card that computes, else on the CPU."""

    def __init__(self, device: str = "auto", threads: int | None = None) -> None:
        if threads is not None:
            torch.set_num_threads(threads)
        self._device, why = choose_device(device)
        self.why = joined("; ", ("PyTorch", why))
        self.device = str(self._device)

    def build(
        self,
        card: ModelCard,
        *,
        batch_size: int | None = None,
        note: Note = no_note,
        between: Callable[[], None] = nothing,
    ) -> TorchForward:
        """See `Runtime`. The card may name a batch and a precision of its own (`inputs["batch"]`, `["precision"]`)."""
        return TorchForward(
            build(card),
            self._device,
            why=self.why,
            batch_size=batch_size or card.inputs.get("batch"),
            precision=card.inputs.get("precision", "auto"),
            note=note,
            between=between,
        )


def is_out_of_memory(error: BaseException) -> bool:
    """Whether torch ran out of memory; on the CPU it says so in words only."""
    said = str(error)
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or any(words in said for words in _NO_MEMORY)
