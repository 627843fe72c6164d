"""The words of the command line: from text to values, each saying what it wants instead. No Qt, nothing heavy."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable


def joined(argv: list[str], option: str) -> list[str]:
    """The arguments with `option VALUE` as `option=VALUE`: argparse takes a value like -1000,400 for an option."""
    joined: list[str] = []
    rest = iter(argv)
    for word in rest:
        value = next(rest, None) if word == option else None
        joined.append(word if value is None else f"{word}={value}")
    return joined


def number(text: str) -> float:
    """A finite number, as an argument."""
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
    if value != value or abs(value) == float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a finite number")
    return value


def score(text: str) -> float:
    """A score from 0 to 1, as an argument."""
    value = number(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"a score lies between 0 and 1, not {text}")
    return value


def millimetres(text: str) -> float:
    """A length in mm above 0, as an argument."""
    value = number(text)
    if value <= 0:
        raise argparse.ArgumentTypeError(f"a spacing is more than 0 mm, not {text}")
    return value


def seconds(text: str) -> float:
    """A time in seconds above 0, as an argument."""
    value = number(text)
    if not 0 < value <= 86400:
        raise argparse.ArgumentTypeError(f"more than 0 and at most 86400 seconds are wanted, not {text}")
    return value


def window(text: str) -> tuple[float, float]:
    """The low and the high end of a window in HU, as an argument."""
    parts = text.split(",")
    if len(parts) != 2:
        raise argparse.ArgumentTypeError(f"LOW,HIGH is wanted, such as -1000,400, not {text!r}")
    low, high = (number(p) for p in parts)
    if not low < high:
        raise argparse.ArgumentTypeError(f"LOW must be less than HIGH, not {text}")
    return low, high


def size(text: str) -> tuple[int, int]:
    """Width and height of a window in pixels, as an argument."""
    match = re.fullmatch(r"(\d{2,5})[x×](\d{2,5})", text.lower())
    if match is None:
        raise argparse.ArgumentTypeError(f"WxH is wanted, such as 1600x1000, not {text!r}")
    return int(match[1]), int(match[2])


def device(text: str) -> str:
    """The name of a device, as an argument."""
    if re.fullmatch(r"auto|cpu|cuda(:\d+)?", text) is None:
        raise argparse.ArgumentTypeError(f"auto, cpu, cuda or cuda:N is wanted, not {text!r}")
    return text


def count(text: str) -> int:
    """A whole number from 1 to 64, as an argument."""
    if not text.isdecimal() or not 1 <= int(text) <= 64:
        raise argparse.ArgumentTypeError(f"a number from 1 to 64 is wanted, not {text!r}")
    return int(text)


def formats(known: tuple[str, ...]) -> Callable[[str], tuple[str, ...]]:
    """Names of formats with commas between them, as an argument."""

    def convert(text: str) -> tuple[str, ...]:
        names = tuple(dict.fromkeys(n.strip() for n in text.split(",") if n.strip()))
        unknown = [n for n in names if n not in known]
        if unknown or not names:
            raise argparse.ArgumentTypeError(f"there is no format {', '.join(unknown)!r}; there are {', '.join(known)}")
        return names

    return convert
