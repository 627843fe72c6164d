"""The fuzzer: damaged inputs of every format through `files.scan` and `files.read`, in forked children with limits.

    python tests/fuzz/fuzzing.py --minutes 60 [--seed N] [--keep FOLDER]     a long run by hand
    python tests/fuzz/fuzzing.py --seed N --only K                           one input again, in this process

What it looks for: an exception that leaves scan (any) or read (any but InputError); a child that dies; more than ten
seconds for one input; a good image beside the damaged one that is not read; a reason that is no short clean line.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import select
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from corpus import Input, seeds
from mutate import mutated

from cadviewer.imaging import archives, contained, files
from cadviewer.imaging.series import InputError, Rejected, Series
from cadviewer.phantoms.files import write_png

SLOWEST = 10.0
"""Seconds that one input may take."""
MEMORY = 6 << 30
"""Bytes of addresses that a child may have."""
_FOR_EACH_CHILD = 200
_GOOD = np.arange(48, dtype=np.uint8).reshape(6, 8)


@dataclass
class Found:
    """What a run found. faults: kind → which inputs and what. inputs: how many were tried; outcomes: of their files."""

    inputs: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    faults: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    slowest: float = 0.0

    def fault(self, kind: str, number: int, what: str) -> None:
        self.faults.setdefault(kind, []).append((number, what))

    def summary(self) -> str:
        outcomes = ", ".join(f"{count} {name}" for name, count in sorted(self.outcomes.items()))
        bad = ", ".join(f"{len(which)} {kind}" for kind, which in sorted(self.faults.items())) or "no fault"
        return f"{self.inputs} inputs ({outcomes}), slowest {self.slowest:.1f} s: {bad}"


class Corpus:
    """The seeds and what is made of them: input `number` of a run with `seed`."""

    def __init__(self) -> None:
        self._seeds = list(seeds().items())
        self._pieces = [max(given.values(), key=len) for _, given in self._seeds]

    def input(self, seed: int, number: int) -> tuple[str, Input]:
        name, given = self._seeds[number % len(self._seeds)]
        return name, mutated(given, self._pieces, (seed, number))


def run(corpus: Corpus, seed: int, *, inputs: int, seconds: float, keep: Path | None = None) -> Found:
    """Try inputs 0, 1, 2, … of a seed until so many or so long. keep: folder for inputs that showed a fault."""
    found, end = Found(), time.monotonic() + seconds
    with contextlib.suppress(KeyboardInterrupt):  # what was found so far is said
        while found.inputs < inputs and time.monotonic() < end:
            first = found.inputs
            last = min(first + _FOR_EACH_CHILD, inputs)
            found.inputs = _in_child(corpus, seed, first, last, end, found)
    for kind, which in found.faults.items():
        for number, _ in which if keep is not None else ():
            folder = keep / f"{kind.replace(' ', '-')}-{seed}-{number}"  # type: ignore[operator]
            _write(folder, corpus.input(seed, number)[1])
    return found


def _in_child(corpus: Corpus, seed: int, first: int, last: int, end: float, found: Found) -> int:
    """Inputs first … last − 1 in one child; the next input to go on with."""
    reader, writer = os.pipe()
    work = Path(tempfile.mkdtemp(prefix="fuzz-"))
    child = os.fork()
    if child == 0:
        os.close(reader)
        _child(corpus, seed, first, last, end, work, writer)
    os.close(writer)
    number, began, buffer, late = first, time.monotonic(), b"", False
    while True:
        ready, _, _ = select.select([reader], [], [], max(0.0, began + SLOWEST + 1 - time.monotonic()))
        if not ready:
            late = True
            os.kill(child, signal.SIGKILL)
            break
        got = os.read(reader, 1 << 16)
        if not got:
            break
        *lines, buffer = (buffer + got).split(b"\n")
        for line in lines:
            took = time.monotonic() - began
            found.slowest = max(found.slowest, took)
            if took > SLOWEST:
                found.fault("over 10 s", number, f"{took:.1f} s")
            kind, _, what = line.decode().partition("\t")
            if kind == "done":
                found.outcomes.update(what.split(",") if what else [])
                number, began = number + 1, time.monotonic()
            else:
                found.fault(kind, number, what)
    os.close(reader)
    _, status = os.waitpid(child, 0)
    shutil.rmtree(work, ignore_errors=True)
    if late:
        found.fault("over 10 s", number, "stopped")
        return number + 1
    if status:
        found.fault("crash of the calling process", number, f"status {status}")
        return number + 1
    return number


def _child(corpus: Corpus, seed: int, first: int, last: int, end: float, work: Path, writer: int) -> None:
    """Never returns."""
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1]))
        tempfile.tempdir = str(work)
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, 1)
        os.dup2(nothing, 2)
        for number in range(first, last):
            if time.monotonic() > end:
                break
            lines = [f"{kind}\t{' '.join(what.split())}" for kind, what in attempt(corpus.input(seed, number)[1], work)]
            os.write(writer, "".join(f"{line}\n" for line in lines).encode("utf-8", "backslashreplace"))
        contained.end_all()
        os._exit(0)
    except BaseException:  # noqa: BLE001 - an assertion of the fuzzer itself: seen as a crash
        os.write(writer, f"error of the fuzzer\t{traceback.format_exc()[-400:]!r}\n".encode())
        os._exit(3)


def attempt(given: Input, work: Path) -> list[tuple[str, str]]:
    """Scan and read one input beside a good image; (kind of fault, what) and at the end ("done", outcomes)."""
    folder = work / "in"
    _write(folder, given)
    write_png(_GOOD, folder / "zz_good.png")
    said: list[tuple[str, str]] = []
    outcomes: list[str] = []
    try:
        items = list(files.scan([folder]))
    except Exception:  # noqa: BLE001 - what is looked for
        items = []
        said.append(("exception out of scan", traceback.format_exc()[-600:]))
    good = False
    for item in items:
        if isinstance(item, Rejected):
            outcomes.append(item.state.value)
            said += [("unclean reason", item.reason)] if _unclean(item.reason, work) else []
            continue
        pixels, faults = _read(item, work)
        said += faults
        outcomes.append("unreadable" if pixels is None else "read")
        good = good or (item.source.name == "zz_good.png" and pixels is not None and np.array_equal(pixels[0], _GOOD))
    if not good:
        said.append(("good image lost", str([str(i.source.name) for i in items])))
    shutil.rmtree(folder, ignore_errors=True)
    for left in work.glob("cadviewer-zip-*"):
        for entry in left.iterdir():
            if entry.name != archives._LOCK:
                shutil.rmtree(entry, ignore_errors=True) if entry.is_dir() else entry.unlink()
    return [*said, ("done", ",".join(outcomes))]


def _read(series: Series, work: Path) -> tuple[np.ndarray | None, list[tuple[str, str]]]:
    try:
        volume = files.read(series)
    except InputError as error:
        return None, [("unclean reason", str(error))] if _unclean(str(error), work) else []
    except Exception:  # noqa: BLE001 - what is looked for
        return None, [("exception out of read", traceback.format_exc()[-600:])]
    return np.asarray(volume.pixels), []


def _unclean(reason: str, work: Path) -> bool:
    return not reason or not reason.isprintable() or len(reason) > 320 or str(work) in reason


def _write(folder: Path, given: Input) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in given.items():
        (folder / name).write_bytes(data)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=1e6)
    parser.add_argument("--inputs", type=int, default=sys.maxsize)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--only", type=int, help="number of one input, tried in this process")
    parser.add_argument("--keep", type=Path, help="folder for the inputs that showed a fault")
    args = parser.parse_args(arguments)
    corpus = Corpus()
    if args.only is not None:
        name, given = corpus.input(args.seed, args.only)
        with tempfile.TemporaryDirectory() as work:
            began = time.monotonic()
            said = attempt(given, Path(work))
            print(name, {n: len(d) for n, d in given.items()}, f"{time.monotonic() - began:.1f} s")
        for kind, what in said:
            print(f"{kind}: {what}")
        if args.keep is not None:
            _write(args.keep, given)
        return int(len(said) > 1)
    found = run(corpus, args.seed, inputs=args.inputs, seconds=60 * args.minutes, keep=args.keep)
    print(f"seed {args.seed}: {found.summary()}")
    for kind, which in sorted(found.faults.items()):
        for number, what in which[:40]:
            print(f"  {kind}: --only {number} ({corpus.input(args.seed, number)[0]}): {what}")
    return int(bool(found.faults))


if __name__ == "__main__":
    sys.exit(main())
