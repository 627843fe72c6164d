"""Which model a batch uses for which task, and the options that its results depend on."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cadviewer
from cadviewer.batch.events import Options
from cadviewer.findings import Task
from cadviewer.messages import Message
from cadviewer.models import catalogue
from cadviewer.models.catalogue import CardError, ModelCard


class Cards:
    """The model of each task. Raises CardError for one that was asked for and is not there."""

    def __init__(self, options: Options) -> None:
        self._cards: dict[Task, ModelCard] = {}
        self._missing: dict[Task, str] = {}
        named = catalogue.card(options.model) if options.model else None
        if named is not None and options.task not in (None, named.task):
            raise CardError(Message("the model {name} is for {task}", name=named.name, task=named.task.value))
        for task in Task:
            try:
                self._cards[task] = named if named is not None and named.task is task else catalogue.default(task)
            except CardError as error:
                if task is options.task:
                    raise
                self._missing[task] = str(error)

    def of(self, task: Task) -> ModelCard:
        """The card to use. Raises CardError with the reason why there is none."""
        if task in self._missing:
            raise CardError(self._missing[task])
        return self._cards[task]

    def names(self, task: Task | None) -> dict[str, str]:
        """What is used for the task, or for each, with the weights' hash."""
        return {
            f"{t.value} model": " + ".join(f"{m.name} {m.version} {m.weights_sha256[:12]}" for m in _with_companions(c))
            for t, c in self._cards.items()
            if task in (None, t)
        }


def _with_companions(card: ModelCard) -> list[ModelCard]:
    """The card and those of its companions that are installed: they have a part in the results."""
    every = {c.name: c for c in catalogue.cards(role=None)}
    return [card, *(every[name] for _, name in sorted(card.companions.items()) if name in every)]


def lasting(inputs: Sequence[Path], options: Options, cards: Cards) -> dict[str, Any]:
    """The options that the results depend on, as they are kept in the folder and compared on resuming."""
    # As given too: it is what the tables show, and what names the cases.
    given = "\0".join(sorted(f"{p}\0{os.path.abspath(p)}" for p in inputs))
    return {
        "cadviewer": cadviewer.__version__,
        "inputs": hashlib.sha256(os.fsencode(given)).hexdigest()[:16],
        "--task": options.task.value if options.task else "auto",
        **cards.names(options.task),
        "--device": options.device,
        "--threshold": options.threshold,
        "--spacing": options.spacing_mm,
        "--window": ",".join(f"{v:g}" for v in options.window),
        "--formats": ",".join(sorted(options.formats)),
    }
