"""What a training run says of itself: the protocol between a trainer's process and whoever watches it. No torch, no Qt.

The folder of a run holds `log.jsonl`, one JSON object per line: `kind` (a key of `KINDS`) and the fields of that event.
The trainer holds `run.lock` while it runs; a file called `stop` ends it at the next step, and `last.ckpt` is what it
can go on from.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any

from cadviewer import messages

LOG, STOP, LOCK, LAST = "log.jsonl", "stop", "run.lock", "last.ckpt"


@dataclass(frozen=True)
class Launched:
    """Whoever starts the process, before it says anything by itself. since: creation time of the process (psutil);
    at: by the clock; output: byte of `output.txt` at which what it prints begins."""

    pid: int
    since: float | None = None
    resume: bool = False
    at: float = 0.0
    output: int = 0


@dataclass(frozen=True)
class Begun:
    """The process runs. since: its creation time; settings: as merged."""

    pid: int = 0
    since: float | None = None
    data: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Stage:
    """What it does now: "reading", "training" (from `step` on) or "finishing" (calibrating, exporting)."""

    stage: str
    step: int = 0


@dataclass(frozen=True)
class Step:
    """At most once a second while it trains. loss: mean since the last one, None where it is no number; progress: 0…1;
    seconds: of training."""

    step: int
    loss: float | None = None
    epoch: int | None = None
    progress: float | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class Tune:
    """A look at the tune fold. figures: those that could be measured; they lie beside the other fields in the line."""

    step: int = 0
    epoch: int | None = None
    progress: float | None = None
    seconds: float | None = None
    figures: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Scan:
    """A scan of so many was cut into slices (an import, which trains nothing). problem: why it failed, if it did."""

    scan: int
    scans: int
    boxes: int = 0
    problem: str = ""
    progress: float | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class Ended:
    """The last line. state: "done", "stopped" or "failed"; card: path of the exported model card, once done."""

    state: str
    reason: str = ""
    card: str | None = None


TrainingEvent = Launched | Begun | Stage | Step | Tune | Scan | Ended
KINDS: Mapping[str, type[Any]] = MappingProxyType(
    {"start": Launched, "begin": Begun, "stage": Stage, "step": Step, "tune": Tune, "scan": Scan, "end": Ended}
)
_NAMES = {kind: name for name, kind in KINDS.items()}
_SAID: Mapping[type[Any], tuple[str, ...]] = MappingProxyType({Ended: ("reason",), Scan: ("problem",)})
"""Fields with what people read: kept as messages, so that a window can say them in its language."""
_PLAIN = {"int": int, "float": float, "str": str, "bool": bool}


def append(folder: Path, event: TrainingEvent) -> None:
    """Add a line to the log of the run in `folder`. Numbers that are none (NaN) are left out. Raises OSError."""
    values = asdict(event)
    values |= values.pop("figures", {})
    values |= {name: messages.to_json(getattr(event, name)) for name in _SAID.get(type(event), ())}
    known = {k: v for k, v in values.items() if v is not None and not (isinstance(v, float) and not math.isfinite(v))}
    with (folder / LOG).open("a", encoding="utf-8") as stream:
        stream.write(json.dumps({"kind": _NAMES[type(event)], **known}, default=str) + "\n")


def parse(line: bytes | str) -> TrainingEvent | None:
    """The event of a line; None for one that a crash damaged, or of a kind that is not known."""
    try:
        said = dict(json.loads(line))
        kind = KINDS[said.pop("kind")]
        names = {f.name: str(f.type) for f in fields(kind)}
        values = {k: _typed(v, names[k]) for k, v in said.items() if k in names and k != "figures"}
        if kind is Tune:
            values["figures"] = {k: v for k, v in said.items() if k not in names}
        event: TrainingEvent = kind(**values)
    except (ValueError, KeyError, TypeError):
        return None
    return event


def _typed(value: Any, hint: str) -> Any:
    """A value of a line as the type that its field names. Raises ValueError, TypeError."""
    plain, _, optional = hint.partition(" | ")
    if value is None and optional:
        return None
    if plain == "str" and isinstance(value, Mapping):
        return messages.from_json(value)
    return _PLAIN[plain](value) if plain in _PLAIN else dict(value)
