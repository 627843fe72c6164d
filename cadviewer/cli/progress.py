"""What a run says on standard error: how far it is. Cases by their hash: a path can hold a patient's name.

Inputs that were named on the command line are named here too when they could not be used: whoever typed them sees at
once what is wrong with them. What was found in folders is in errors.csv.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from cadviewer import batch

LINE_SECONDS = 10.0
"""How often a line is written where the last one cannot be overwritten."""
REDRAW_SECONDS = 0.1


class Progress:
    """Listens to a batch. On a terminal one line is kept up to date; elsewhere a line is written now and then."""

    def __init__(self, stream: TextIO, inputs: Sequence[Path] = (), out: Path = Path()) -> None:
        """inputs, out: as they were given on the command line."""
        self._stream = stream
        self._named = {str(path) for path in inputs}
        self._errors = out / "errors.csv"
        self._terminal = stream.isatty()
        self._last = 0.0
        self._width = 0
        self._found = self._done = self._troubled = 0
        self._total: int | None = None
        self._now = "looking for images"

    def __call__(self, event: batch.BatchEvent) -> None:
        """Hear an event of the run."""
        match event:
            case batch.Looked():
                if self._total is None and not self._done:
                    self._now = f"looking for images: {event.done} of {event.total} files"
            case batch.CaseFound():
                self._found += 1
            case batch.AllFound():
                self._total = event.total
            case batch.CaseStarted():
                self._now = f"{event.task.value} {event.case}"
            case batch.CaseProgress():
                left = "" if event.seconds_left is None else f", {event.seconds_left:.0f} s left"
                self._now = f"{event.case} {100 * event.done // max(1, event.total)} %{left}"
            case batch.Noticed():
                self.say(event.text)
            case batch.CaseDone():
                self._done += 1
                if event.state in (batch.CaseState.REFUSED, batch.CaseState.FAILED):
                    self._troubled += 1
                    self._name(event)
        self._draw()

    def say(self, text: str) -> None:
        """A line that stays."""
        self._clear()
        self._stream.write(text + "\n")
        self._stream.flush()

    def end(self, summary: batch.Summary) -> None:
        """The last line of a run."""
        counts = ", ".join(f"{n} {state.value}" for state in batch.CaseState if (n := summary.counts.get(state, 0)))
        ended = "Stopped" if summary.cancelled else "Unfinished" if summary.unfinished else "Finished"
        self.say(f"{ended}: {counts or 'no case'}.")
        if summary.unfinished:
            self.say(f"The other cases were not looked at: {summary.unfinished}.")
        if summary.troubled:
            self.say(f"What was refused or failed, and why, is in {self._errors}.")
        if summary.cancelled or summary.unfinished:
            self.say("Go on with --resume and the same options.")

    def _name(self, event: batch.CaseDone) -> None:
        """Say of an input that was named why it could not be used."""
        source = event.row.get("source", "")
        if source in self._named:
            self.say(f"{source}: {event.row.get('reason', '')}")

    def _draw(self) -> None:
        now = time.monotonic()
        if now - self._last < (REDRAW_SECONDS if self._terminal else LINE_SECONDS):
            return
        self._last = now
        of = self._total if self._total is not None else f"{self._found}+"
        trouble = f", {self._troubled} refused or failed" if self._troubled else ""
        line = f"{self._done} of {of} cases{trouble}; {self._now}"
        if self._terminal:
            self._clear()
            self._stream.write(line[:118])
            self._width = len(line[:118])
            self._stream.flush()
        else:
            self._stream.write(line + "\n")
            self._stream.flush()

    def _clear(self) -> None:
        if self._terminal and self._width:
            self._stream.write("\r" + " " * self._width + "\r")
            self._width = 0


class WatchLog:
    """Listens to a watch: a line for each case, and nothing while nothing happens."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.say("Watching; Ctrl+C ends it.")

    def __call__(self, event: batch.BatchEvent) -> None:
        """Hear an event of the run."""
        match event:
            case batch.Noticed():
                self.say(event.text)
            case batch.CaseDone(kept=False):
                self.say(f"{time.strftime('%H:%M:%S')} {event.case} {_outcome(event)}")

    def say(self, text: str) -> None:
        """A line, at once."""
        self._stream.write(text + "\n")
        self._stream.flush()

    def end(self, summary: batch.Summary) -> None:
        """The last line."""
        counts = ", ".join(f"{n} {state.value}" for state in batch.CaseState if (n := summary.counts.get(state, 0)))
        why = f"; the model cannot run: {summary.unfinished}" if summary.unfinished else ""
        self.say(f"The watch ended: {counts or 'no case'}{why}. The same command goes on with it.")


def _outcome(event: batch.CaseDone) -> str:
    """What became of a case, in one line without its path."""
    row = event.row
    if event.state is not batch.CaseState.DONE:
        return f"{event.state.value}: {row.get('reason', '')}"
    seconds = sum(float(row[name]) for name in ("seconds_load", "seconds_infer") if row.get(name))
    number = row.get("findings", "")
    said = f"{row.get('task', '')}: {number} finding{'' if number == '1' else 's'}, {seconds:.1f} s"
    return f"{said}; {row['reason']}" if row.get("reason") else said
