"""The one program behind every role: the window, the command line, and, when frozen, the worker and the trainer too.

The spawned worker process imports this module again before anything else, so it must stay light at the top: Qt, and
whatever reaches it, is imported inside `main` alone.
"""

from __future__ import annotations

import argparse
import importlib
import multiprocessing
import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status of the role that the arguments name."""
    # In a frozen program the worker is this executable again with multiprocessing's own arguments: this call serves it
    # and never returns. Elsewhere it does nothing.
    multiprocessing.freeze_support()
    from cadviewer import terminal

    with terminal.speaking():
        return _run(list(sys.argv[1:] if arguments is None else arguments))


def _run(given: list[str]) -> int:
    if given[:1] == ["--train"]:  # how the frozen program starts its trainer; by name, since nothing imports trainers
        return _train(given[1:])
    if given == ["--reader"]:  # how `imaging.contained` starts the process that reads what may crash
        return int(importlib.import_module("cadviewer.imaging.reading_process").main())
    if given == ["--display-report"]:  # how `cadviewer doctor` asks what there is for a window
        return int(importlib.import_module("cadviewer.gui.shell.display_report").main())
    from cadviewer import cli
    from cadviewer.cli.arguments import USAGE, WindowArgs

    args = cli.parse(given)
    if not isinstance(args, WindowArgs):
        return cli.run_command(args)
    if sys.stderr is not None and (said := cli.missing(args)):  # a windowed start on Windows says it in the window
        sys.stderr.write(said)
        return USAGE
    app = importlib.import_module("cadviewer.app")  # by name: Qt, and only when there is a window to open
    return int(app.run(argparse.Namespace(device=None, **vars(args))))


def _train(given: list[str]) -> int:
    try:
        trainer = importlib.import_module("trainers.__main__")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "trainers":
            raise
        sys.stderr.write(
            "cadviewer-train: the installed program brings no trainers; an installation by "
            'pip install "cadviewer[train]" has them\n'
        )
        return 2
    return int(trainer.main(given) or 0)


if __name__ == "__main__":
    sys.exit(main())
