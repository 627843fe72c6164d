"""Which keys an action has: the usual ones of the table, else those that the user chose, which come before them."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from PySide6.QtGui import QKeySequence

PORTABLE = QKeySequence.SequenceFormat.PortableText
NATIVE = QKeySequence.SequenceFormat.NativeText


class Usual(Protocol):
    """An action of the table and its usual keys."""

    @property
    def name(self) -> str: ...

    @property
    def keys(self) -> tuple[str, ...]: ...


@dataclass(frozen=True)
class Keys:
    """The keys of every action by its name, written as `normal` does.

    taken: (key, its action, the action that would have it too) where one key was wanted twice.
    """

    of: Mapping[str, tuple[str, ...]]
    taken: tuple[tuple[str, str, str], ...] = ()

    def owner(self, key: str) -> str | None:
        """The action that a key belongs to."""
        wanted = normal(key)
        return next((name for name, keys in self.of.items() if wanted in keys), None) if wanted else None


_now: Mapping[str, tuple[str, ...]] = {}


def use(keys: Keys) -> None:
    """These are the keys from now on, for sentences that name one."""
    global _now
    _now = keys.of


def hint(name: str) -> str:
    """ " (N)": the first key of an action as it is now, to be put into a sentence; "" where it has none."""
    keys = shown(_now.get(name, ())[:1])
    return f" ({keys})" if keys else ""


def normal(key: str) -> str:
    """One key combination as Qt writes it on every system ("Ctrl+O"), "" for what is none."""
    sequence = QKeySequence(key.strip(), PORTABLE)
    if sequence.count() != 1:
        return ""
    return sequence.toString(PORTABLE)


def shown(keys: Iterable[str]) -> str:
    """Keys as they are called on this system, "Enter · Return"."""
    return " · ".join(QKeySequence(key, PORTABLE).toString(NATIVE) for key in keys)


TAKEN_BY_MACOS = {"Ctrl+Tab": "Meta+Tab", "Ctrl+M": "Ctrl+Alt+M", "F11": "Ctrl+Meta+F"}
"""Usual keys that macOS keeps for itself there (Ctrl is its ⌘), and what its programs use instead (Meta is its ⌃)."""


def usual(keys: Iterable[str]) -> tuple[str, ...]:
    """The usual keys of an action as they are on this system."""
    if sys.platform != "darwin":
        return tuple(keys)
    return tuple(TAKEN_BY_MACOS.get(key, key) for key in keys)


def resolve(table: Iterable[Usual], changed: Mapping[str, Iterable[str]]) -> Keys:
    """The keys of every action of a table. A key that the user gave to one action is no other's."""
    table = tuple(table)
    owners: dict[str, str] = {}
    of: dict[str, tuple[str, ...]] = {}
    taken = []
    for spec in sorted(table, key=lambda spec: spec.name not in changed):  # the user's choices first
        kept = []
        for key in map(normal, changed.get(spec.name, spec.keys)):
            if key and owners.setdefault(key, spec.name) != spec.name:
                taken.append((key, owners[key], spec.name))
            elif key and key not in kept:
                kept.append(key)
        of[spec.name] = tuple(kept)
    return Keys({spec.name: of[spec.name] for spec in table}, tuple(taken))


def overrides(table: Iterable[Usual], keys: Mapping[str, tuple[str, ...]]) -> tuple[tuple[str, str], ...]:
    """What has to be stored so that the actions have `keys`: pairs as in `Settings.shortcuts`, of changed ones only."""
    pairs: list[tuple[str, str]] = []
    for spec in table:
        wanted = keys[spec.name]
        if wanted != tuple(map(normal, spec.keys)):
            pairs += [(spec.name, key) for key in wanted or ("",)]
    return tuple(pairs)
