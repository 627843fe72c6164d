"""The one seam between a model's pipeline and whatever computes its network.

`models.nodules.analysis` and `models.breast.analysis` are written against `Forward`. The inference worker and the
trainers have one built by a `Runtime` (`start`, `ready`), and a test makes its own of NumPy. A further runtime is a
class and a line of `RUNTIMES`; a card names the one that it needs (`inputs["runtime"]`), most name none.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cadviewer.messages import Message
from cadviewer.models import cuda
from cadviewer.models.catalogue import CardError, ModelCard

Progress = Callable[[int, int], None]
"""Called with (done, total) after each step. Whatever it raises ends the run: this is where a job is cancelled."""


def no_progress(done: int, total: int) -> None:
    """A Progress that does nothing."""


class Forward(Protocol):
    """A network, ready to run."""

    batch_size: int
    """How many images it wants at a time; may fall during a run when memory gets short."""

    def __call__(self, batch: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        """Network outputs, float32, for a batch (n, channels, rows, columns) of prepared images."""
        ...


class ReadyForward(Forward, Protocol):
    """A network that a runtime built. device, why: as of `Runtime`, as they are now."""

    device: str
    why: str

    def describe(self) -> str:
        """What computes, for the record of a result: "cpu, torch 2.5, float32"."""
        ...


Note = Callable[[str], None]
"""Called with one line that the user should know, e.g. that memory got short."""


def no_note(text: str) -> None:
    """A Note that says nothing."""


def nothing() -> None:
    """Called between two batches; whatever it raises ends the run."""


class Runtime(Protocol):
    """Builds networks from cards, for one device.

    device: "cpu", "cuda:0"; why: one line that says why it is this one.
    """

    device: str
    why: str

    def build(
        self,
        card: ModelCard,
        *,
        batch_size: int | None = None,
        note: Note = no_note,
        between: Callable[[], None] = nothing,
    ) -> ReadyForward:
        """The network of a card. Raises CardError naming the file where that cannot be.

        batch_size: None for the runtime's own. between: called before each batch.
        """
        ...


RUNTIMES: dict[str, str] = {
    "openvino": "cadviewer.models.openvino_runtime:OpenvinoRuntime",
    "torch": "cadviewer.models.nets.runtime:TorchRuntime",
}
"""By name: "module:class", made with (device, threads); imported when it is needed."""


def start(name: str, device: str = "auto", threads: int | None = None) -> Runtime:
    """A runtime by its name, on "auto", "cpu", "cuda" or "cuda:N". threads: of the CPU, None as it is.

    Raises CardError for a name that there is not, or for one whose library is not installed.
    """
    if name not in RUNTIMES:
        raise CardError(
            Message("no runtime is called {name!r}; there are: {known}", name=name, known=", ".join(RUNTIMES))
        )
    module, _, kind = RUNTIMES[name].partition(":")
    try:
        made: Runtime = getattr(importlib.import_module(module), kind)(device, threads)
    except ModuleNotFoundError as error:
        raise CardError(
            Message("the runtime {runtime} needs {library}, which is not installed", runtime=name, library=error.name)
        ) from error
    return made


class Runtimes:
    """The runtimes of one process: the one of this machine, and others for the cards that need them.

    name, first: of this machine's.
    """

    def __init__(self, device: str = "auto", threads: int | None = None) -> None:
        """Raises CardError where none is installed."""
        self._device, self._threads = device, threads
        on_card = device.startswith("cuda") or (device == "auto" and cuda.cards() > 0)
        self.name = "torch" if on_card and cuda.torch_installed() else "openvino"
        self.first = start(self.name, device, threads)
        if self.name == "torch" and self.first.device == "cpu":  # which OpenVINO computes faster
            self.name, self.first = "openvino", start("openvino", device, threads)
        self._others: dict[str, Runtime] = {}

    def name_for(self, card: ModelCard) -> str:
        """The runtime that a card names, else this machine's; torch for a card without a converted form, or whose
        converted form was not copied along with it."""
        name = str(card.inputs.get("runtime", self.name))
        converted = card.graph_sha256 and card.graph.is_file()
        return "torch" if name == "openvino" and not converted else name

    def of(self, card: ModelCard) -> Runtime:
        """The runtime that computes a card. Raises CardError where that cannot be had."""
        name = self.name_for(card)
        if name == self.name:
            return self.first
        if name not in self._others:
            try:
                self._others[name] = start(name, self._device, self._threads)
            except CardError as error:
                if name != "torch" or "runtime" in card.inputs:
                    raise
                raise CardError(
                    Message(
                        "{card}: it has no converted form, and without one it needs PyTorch: {command}",
                        card=card.name,
                        command=cuda.COMMAND,
                    )
                ) from error
        return self._others[name]


def ready(card: ModelCard, device: str = "auto", *, batch_size: int | None = None) -> ReadyForward:
    """The network of a card on a device, built by the runtime that computes it there. Raises CardError."""
    return Runtimes(device).of(card).build(card, batch_size=batch_size)


@dataclass(frozen=True)
class Companion:
    """A further network that a model works with, ready to run, and its card."""

    card: ModelCard
    forward: Forward


Companions = Mapping[str, Companion]
"""By role (`ModelCard.companions`): those that are installed and could be built."""

ALONE: Companions = MappingProxyType({})
"""No companions."""
