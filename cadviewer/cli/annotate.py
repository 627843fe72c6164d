"""`cadviewer annotate` and `cadviewer demo`: a batch with its progress on standard error."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from cadviewer import background, batch
from cadviewer.cli.arguments import DONE, TROUBLED, USAGE, AnnotateArgs, DemoArgs
from cadviewer.cli.progress import Progress, WatchLog
from cadviewer.findings import Task
from cadviewer.imaging import archives
from cadviewer.models.catalogue import CardError


def run(args: AnnotateArgs) -> int:
    """Annotate; the exit status of the contract."""
    options = batch.Options(
        task=None if args.task == "auto" else Task(args.task),
        model=args.model,
        device=args.device,
        threshold=args.threshold,
        spacing_mm=args.spacing_mm,
        window=args.window,
        formats=args.formats,
        existing=batch.Existing(args.existing),
        jobs=args.jobs,
        quiet_for=args.quiet_for,
    )
    return _run("annotate", args.inputs, args.out, options)


def demo(args: DemoArgs) -> int:
    """Write the demo study, annotate it and say where everything is; an earlier demo's files are replaced."""
    from cadviewer.phantoms import files as phantom_files

    study, out = args.out / "study", args.out / "results"
    try:
        study.mkdir(parents=True, exist_ok=True)  # before the seconds that making the phantoms takes
        phantom_files.write_demo_study(study)
    except OSError as error:
        print(f"cadviewer demo: {args.out}: the demo cannot be written: {error.strerror}", file=sys.stderr)
        return USAGE
    options = batch.Options(device=args.device, formats=("csv", "json", "png"), existing=batch.Existing.OVERWRITE)
    status = _run("demo", [study], out, options)
    print(f"Demo study: {study.resolve()}")
    if status != USAGE:
        print(f"Results:    {out.resolve()}")
    return status


def _run(command: str, inputs: Sequence[Path], out: Path, options: batch.Options) -> int:
    progress = WatchLog(sys.stderr) if options.quiet_for is not None else Progress(sys.stderr, inputs, out)
    background.catch_all()
    archives.remove_abandoned_later()
    try:
        with _Interrupt() as stop:
            summary = batch.run(inputs, out, options, progress, stop.is_set)
    except batch.ResultsError as error:
        hint = " (--resume goes on, --overwrite replaces)" if isinstance(error, batch.ExistingResultsError) else ""
        progress.say(f"cadviewer {command}: {out}: {error}{hint}")
        return USAGE
    except CardError as error:
        progress.say(f"cadviewer {command}: {error}")
        return USAGE
    except batch.BatchError as error:
        progress.say(f"cadviewer {command}: {out}: {error}; what is finished is kept, go on with --resume")
        return TROUBLED
    except KeyboardInterrupt:
        progress.say(f"cadviewer {command}: stopped at once; what is finished is kept, go on with --resume")
        return TROUBLED
    progress.end(summary)
    stopped = summary.cancelled and options.quiet_for is None  # a watch has no other end
    return TROUBLED if summary.troubled or stopped or summary.unfinished else DONE


class _Interrupt:
    """Within it the first Ctrl+C (or SIGTERM) asks the run to end in order; a second one ends it at once."""

    def __enter__(self) -> threading.Event:
        self._asked = threading.Event()
        self._before = {s: signal.signal(s, self._ask) for s in (signal.SIGINT, signal.SIGTERM)}
        return self._asked

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _ask(self, number: int, frame: object) -> None:
        if self._asked.is_set():
            raise KeyboardInterrupt
        self._asked.set()
