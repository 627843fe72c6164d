"""The user's own models: given a name of their own, put beside the shipped ones, and removed again. No torch, no Qt.

A model that ships is never replaced: its name cannot be taken (see `catalogue.cards`), and an own model is used only
where it is named, by the user's settings or on the command line.
"""

from __future__ import annotations

import datetime
import shutil
from dataclasses import replace
from pathlib import Path

from cadviewer import atomic, paths
from cadviewer.findings import resolve
from cadviewer.messages import Message
from cadviewer.models import card_check, catalogue
from cadviewer.models.catalogue import CardError, ModelCard


def is_own(card: ModelCard) -> bool:
    """Whether a card is one of the user's and not one that ships."""
    return card.folder == paths.own_weights()


def proposed(card: Path) -> str:
    """A free name for the model of a finished run: what it is for, and the day it was trained. card: its JSON.

    Raises CardError when there is no readable card.
    """
    day = datetime.date.fromtimestamp(card.stat().st_mtime).isoformat()
    stem, number = f"own-{catalogue.load(card).task.value}-{day}", 1
    name = stem
    while taken(name):
        number += 1
        name = f"{stem}-{number}"
    return name


def taken(name: str) -> bool:
    """Whether a model has this name, in whatever case, as file systems differ in that."""
    return name.casefold() in {
        p.stem.casefold() for folder in paths.weights_folders() for p in folder.glob("*.*") if folder.is_dir()
    }


def check_name(name: str) -> None:
    """Raises CardError saying why a new model cannot be called `name`."""
    if not card_check.is_name(name):
        raise CardError(
            Message(
                "{name!r}: a name is made of letters a to z, digits, dots, hyphens and underscores, up to 60", name=name
            )
        )
    if taken(name):
        raise CardError(Message("{name}: a model has this name already; none is replaced", name=name))


def check_use(card: ModelCard) -> None:
    """Raises CardError saying why the viewer cannot use a trained model."""
    for path, sha256 in card.files():
        if not path.is_file() or catalogue.sha256(path) != sha256:
            raise CardError(Message("{name}: not the weights that the card describes", name=path.name))
    if card.role:
        raise CardError(Message("{card}: it works with a model whose card names it, and not by itself", card=card.name))
    if card.task.spec.check_card:
        resolve(card.task.spec.check_card)(card)


def install(card: Path, name: str) -> ModelCard:
    """Copy the model of a finished run into the user's own, under `name`. card: its JSON.

    Raises CardError when the name cannot be taken or the viewer cannot use the model, OSError when the disk does not
    take it; nothing is there then.
    """
    check_name(name)
    found = catalogue.load(card)
    if found.graph_sha256 and not found.graph.is_file():  # not copied along: torch computes it then
        found = replace(found, graph_sha256="")
    check_use(found)
    made = replace(found, name=name, default=False, folder=paths.own_weights())
    try:
        for (source, _), (copy, _) in zip(found.files(), made.files(), strict=True):
            with source.open("rb") as stream, atomic.replacing(copy) as target:
                shutil.copyfileobj(stream, target, 1 << 20)
        atomic.write_text(made.folder / f"{name}.json", made.to_json())  # last: it makes the model visible
    except OSError:
        for copy, _ in made.files():
            copy.unlink(missing_ok=True)
        raise
    return made


def remove(card: ModelCard) -> None:
    """Delete an own model. Raises CardError for one that ships, OSError when the system does not let it go."""
    if not is_own(card):
        raise CardError(Message("{card}: it ships with the program and stays", card=card.name))
    (card.folder / f"{card.name}.json").unlink(missing_ok=True)
    for path, _ in card.files():
        path.unlink(missing_ok=True)
