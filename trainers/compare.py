"""`cadviewer-train compare`: several models of one task beside each other, measured alike, as Markdown, CSV and JSON.

Each model is measured by `trainers.evaluate`, or its figures are taken over from a `figures.json` of the same weights,
name and split that lies in its folder or in that of an earlier comparison. Size, speed and the course of training are
looked up beside it.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch

from cadviewer import atomic
from cadviewer.findings import Task
from cadviewer.models import catalogue
from cadviewer.models.catalogue import CardError, ModelCard
from cadviewer.models.nets import runtime
from cadviewer.models.nodules.detection import MULTIPLE
from cadviewer.training_events import LOG, Begun, Step, TrainingEvent, Tune, parse
from trainers import evaluate, tasks
from trainers.breast import paired as breast_paired
from trainers.config import ConfigError
from trainers.data import read_slices
from trainers.data.ct import samples
from trainers.metrics import bootstrap, paired
from trainers.metrics.bootstrap import Figure

SLICE = (256, 320)
"""Rows and columns by which a nodule network is timed: the lungs of an adult at 1 mm per pixel."""

FIGURES, MARKS, IMAGES = "figures.json", "marks.csv", "images.csv"


@dataclass(frozen=True)
class Course:
    """How a model was trained, as far as its log says; None where nothing does.

    epochs: begun; steps; seconds: of training, all parts of a resumed run together; images: seen, each time anew;
    start: the run whose weights it began with, "" for none.
    """

    epochs: int | None = None
    steps: int | None = None
    seconds: float | None = None
    images: int | None = None
    start: str = ""


@dataclass(frozen=True)
class Compared:
    """One model: parameters; bytes on disk (half precision); milliseconds per image by device; figures by set;
    difference: to the first model on the same slices, or on the same images of its held-out fold, where both say."""

    name: str
    task: Task
    weights_sha256: str
    parameters: int
    bytes: int
    milliseconds: Mapping[str, float]
    course: Course
    figures: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    difference: Mapping[str, Figure] = field(default_factory=dict)


def compare(
    names: Sequence[str],
    data: Path,
    out: Path,
    *,
    split: str = "test",
    device: str = "auto",
    rounds: int = 15,
    on_model: Callable[[str], None] = lambda name: None,
) -> list[Compared]:
    """Measure every model and write compare.md, compare.csv and compare.json into `out`.

    names: folders of runs, paths of cards, names of installed models. rounds: of the timing loop, 0 for none.
    on_model: called with each model's name before it is measured.
    Raises ConfigError for what is no model, models of several tasks, and two of one name.
    """
    found = [find(name) for name in names]
    if len({card.task for card, _ in found}) > 1:
        raise ConfigError("models of several tasks cannot be compared")
    twice = {c.name for c, _ in found if sum(c.name == o.name for o, _ in found) > 1}
    if twice:
        raise ConfigError(f"two models are called {', '.join(sorted(twice))}; give them names of their own")
    rows, places = [], []
    for card, run in found:
        on_model(card.name)
        earlier = known(card, split, [out / card.name, *([run] if run else []), card.folder])
        if earlier is None:
            place = out / card.name
            figures = evaluate.evaluate(card, data, place, split=split, device=device)
        else:
            figures, place = earlier
        places.append(place)
        network = runtime.build(card)
        rows.append(
            Compared(
                name=card.name,
                task=card.task,
                weights_sha256=card.weights_sha256,
                parameters=sum(p.numel() for p in network.parameters()),
                bytes=card.weights.stat().st_size,
                milliseconds=speed(network, card, rounds) if rounds else {},
                course=course_of(card, run),
                figures={name: dict(group) for name, group in figures.items()},
            )
        )
    rows = beside_the_first(rows, places, data, split)
    out.mkdir(parents=True, exist_ok=True)
    about = {"split": split, "threads": torch.get_num_threads(), "input": described(found[0][0]), **_load()}
    content = {**about, "models": [_plain(row) for row in rows]}
    atomic.write_text(out / "compare.json", json.dumps(content, indent=2, ensure_ascii=False) + "\n")
    atomic.write_text(out / "compare.csv", as_csv(rows))
    atomic.write_text(out / "compare.md", as_markdown(rows, about))
    return rows


def find(name: str) -> tuple[ModelCard, Path | None]:
    """The card by the folder of a run, the path of a card or the name of an installed model; and the run's folder.

    Raises ConfigError when there is no such model.
    """
    place = Path(name)
    if not place.is_dir():
        try:
            card = evaluate.find_card(name)
        except CardError as error:
            raise ConfigError(str(error)) from error
        return card, card.folder if (card.folder / LOG).is_file() else None
    paths = [path for path in sorted(place.glob("*.json")) if path.with_suffix(".safetensors").is_file()]
    if len(paths) != 1:
        raise ConfigError(f"{place}: holds {len(paths) or 'no'} models; name the card of one")
    try:
        return catalogue.load(paths[0]), place
    except CardError as error:
        raise ConfigError(str(error)) from error


def beside_the_first(rows: Sequence[Compared], places: Sequence[Path], data: Path, split: str) -> list[Compared]:
    """The models with their differences to the first, where all left what they said of the same images.

    places: the folder of each evaluation. Breast models are compared on the first of their sets, the held-out fold.
    """
    if len(rows) < 2:
        return list(rows)
    if rows[0].task is Task.BREAST:
        return _breast_beside_the_first(rows, places)
    marks = [place / MARKS for place in places]
    if not all(path.is_file() for path in marks):
        return list(rows)
    items = read_slices(data, samples.TEST if split == "test" else samples.TUNE)
    patients = [item.patient for item in items]
    known_names = {item.image.name for item in items}
    if not all(paired.images(path) <= known_names for path in marks):
        return list(rows)  # figures taken over from other slices
    scored = [paired.read_marks(path, items) for path in marks]
    others = [
        replace(row, difference=paired.differences(scored[0], one, patients))
        for row, one in zip(rows[1:], scored[1:], strict=True)
    ]
    return [rows[0], *others]


def _breast_beside_the_first(rows: Sequence[Compared], places: Sequence[Path]) -> list[Compared]:
    name = next(iter(rows[0].figures))
    paths = [place / IMAGES for place in places]
    if not all(path.is_file() for path in paths):
        return list(rows)
    first, *others = (breast_paired.read(path, name) for path in paths)
    return [
        rows[0],
        *(
            replace(row, difference=breast_paired.differences(first, said))
            for row, said in zip(rows[1:], others, strict=True)
        ),
    ]


def known(card: ModelCard, split: str, folders: Sequence[Path]) -> tuple[Mapping[str, Any], Path] | None:
    """Figures that an evaluation of these very weights on this split left in one of these folders, and in which."""
    for folder in folders:
        for path in sorted([*folder.glob(FIGURES), *folder.glob(f"*/{FIGURES}")]):
            try:
                content = json.loads(path.read_text(encoding="utf-8"))
                same = (content["model"], content["weights_sha256"], content["split"])
                # The same weights may be decoded in another way under another name.
                if same == (card.name, card.weights_sha256, split):
                    figures: Mapping[str, Any] = content["figures"]
                    return figures, path.parent
            except (OSError, ValueError, KeyError, TypeError):
                continue  # not one of ours
    return None


def speed(network: torch.nn.Module, card: ModelCard, rounds: int) -> dict[str, float]:
    """Median milliseconds of the network alone for one image in one view, by device; figures of a busy machine lie."""
    devices = ["cpu", *(["cuda"] if runtime.choose_device("cuda")[0].type == "cuda" else [])]
    image = np.random.default_rng(0).random((1, *input_shape(card)), np.float32)
    found = {}
    for device in devices:
        forward = runtime.TorchForward(network, device, batch_size=1)
        times = []
        for k in range(rounds + 3):
            begin = time.perf_counter()
            forward(image)
            if k >= 3:
                times.append((time.perf_counter() - begin) * 1000)
        found[device] = round(float(np.median(times)), 2)
    return found


def input_shape(card: ModelCard) -> tuple[int, int, int]:
    """(channels, rows, columns) of what a network is timed by."""
    if card.task is Task.BREAST:
        size = card.inputs.get("size", 256)
        high, wide = (size, size) if isinstance(size, int) else size
        return int(card.inputs.get("channels", 1)), int(high), int(wide)
    rows, columns = (-(-int(n) // MULTIPLE) * MULTIPLE for n in card.inputs.get("size", SLICE))
    return int(card.config.get("channels", 1)), rows, columns


def described(card: ModelCard) -> str:
    """What a millisecond is per, in words."""
    _, rows, columns = input_shape(card)
    what = "image" if card.task.spec.per_image else "slice"
    return f"the network alone, one {what} of {columns} × {rows} px in one view"


def course_of(card: ModelCard, run: Path | None) -> Course:
    """How long a model was trained, from its run's log, else from its card."""
    settings = dict(card.training.get("settings", {}))
    given = settings.get("start_from") or settings.get("init") or ()  # older breast models say init
    started = [given] if isinstance(given, str) else list(given)
    start = ", ".join(Path(str(path)).parent.name for path in started)
    events = list(_events(run)) if run else []
    looks = [event for event in events if isinstance(event, Step | Tune)]
    if not looks:
        return Course(seconds=_seconds(card), start=start)
    total, part = 0.0, 0.0
    for event in events:
        if isinstance(event, Begun):
            total, part = total + part, 0.0
        part = max(part, getattr(event, "seconds", None) or 0.0)
    # A step names the epoch it lies in, counted from 0; a look at the tune fold one that is over (from 1 for nodules).
    epochs = max((event.epoch or 0) + isinstance(event, Step) for event in looks)
    count = max(event.step for event in looks)
    batch = settings.get("batch")
    return Course(epochs, count, round(total + part, 1), count * int(batch) if batch else None, start)


def _seconds(card: ModelCard) -> float | None:
    """Wall-clock seconds of a model and of every run it started from, each once; None where its card says none."""
    found: dict[str, float] = {}

    def gather(training: Mapping[str, Any]) -> None:
        if training.get("seconds") is not None:
            found[json.dumps([training.get("settings"), training["seconds"]], sort_keys=True)] = training["seconds"]
        for earlier in training.get("started_from", ()):
            gather(earlier)

    gather(card.training)
    return float(sum(found.values())) if found else None


def _events(run: Path) -> Iterator[TrainingEvent]:
    """What a run said of itself, but for lines that a kill cut off."""
    with contextlib.suppress(OSError):
        for line in (run / LOG).read_bytes().splitlines():
            if (event := parse(line)) is not None:
                yield event


def _load() -> dict[str, float]:
    """How busy the machine was, where the system says it."""
    try:
        return {"load": round(psutil.getloadavg()[0], 2)}
    except OSError:
        return {}


def _plain(row: Compared) -> dict[str, Any]:
    return {
        **{k: v for k, v in vars(row).items() if k not in ("course", "task")},
        "task": row.task.value,
        "course": vars(row.course),
    }


def _figures(task: Task) -> tuple[tuple[str, str], ...]:
    return tasks.of_model(task).figures


def _shown(row: Compared, group: Mapping[str, Any]) -> dict[str, tuple[float, float, float]]:
    """The main figures of a set by heading."""
    return {head: tuple(group[name]) for name, head in _figures(row.task) if isinstance(group.get(name), list | tuple)}


def as_csv(rows: Sequence[Compared]) -> str:
    """A row per model and set; every figure with the ends of its interval; unknown is empty."""
    devices = sorted({device for row in rows for device in row.milliseconds})
    heads = [h for _, h in _figures(rows[0].task) if any(h in _shown(r, g) for r in rows for g in r.figures.values())]
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(
        [
            *("model", "set", "parameters", "bytes"),
            *(f"ms_{device}" for device in devices),
            *("epochs", "steps", "seconds", "images", "start"),
            *(f"{head}{end}" for head in heads for end in ("", " low", " high")),
        ]
    )
    for row in rows:
        c = row.course
        for name, group in row.figures.items():
            shown = _shown(row, group)
            times = [row.milliseconds.get(device) for device in devices]
            about = [row.name, name, row.parameters, row.bytes, *times, c.epochs, c.steps, c.seconds, c.images, c.start]
            writer.writerow([*about, *(_cell(shown, head, end) for head in heads for end in range(3))])
    return stream.getvalue()


def _cell(shown: Mapping[str, tuple[float, float, float]], head: str, end: int) -> str:
    return f"{shown[head][end]:.4f}" if head in shown else ""


def as_markdown(rows: Sequence[Compared], about: Mapping[str, Any]) -> str:
    """A table of what the models are, and one of the figures per set, best value of each column in bold."""
    devices = sorted({device for row in rows for device in row.milliseconds})
    times = "".join(f"ms, {device} | " for device in devices)
    lines = [
        f"| model | parameters | size | {times}epochs | images seen | trained | from |",
        "|---|" + "---|" * (6 + len(devices)),
    ]
    for row in rows:
        c = row.course
        times = "".join(f"{row.milliseconds[d]:.1f} | " if d in row.milliseconds else " | " for d in devices)
        minutes = f"{c.seconds / 60:.0f} min" if c.seconds is not None else ""
        seen = f"{c.images:,}" if c.images is not None else ""
        lines.append(
            f"| {row.name} | {row.parameters / 1e6:.2f} M | {row.bytes / 1e6:.1f} MB | {times}"
            f"{c.epochs if c.epochs is not None else ''} | {seen} | {minutes} | {c.start} |"
        )
    if devices:
        load = f", load {about['load']}" if "load" in about else ""
        lines += ["", f"Milliseconds: {about['input']}, median; CPU threads: {about['threads']}{load}."]
    for name in dict.fromkeys(name for row in rows for name in row.figures):
        held = [(row, _shown(row, row.figures[name])) for row in rows if name in row.figures]
        heads = [h for _, h in _figures(rows[0].task) if any(h in shown for _, shown in held)]
        lines += ["", f"**{name}**", "", "| model | " + " | ".join(heads) + " |", "|---|" + "---|" * len(heads)]
        least = {h: h == "ECE" for h in heads}
        best = {h: (min if least[h] else max)(s[h][0] for _, s in held if h in s) for h in heads}
        for row, shown in held:
            cells = [_bold(shown[h], best[h]) if h in shown else "" for h in heads]
            lines.append(f"| {row.name} | " + " | ".join(cells) + " |")
    lines += _differences(rows)
    lines += ["", "Brackets: 95 % intervals by bootstrap over patients."]
    return "\n".join(lines) + "\n"


def _differences(rows: Sequence[Compared]) -> list[str]:
    """The table of differences to the first model; nothing when there are none."""
    if not any(row.difference for row in rows):
        return []
    heads = list(dict.fromkeys(name for row in rows for name in row.difference))
    lines = ["", f"**less {rows[0].name}, on the same patients**", ""]
    lines += ["| model | " + " | ".join(heads) + " |", "|---|" + "---|" * len(heads)]
    for row in rows[1:]:
        cells = [_signed(row.difference[h]) if h in row.difference else "" for h in heads]
        lines.append(f"| {row.name} | " + " | ".join(cells) + " |")
    return lines


def _signed(figure: Figure) -> str:
    value, low, high = figure
    return f"{value:+.3f} [{low:+.3f}…{high:+.3f}]"


def _bold(figure: tuple[float, float, float], best: float) -> str:
    text = bootstrap.text(figure)
    value, _, rest = text.partition(" ")
    return f"**{value}** {rest}" if figure[0] == best else text
