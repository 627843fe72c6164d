"""Networks computed on the CPU by OpenVINO, from the converted form of a model (`models.graph`). No torch.

Always in float32, whatever the processor could do faster: bfloat16 changes scores by up to 0.005, and a result must not
depend on the processor by more than rounding.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cadviewer.messages import Message, joined
from cadviewer.models import cuda, graph
from cadviewer.models.batched import BatchedForward
from cadviewer.models.catalogue import CardError, ModelCard
from cadviewer.models.runtime import Note, no_note, nothing

# OpenVINO's converters tell Google Analytics, at their import, that they were imported (openvino_telemetry). Nothing
# leaves the machine here, and `import openvino` goes on without them.
sys.modules.setdefault("openvino.tools.ovc", None)  # type: ignore[arg-type]

import openvino  # noqa: E402  # isort: skip

BATCH = 4
_NO_MEMORY = ("bad_alloc", "could not create a primitive", "could not create a memory", "not enough memory")


class OpenvinoForward(BatchedForward):
    """A `models.runtime.ReadyForward` that computes with OpenVINO."""

    device = "cpu"

    def __init__(
        self,
        compiled: openvino.CompiledModel,
        *,
        why: str = "",
        batch_size: int = BATCH,
        note: Note = no_note,
        between: Callable[[], None] = nothing,
    ) -> None:
        """compiled: takes (n, channels, rows, columns), gives arrays (n, …)."""
        super().__init__(batch_size, note=note, between=between)
        self.why = why
        self._request = compiled.create_infer_request()
        self._count = len(compiled.outputs)

    def describe(self) -> str:
        """See `ReadyForward`."""
        return f"cpu, OpenVINO {version()}, float32"

    def _compute(self, batch: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        self._request.infer([np.ascontiguousarray(batch)], share_inputs=True)
        # Copies: the next run writes over what the request holds.
        return tuple(np.array(self._request.get_output_tensor(k).data, np.float32) for k in range(self._count))

    def _is_out_of_memory(self, error: Exception) -> bool:
        return isinstance(error, MemoryError) or any(words in str(error) for words in _NO_MEMORY)


class OpenvinoRuntime:
    """`models.runtime.Runtime` of OpenVINO, on the CPU whatever device is asked for; `why` says so."""

    device = "cpu"

    def __init__(self, device: str = "auto", threads: int | None = None) -> None:
        self._core = openvino.Core()
        self._settings: dict[str, Any] = {
            "INFERENCE_PRECISION_HINT": "f32",
            "NUM_STREAMS": 1,
            "ENABLE_CPU_PINNING": False,  # others want the cores too, the window first of all
        }
        if threads is not None:
            self._settings["INFERENCE_NUM_THREADS"] = threads
        self.why = joined("; ", ("OpenVINO", _why(device)))

    def build(
        self,
        card: ModelCard,
        *,
        batch_size: int | None = None,
        note: Note = no_note,
        between: Callable[[], None] = nothing,
    ) -> OpenvinoForward:
        """See `Runtime`. The card may name a batch of its own (`inputs["batch"]`)."""
        xml, constants = graph.read(card)
        try:
            model = self._core.read_model(xml, openvino.Tensor(constants))
            if len(model.inputs) != 1 or not model.outputs:
                raise RuntimeError("no network from images to answers")
            compiled = self._core.compile_model(model, "CPU", self._settings)
        except RuntimeError as error:
            raise CardError(Message("{name}: not a readable graph of a network", name=card.graph.name)) from error
        batch = batch_size or card.inputs.get("batch") or BATCH
        return OpenvinoForward(compiled, why=self.why, batch_size=batch, note=note, between=between)


def version() -> str:
    """Of the library: "2026.4.1"."""
    return str(openvino.__version__).split("-", maxsplit=1)[0]


def _why(device: str) -> str:
    """Why it is the CPU, in one line."""
    if device == "cpu":
        return Message("as asked")
    if device != "auto" and not device.startswith("cuda"):
        return Message("there is no kind of device called {asked!r}", asked=device)
    if not cuda.cards():
        why = Message("no NVIDIA card")
    elif not cuda.torch_installed():
        why = Message("an NVIDIA card needs PyTorch: {command}", command=cuda.COMMAND)
    else:
        why = Message("PyTorch cannot use the NVIDIA card")
    return why if device == "auto" else Message("{wish} asked for, but {why}", wish=device, why=why)
