"""Model cards: what can be run, where its weights are, what it was trained on and what was measured. No torch.

A card is `NAME.json` beside `NAME.safetensors` in one of `paths.weights_folders()`. The trainers write both; nothing
else does. The fields of the JSON are the fields of `ModelCard`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from cadviewer import paths
from cadviewer.findings import Task
from cadviewer.messages import Message
from cadviewer.models import card_check

SCHEMA = 1


class CardError(Exception):
    """A model card or its weights cannot be used; the message names the file and the reason."""


@dataclass(frozen=True)
class ModelCard:
    """What is known of one set of weights.

    name: file name without ending; version: of the weights; task: what it is for.
    network: key of the table in `models.nets` that builds it; config: its keyword arguments (JSON values).
    inputs: preprocessing, read by `models.nodules.analysis` / `models.breast.analysis` (pixel size, input size, mean,
    …). threshold: default cut of nodule scores, or of the malignancy probability; fixed on validation.
    calibration: temperature, conformal quantiles and whatever else the task's decoding needs.
    default: whether this is the one used when no model is named.
    training: data sets with folds, licences and citations, settings, seconds.
    measured: figures with their 95 % intervals as `evaluate` wrote them: {set: {figure: [value, low, high]}}.
    limits: sentences for the reader.
    role: what the model does for another one ("outline"); "" for a model that answers for its task by itself.
    companions: models that this one works with, {role: name of the card}; it also works where they are missing.
    graph_sha256: of the converted form beside the weights (`models.graph`), "" where there is none.
    """

    name: str
    version: str
    task: Task
    title: str
    network: str
    config: Mapping[str, Any]
    inputs: Mapping[str, Any]
    threshold: float
    weights_sha256: str
    paper: str = ""
    default: bool = False
    calibration: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    measured: Mapping[str, Any] = field(default_factory=dict)
    limits: tuple[str, ...] = ()
    licence: str = "Apache-2.0"
    role: str = ""
    companions: Mapping[str, str] = field(default_factory=dict)
    graph_sha256: str = ""
    schema: int = SCHEMA
    folder: Path = field(default=Path(), compare=False)

    @property
    def weights(self) -> Path:
        """The safetensors file."""
        return self.folder / f"{self.name}.safetensors"

    @property
    def graph(self) -> Path:
        """The file of the converted form, where there is one."""
        return self.folder / f"{self.name}.graph"

    def files(self) -> list[tuple[Path, str]]:
        """What lies beside the card, each with its SHA-256: the weights, and the converted form where there is one."""
        return [(self.weights, self.weights_sha256), *([(self.graph, self.graph_sha256)] if self.graph_sha256 else [])]

    def to_json(self) -> str:
        """The card as it is written to disk."""
        content = asdict(self)
        content.pop("folder")
        return json.dumps(content, indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def load(path: Path) -> ModelCard:
    """Read one card. Raises CardError naming the file for anything unreadable, of another schema or out of bounds."""
    try:
        content = card_check.read(path)
        if content.get("schema") != SCHEMA:
            raise CardError(
                Message(
                    "{path}: card schema {found} is not {schema}",
                    path=path.name,
                    found=content.get("schema"),
                    schema=SCHEMA,
                )
            )
        card_check.check(content)
        content["task"] = Task(content["task"])
        content["limits"] = tuple(content.get("limits", ()))
        return ModelCard(**content, folder=path.parent)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise CardError(Message("{path}: not a readable model card ({error})", path=path.name, error=error)) from error


def cards(task: Task | None = None, *, role: str | None = "") -> list[ModelCard]:
    """All usable cards with weights beside them, by name. A model that ships is never hidden by one of the user's own.

    role: of the models wanted: "" those that answer for a task by themselves, None every one.
    """
    chosen = (c for c in _found() if isinstance(c, ModelCard) and task in (None, c.task) and role in (None, c.role))
    return sorted(chosen, key=lambda c: c.name)


def problems() -> list[str]:
    """One line for each card that cannot be read, has no weights beside it, or has the name of another model."""
    return [str(c) for c in _found() if isinstance(c, CardError)]


def _found() -> Iterator[ModelCard | CardError]:
    """Every card of every folder, or why it cannot be used."""
    names: set[str] = set()
    for folder in paths.weights_folders():
        for path in sorted(folder.glob("*.json")) if folder.is_dir() else ():
            try:
                yield _one(path, names)
            except CardError as error:
                yield error


def _one(path: Path, names: set[str]) -> ModelCard:
    """The card in a file. names: of the models before it, which this one is added to. Raises CardError."""
    card = load(path)
    if card.name != path.stem:
        raise CardError(
            Message(
                "{path}: its card is that of {card}; a model's file and card have one name",
                path=path.name,
                card=card.name,
            )
        )
    if not card.weights.is_file():
        raise CardError(Message("{path}: its weights {name} are missing", path=path.name, name=card.weights.name))
    if card.name.casefold() in names:  # not all file systems tell letters' cases apart
        raise CardError(
            Message(
                "{path}: another model is called {card}; this one is not used before it has a name of its own",
                path=path,
                card=card.name,
            )
        )
    names.add(card.name.casefold())
    return card


def card(name: str, *, role: str | None = "") -> ModelCard:
    """The card of that name and role (None: of any). Raises CardError listing what there is."""
    for candidate in cards(role=None):
        if candidate.name == name and role in (None, candidate.role):
            return candidate
        if candidate.name == name:
            if candidate.role:
                raise CardError(
                    Message("{name} is a companion of others (their {role})", name=name, role=candidate.role)
                )
            raise CardError(Message("{name} is no {role} model", name=name, role=role))
    known = ", ".join(c.name for c in cards(role=role)) or "none"
    raise CardError(Message("no model is called {name!r}; there are: {known}", name=name, known=known))


def default(task: Task) -> ModelCard:
    """The model used for a task when none is named: the shipped one, and one of the user's own only where none ships.

    Raises CardError when there is none.
    """
    folders = list(paths.weights_folders())
    candidates = sorted(cards(task), key=lambda c: (folders.index(c.folder), not c.default, c.name))
    if candidates:
        return candidates[0]
    raise CardError(
        Message(
            "no weights for {task} are installed; train them with `cadviewer-train {command}`",
            task=task.value,
            command=task.value,
        )
    )


def content(path: Path, sha256: str) -> bytes:
    """The bytes of a file that a card names, read once: what is hashed is what is used. Raises CardError."""
    try:
        found = path.read_bytes()
    except OSError as error:
        raise CardError(
            Message("{name}: the weights cannot be read ({strerror})", name=path.name, strerror=error.strerror)
        ) from error
    if sha256_of(found) != sha256:
        raise CardError(Message("{name}: not the weights that its card describes (SHA-256 differs)", name=path.name))
    return found


def sha256(path: Path) -> str:
    """SHA-256 of a file in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def sha256_of(content: bytes) -> str:
    """SHA-256 of bytes in hexadecimal."""
    return hashlib.sha256(content).hexdigest()
