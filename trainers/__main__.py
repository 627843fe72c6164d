"""`cadviewer-train`: train, resume and measure from the command line."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cadviewer import messages, terminal
from cadviewer.messages import Message
from cadviewer.models.runtime import RUNTIMES
from trainers import tasks
from trainers.config import ConfigError

if TYPE_CHECKING:
    from cadviewer.models.catalogue import ModelCard


def default_data() -> Path:
    """Folder of the shared data sets: `CADVIEWER_TEST_DATA`, else ../shared/data."""
    return Path(os.environ.get("CADVIEWER_TEST_DATA", "../shared/data"))


def parser() -> argparse.ArgumentParser:
    """The command line, with a sub-command per trainer."""
    top = argparse.ArgumentParser(prog="cadviewer-train", description="Train and measure the models of cadviewer.")
    top.add_argument("--json-errors", action="store_true", help="errors as JSON that can be translated, for programs")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, spec in tasks.specs().items():
        sub = commands.add_parser(name, help=f"train: {spec.summary}", description=spec.summary)
        sub.add_argument("--config", type=Path, metavar="FILE.toml", help="settings; --set goes before them")
        sub.add_argument(
            "--data", type=Path, default=None, help="folder of the data set (default: $CADVIEWER_TEST_DATA)"
        )
        sub.add_argument("--out", type=Path, default=Path("runs") / name, help="checkpoints, log and exported weights")
        sub.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="one setting, e.g. epochs=40")
        sub.add_argument("--resume", action="store_true", help="go on from the last checkpoint in --out")
    trained = tuple(name for name, spec in tasks.specs().items() if spec.settings)
    look = commands.add_parser("inspect", help="what a folder of data is recognised as")
    look.add_argument(
        "task",
        choices=trained,
        help="what would be trained on it",
    )
    look.add_argument("--data", type=Path, default=None, help="folder of the data set")
    look.add_argument("--json", action="store_true", help="one line for programs")
    ask = commands.add_parser("settings", help="what can be set for a run: names, ranges, meaning, presets")
    ask.add_argument(
        "task",
        choices=trained,
        help="what would be trained",
    )
    ask.add_argument("--json", action="store_true", help="one line for programs")
    measure = commands.add_parser("evaluate", help="measure a model on the folds it never saw")
    _measuring(measure)
    measure.add_argument("--update-card", action="store_true", help="write the figures into the model card")
    measure.add_argument("--runtime", choices=tuple(RUNTIMES), default=None, help="what computes the network")
    form = commands.add_parser("convert", help="make the form of a model that runs without PyTorch, beside its weights")
    form.add_argument("models", nargs="+", metavar="MODEL", help="name of an installed model, or the path of its card")
    marks = commands.add_parser("marks", help="what burned-in calipers and text do to the score of a breast model")
    _measuring(marks)
    marks.add_argument("--limit", type=int, default=0, metavar="N", help="at most N images per set, evenly chosen")
    tissue = commands.add_parser("tissue", help="what a breast model says of tissue cut out beside lesions")
    _measuring(tissue)
    shown = commands.add_parser("views", help="in which views a breast model is best asked, and whether several pay")
    shown.add_argument("models", nargs="+", metavar="MODEL", help="name of an installed model, or the path of its card")
    shown.add_argument("--data", type=Path, default=None, help="folder of the data set; its tune fold is used")
    shown.add_argument("--out", type=Path, required=True, help="where views.md, .csv and .json are written")
    shown.add_argument("--device", default="auto", help="auto, cpu or cuda[:N]")
    shown.add_argument("--limit", type=int, default=0, metavar="N", help="at most N images, evenly chosen")
    gate = commands.add_parser("gate", help="what the gate of the breast model lets in and refuses; asks no model")
    gate.add_argument("--data", type=Path, default=None, help="folder of the data sets")
    gate.add_argument("--out", type=Path, required=True, help="where gate.md and gate.csv are written")
    gate.add_argument("--split", choices=("test", "tune"), default="test", help="as for evaluate")
    gate.add_argument("--seed", type=int, default=1, help="of what is made of the images")
    gate.add_argument("--limit", type=int, default=0, metavar="N", help="at most N images per set, evenly chosen")
    gate.add_argument("--other", type=Path, action="append", default=[], metavar="DIR", help="pictures of other things")
    several = commands.add_parser("compare", help="measure several models alike, and lay their figures side by side")
    several.add_argument("models", nargs="+", metavar="MODEL", help="folder of a run, path of a card, or a name")
    several.add_argument("--data", type=Path, default=None, help="folder of the data sets")
    several.add_argument("--out", type=Path, required=True, help="where compare.md, .csv and .json are written")
    several.add_argument("--split", choices=("test", "tune"), default="test", help="as for evaluate")
    several.add_argument("--device", default="auto", help="auto, cpu or cuda[:N]; speed is measured on all there are")
    return top


def _measuring(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("model", metavar="MODEL", help="name of an installed model, or the path of its card")
    sub.add_argument("--data", type=Path, default=None, help="folder of the data sets")
    sub.add_argument("--out", type=Path, required=True, help="where the figures are written")
    sub.add_argument(
        "--split", choices=("test", "tune"), default="test", help="test: reserved folds; tune: for choices"
    )
    sub.add_argument("--device", default="auto", help="auto, cpu or cuda[:N]")


def main(argv: Sequence[str] | None = None) -> int:
    """Run; 0 done, 1 failed with a message (inspect: the folder cannot be trained on), 2 wrong usage."""
    with terminal.speaking():
        arguments = parser().parse_args(argv)
        try:
            return _run(arguments)
        except ConfigError as error:
            return _failed(str(error), arguments, 2)
        except OSError as error:
            from trainers import run_folder

            named = error.filename is not None and error.strerror
            full = error.errno in run_folder.FULL and hasattr(arguments, "out")
            text = f"{error.filename}: {error.strerror}" if named else str(error)
            return _failed(run_folder.reason(error, arguments.out) if full else text, arguments, 1)
        except (ValueError, RuntimeError) as error:
            return _failed(str(error), arguments, 1)
        except ModuleNotFoundError as error:  # the viewer alone comes without PyTorch and the trainers' libraries
            text = Message(
                "{library} is not installed; the trainers need it: {command}",
                library=error.name,
                command='pip install "cadviewer[train]"',
            )
            return _failed(text, arguments, 1)
        except KeyboardInterrupt:
            return _failed(Message("stopped; go on with --resume"), arguments, 1)


def _failed(text: str, arguments: argparse.Namespace, status: int) -> int:
    """Say what went wrong on one line, and give back the exit status."""
    said = json.dumps(messages.to_json(text), ensure_ascii=False) if arguments.json_errors else text
    print(f"cadviewer-train: {said}", file=sys.stderr)
    return status


def _run(arguments: argparse.Namespace) -> int:
    if arguments.command == "settings":
        from trainers import asking

        print(json.dumps(asking.settings(arguments.task)) if arguments.json else asking.text(arguments.task))
        return 0
    if arguments.command == "convert":
        _convert(arguments)
        return 0
    data = arguments.data or default_data()
    if not data.is_dir():
        raise ConfigError(
            Message("{folder}: no such folder; name the data with --data or $CADVIEWER_TEST_DATA", folder=data)
        )
    if arguments.command == "inspect":
        from trainers import inspection

        answer = inspection.inspect(arguments.task, data)
        print(inspection.as_json(answer) if arguments.json else inspection.text(answer))
        return 1 if answer["refused"] else 0
    elif arguments.command == "compare":
        from trainers import compare

        place = arguments.out
        compare.compare(arguments.models, data, place, split=arguments.split, device=arguments.device)
        print((place / "compare.md").read_text(encoding="utf-8"))
    elif arguments.command == "evaluate":
        _evaluate(arguments, data)
    elif arguments.command == "marks":
        _marks(arguments, data)
    elif arguments.command == "tissue":
        from trainers.breast import tissue as breast_tissue

        chosen = {"split": arguments.split, "device": arguments.device}
        _print_figures(breast_tissue.run(_breast_card(arguments.model), data, arguments.out, **chosen))
    elif arguments.command == "views":
        _views(arguments, data)
    elif arguments.command == "gate":
        from trainers.breast import gate as breast_gate

        chosen = {k: getattr(arguments, k) for k in ("split", "seed", "limit", "other")}
        print(breast_gate.table(breast_gate.run(data, arguments.out, **chosen)))
    else:
        _train(arguments, data)
    return 0


def _train(arguments: argparse.Namespace, data: Path) -> None:
    from trainers import config, run_folder

    spec = tasks.specs()[arguments.command]
    # Before the import: of torch it takes up to twenty seconds, in which a second run could begin.
    with run_folder.claimed(arguments.out) if spec.settings else contextlib.nullcontext():
        if spec.settings:  # without torch: what is wrong with them is said at once
            kind, presets = tasks.resolve(spec.settings), tasks.resolve(spec.presets)
            config.merge(kind, presets, file=arguments.config, assignments=arguments.set)
            run_folder.checkpoint(arguments.out, resume=arguments.resume)
        tasks.resolve(spec.run)(arguments.config, data, arguments.out, arguments.set, arguments.resume)


def _evaluate(arguments: argparse.Namespace, data: Path) -> None:
    from trainers import evaluate, export

    card = _card(arguments.model)
    asked = {"split": arguments.split, "device": arguments.device, "runtime": arguments.runtime}
    figures = evaluate.evaluate(card, data, arguments.out, **asked)
    _print_figures(figures)
    if arguments.update_card:
        export.write_card(replace(card, measured={**card.measured, **figures}))


def _convert(arguments: argparse.Namespace) -> None:
    from cadviewer.models.catalogue import CardError
    from trainers import convert, export

    for card in [_card(name) for name in arguments.models]:
        try:
            made = convert.convert(card)
        except CardError as error:
            raise ConfigError(str(error)) from error
        export.write_card(made)
        print(f"{made.graph}: {made.graph.stat().st_size / 1000:.0f} kB")


def _marks(arguments: argparse.Namespace, data: Path) -> None:
    from trainers.breast import marks as breast_marks

    card = _breast_card(arguments.model)
    made = breast_marks.run(
        card, data, arguments.out, split=arguments.split, device=arguments.device, limit=arguments.limit
    )
    _print_figures(made)


def _views(arguments: argparse.Namespace, data: Path) -> None:
    from trainers.breast import views as breast_views

    cards = [_breast_card(name) for name in arguments.models]
    tried = breast_views.run(cards, data, arguments.out, device=arguments.device, limit=arguments.limit)
    print(breast_views.table(tried))


def _breast_card(name: str) -> ModelCard:
    from cadviewer.findings import Task

    card = _card(name)
    if card.task is not Task.BREAST:
        raise ConfigError(f"{card.name} is for {card.task.value}; this is measured for breast ultrasound")
    return card


def _card(name: str) -> ModelCard:
    from cadviewer.models.catalogue import CardError
    from trainers import evaluate

    try:
        return evaluate.find_card(name)
    except CardError as error:
        raise ConfigError(str(error)) from error


def _print_figures(figures: Mapping[str, Mapping[str, Any]]) -> None:
    from trainers.metrics import bootstrap

    for name, group in figures.items():
        print(name)
        for figure, value in group.items():
            text = bootstrap.text((value[0], value[1], value[2])) if isinstance(value, list | tuple) else value
            print(f"  {figure:36s} {text}")


if __name__ == "__main__":
    sys.exit(main())
