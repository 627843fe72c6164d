"""`cadviewer models`: what can be run, and what is known of it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator

from cadviewer import NOTICE
from cadviewer.cli.arguments import DONE, USAGE, ModelsArgs
from cadviewer.models import catalogue

_HEAD = ("name", "version", "task", "role", "companions", "paper", "network", "threshold", "licence", "weights_sha256")
_PARTS = ("limits", "measured", "training", "inputs", "calibration", "config")


def run(args: ModelsArgs) -> int:
    """List the cards, or show one; 2 when there is none of that name."""
    for problem in catalogue.problems():
        print(f"cadviewer models: {problem}", file=sys.stderr)
    if args.show:
        try:
            print("\n".join(card_lines(args.show)))
        except catalogue.CardError as error:
            print(f"cadviewer models: {error}", file=sys.stderr)
            return USAGE
        return DONE
    cards = catalogue.cards()
    used = {catalogue.default(task).name for task in {card.task for card in cards}}
    width = max((len(c.name) for c in cards), default=0)
    for card in cards:
        mark = "  [default]" if card.name in used else ""
        print(f"{card.name:{width}}  {card.task.value:7}  {card.version:8}  {card.title}{mark}")
    companions = [card for card in catalogue.cards(role=None) if card.role]
    if companions:
        print("\nWork with others, never by themselves (`models show NAME`):")
        for card in companions:
            print(f"  {card.name}  {card.version}  {card.role} of {card.task.value}: {card.title}")
    if not cards:
        print("No models are installed; train them with `cadviewer-train`.", file=sys.stderr)
    return DONE


def card_lines(name: str) -> Iterator[str]:
    """A whole card for reading. Raises CardError when there is none of that name."""
    card = catalogue.card(name, role=None)
    content = json.loads(card.to_json())
    yield card.title
    yield NOTICE
    yield ""
    yield from (f"{key}: {content[key]}" for key in _HEAD if content[key] not in ("", {}))
    yield f"weights: {card.weights}"
    for key in _PARTS:
        if content[key]:
            yield ""
            yield f"{key}:" + ("  (value, 95 % interval)" if key == "measured" else "")
            yield from _indented(content[key], "  ", intervals=key == "measured")


def _indented(value: object, indent: str, *, intervals: bool = False) -> Iterator[str]:
    """Lines of a JSON value; intervals: three numbers are a value and its interval."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if _plain(inner):
                yield f"{indent}{key}: {_text(inner, intervals)}"
            else:
                yield f"{indent}{key}:"
                yield from _indented(inner, indent + "  ", intervals=intervals)
    elif isinstance(value, list):
        for inner in value:
            lines = [_text(inner, intervals)] if _plain(inner) else list(_indented(inner, "", intervals=intervals))
            yield f"{indent}- {lines[0] if lines else ''}"
            yield from (f"{indent}  {line}" for line in lines[1:])


def _plain(value: object) -> bool:
    """Whether a value fits behind its key: a number, a text, a list of numbers."""
    if isinstance(value, list):
        return all(v is None or isinstance(v, int | float) for v in value)
    return not isinstance(value, dict)


def _text(value: object, intervals: bool) -> str:
    if not isinstance(value, list):
        return _number(value)
    if intervals and len(value) == 3 and None not in value:
        return f"{_number(value[0])}  ({_number(value[1])}–{_number(value[2])})"
    return ", ".join(_number(v) for v in value)


def _number(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
