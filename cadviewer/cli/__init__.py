"""The command line: what may be written there, and the commands that need no window. No Qt.

`parse` imports nothing but argparse, since the window starts through it too. Exit status of a command: 0 all done,
1 some inputs were refused or failed, 2 wrong usage.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

import cadviewer
from cadviewer import HU_OF_8_BITS, NOTICE
from cadviewer.cli import words
from cadviewer.cli.arguments import (
    USAGE,
    AnnotateArgs,
    Args,
    DemoArgs,
    DoctorArgs,
    ModelsArgs,
    WindowArgs,
)


def parse(argv: Sequence[str]) -> Args:
    """What the arguments (without the program's name) ask for.

    Raises SystemExit: 2 after saying what is wrong, 0 after --help or --version.
    """
    if argv and argv[0] in COMMANDS:
        return COMMANDS[argv[0]](list(argv[1:]))
    return _parse_window(list(argv))


def run_command(args: Args) -> int:
    """Run a command other than the window; returns its exit status."""
    match args:
        case AnnotateArgs():
            from cadviewer.cli import annotate

            return annotate.run(args)
        case DemoArgs():
            from cadviewer.cli import annotate

            return annotate.demo(args)
        case ModelsArgs():
            from cadviewer.cli import models

            return models.run(args)
        case DoctorArgs():
            from cadviewer.cli import doctor

            return doctor.run(args)
        case WindowArgs():
            raise ValueError("the window is no command")


def missing(args: WindowArgs) -> str:
    """What to say where none of the paths that the window should open is there; "" where one is, or none was given.

    A word that is nearly a command is taken for one: it would open a window on nothing.
    """
    if not args.paths or any(os.path.lexists(path) for path in args.paths):
        return ""
    from difflib import get_close_matches

    first = args.paths[0]
    near = get_close_matches(str(first).lower(), [*COMMANDS, "train"], n=1)
    if near:
        meant = "cadviewer-train" if near[0] == "train" else f"cadviewer {near[0]}"
        return f"cadviewer: there is no command and no file {str(first)!r}; did you mean `{meant}`?\n"
    return "".join(f"cadviewer: {path}: no such file or folder\n" for path in args.paths)


def main(argv: Sequence[str]) -> int:
    """Parse and run a command other than the window."""
    return run_command(parse(argv))


# ------------------------------------------------------------------------------------------------------------- parsing


class _Parser(argparse.ArgumentParser):
    """A parser whose help keeps its line breaks and whose errors end with where help is."""

    def __init__(self, command: str, description: str, epilog: str) -> None:
        super().__init__(
            prog=f"cadviewer {command}".strip(),
            description=description,
            epilog=epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )

    def error(self, message: str) -> NoReturn:
        self.exit(USAGE, f"{self.prog}: {message}\nTry `{self.prog} --help`.\n")


def _parse_window(argv: list[str]) -> WindowArgs:
    parser = _Parser(
        "",
        "A desktop viewer with computer-aided detection: lung nodules on CT, tumours on breast ultrasound.\n" + NOTICE,
        "commands (each has its own --help):\n"
        "  cadviewer annotate INPUT… --out DIR   analyse files and folders without a window\n"
        "  cadviewer models [show NAME]          what models there are, what they were trained on and measured\n"
        "  cadviewer demo --out DIR              the built-in demo study and its results, without a window\n"
        "  cadviewer doctor                      whether it works here, and what a report of a fault needs\n"
        "  cadviewer-train --help                train and evaluate models\n\n"
        "A file named like a command is opened as ./NAME.",
    )
    parser.add_argument("paths", nargs="*", type=Path, metavar="PATH", help="files and folders to open")
    parser.add_argument(
        "--screenshot",
        type=Path,
        metavar="OUT.png",
        help="open, wait for the results (if a PATH is given), save a picture of the window and quit; needs no display",
    )
    parser.add_argument(
        "--size",
        type=words.size,
        metavar="WxH",
        help="size of the window in pixels, such as 1600x1000 (default of a picture: 1366x768)",
    )
    parser.add_argument("--demo", action="store_true", help="open the built-in demo study")
    parser.add_argument("--version", action="version", version=f"cadviewer {cadviewer.__version__}")
    given = parser.parse_intermixed_args(argv)
    return WindowArgs(tuple(given.paths), given.screenshot, given.size, given.demo)


_ANNOTATE_HELP = """\
Analyse files and folders (searched recursively) and write the findings into a folder. Every file is tried, by its
content and not by its name. """

QUIET_SECONDS = 10.0
"""How long nothing of a series may change until it is taken for complete, where nothing else is said."""

_ANNOTATE_EPILOG = """\
written into DIR, rows sorted, unknown values empty:
  nodules.csv  one row per nodule; boxes in continuous edge coordinates (pixel column c covers [c, c+1)), mm are LPS
  breast.csv   one row per ultrasound image or frame; masks are PNGs of the source's size, 0 or 255
  cases.csv    one row per case: done, skipped (not an image), refused (not for this task), failed (damaged)
  errors.csv   what was refused or failed, and why
  masks/       per case, as all files of a case named by its hash, since paths can hold patient names
what --formats names:
{formats}

A run that was stopped or killed goes on with --resume and the same options. One with --watch goes on by itself, and
never does a case twice; a series that has more images later is another case, with a warning.
Exit status: 0 all done; 1 some inputs were refused or failed, or the run was stopped; 2 wrong usage, also when DIR
holds results and neither --resume nor --overwrite is given.

"""


def _annotate_options(argv: list[str]) -> _Parser:
    from cadviewer.findings import Task
    from cadviewer.store.export import DEFAULT, FORMATS, for_batch, load

    helped = "--help" in argv or "-h" in argv  # naming a format costs nothing, its title the import of its module
    listed = [name for name in FORMATS if for_batch(name)] if helped else []
    formats = "\n".join(f"  {name:<12} {load(name).title}" for name in listed)
    parser = _Parser("annotate", _ANNOTATE_HELP + NOTICE, _ANNOTATE_EPILOG.format(formats=formats))
    parser.usage = "cadviewer annotate INPUT… --out DIR [options]"
    add = parser.add_argument
    add("inputs", nargs="*", type=Path, metavar="INPUT", help="a file or a folder")
    add("--out", type=Path, metavar="DIR", help="folder for the results; made when missing")
    add(
        "--task",
        choices=("auto", *(task.value for task in Task)),
        default="auto",
        help="what to look for; auto decides by DICOM modality and content, and refuses when unsure (default: auto)",
    )
    add("--model", default="", metavar="NAME", help="a name from `cadviewer models` (default: the task's default)")
    add(
        "--device",
        type=words.device,
        default="auto",
        metavar="auto|cpu|cuda[:N]",
        help="where to compute (default: auto)",
    )
    add(
        "--threshold",
        type=words.score,
        metavar="T",
        help="lowest score of a nodule, 0 to 1 (default: the model card's); leaves the breast call alone",
    )
    add(
        "--spacing",
        type=words.millimetres,
        metavar="MM",
        help="mm per pixel of images whose file does not say: 2-D CT slices (default: a 350 mm field of view is "
        "assumed, and said in the result), ultrasound (default: no millimetres)",
    )
    add(
        "--window",
        type=words.window,
        default=HU_OF_8_BITS,
        metavar="LOW,HIGH",
        help="Hounsfield units that the 8-bit values of 2-D CT slices span (default: -1000,400)",
    )
    add(
        "--formats",
        type=words.formats(tuple(FORMATS)),
        default=DEFAULT,
        metavar="NAME,…",
        help=f"what to write, see below (default: {','.join(DEFAULT)})",
    )
    add("--jobs", type=words.count, default=2, metavar="N", help="how many files are read at a time (default: 2)")
    add("--watch", action="store_true", help="stay and annotate what arrives in the folders, until Ctrl+C or SIGTERM")
    add(
        "--quiet-for",
        type=words.seconds,
        metavar="SECONDS",
        help="with --watch: a series is complete when nothing of it changed for so long (default: 10)",
    )
    existing = parser.add_mutually_exclusive_group()
    existing.add_argument("--resume", action="store_true", help="go on with the run whose results are in DIR")
    existing.add_argument("--overwrite", action="store_true", help="replace the results in DIR, and only those")
    return parser


def _parse_annotate(argv: list[str]) -> AnnotateArgs:
    from cadviewer.store.export import for_batch

    parser = _annotate_options(argv)
    given = parser.parse_intermixed_args(words.joined(argv, "--window"))
    missing = [name for name, value in (("INPUT", given.inputs), ("--out DIR", given.out)) if not value]
    if missing:  # argparse would name the options first, and the inputs only once those are there
        parser.error(f"{' and '.join(missing)} must be given")
    if unfit := [name for name in given.formats if not for_batch(name)]:
        parser.error(f"{', '.join(unfit)}: for one case in the window, not for a batch")
    if given.quiet_for is not None and not given.watch:
        parser.error("--quiet-for goes with --watch")
    return AnnotateArgs(
        tuple(given.inputs),
        given.out,
        given.task,
        given.model,
        given.device,
        given.threshold,
        given.spacing,
        given.window,
        given.formats,
        # A watch that is started again goes on: whatever starts it need not know whether it has run before
        "overwrite" if given.overwrite else "resume" if given.resume or given.watch else "keep out",
        given.jobs,
        (given.quiet_for or QUIET_SECONDS) if given.watch else None,
    )


def _parse_models(argv: list[str]) -> ModelsArgs:
    parser = _Parser("models", "List the model cards, one line each, or show one whole.", NOTICE)
    commands = parser.add_subparsers(dest="command", metavar="show NAME", parser_class=argparse.ArgumentParser)
    show = commands.add_parser("show", help="the whole card: training data, measured figures, limits, licence")
    show.add_argument("name", metavar="NAME", help="name of the model")
    given = parser.parse_args(argv)
    return ModelsArgs(given.name if given.command == "show" else "")


def _parse_demo(argv: list[str]) -> DemoArgs:
    parser = _Parser(
        "demo",
        "Write the built-in demo study (made images with known truth) into DIR/study, analyse it into DIR/results and\n"
        "say where everything is. What an earlier demo left there is replaced.",
        NOTICE,
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the demo; made when missing")
    parser.add_argument(
        "--device", type=words.device, default="auto", metavar="auto|cpu|cuda[:N]", help="where to compute"
    )
    given = parser.parse_args(argv)
    return DemoArgs(given.out, given.device)


def _parse_doctor(argv: list[str]) -> DoctorArgs:
    parser = _Parser(
        "doctor",
        "Print what a report of a fault needs (versions, machine, models, folders; no patient data) and analyse the\n"
        "built-in demo study, whose truth is known. Exit status 1 where something is wrong.",
        NOTICE,
    )
    parser.add_argument("--no-self-test", action="store_true", help="leave out the demo study")
    return DoctorArgs(not parser.parse_args(argv).no_self_test)


COMMANDS: dict[str, Callable[[list[str]], Args]] = {
    "annotate": _parse_annotate,
    "models": _parse_models,
    "demo": _parse_demo,
    "doctor": _parse_doctor,
}
"""First words that are commands; everything else opens the window."""
