"""`cadviewer doctor`: what a report of a fault needs, and whether the program works here. No patient data, no Qt.

Printed are versions, the machine, the window, the models, the folders that the program writes to and, unless it is left
out, a self-test: the demo study, whose truth is known, is analysed as `annotate` would.
"""

from __future__ import annotations

import csv
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil

import cadviewer
from cadviewer import batch, paths
from cadviewer.cli.arguments import DONE, TROUBLED, DoctorArgs
from cadviewer.models import catalogue, cuda
from cadviewer.models.catalogue import ModelCard

_VECTORS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "neon", "asimd")
_DISPLAY = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM", "QT_SCALE_FACTOR")


def run(args: DoctorArgs) -> int:
    """Print all of it; 1 where something is wrong, and those lines say "PROBLEM"."""
    wrong = 0
    parts: tuple[tuple[str, Iterator[tuple[str, str]]], ...] = (
        ("Program", _program()),
        ("Machine", _machine()),
        ("Window", _window()),
        ("Libraries", _libraries()),
        ("Engines", _engines()),
        ("Models", _models()),
        ("Folders", _folders()),
    )
    for title, lines in parts:
        wrong += _say(title, lines)
    if args.self_test:
        wrong += _say("Self-test", _self_test())
    print("\nNothing is wrong." if not wrong else f"\n{wrong} problem(s), see above.")
    return TROUBLED if wrong else DONE


def _say(title: str, lines: Iterator[tuple[str, str]]) -> int:
    """Print a part as its lines come; returns how many of them are problems."""
    print(f"\n{title}" if title != "Program" else title, flush=True)
    wrong = 0
    for name, value in lines:
        print(f"  {name}: {value}", flush=True)
        wrong += value.startswith("PROBLEM")
    return wrong


def _program() -> Iterator[tuple[str, str]]:
    yield "version", cadviewer.__version__
    source = (paths.resources().parent / "pyproject.toml").is_file()
    yield "runs from", "one program" if getattr(sys, "frozen", False) else "a source folder" if source else "a package"
    yield "Python", f"{platform.python_version()} ({platform.python_implementation()})"


def _machine() -> Iterator[tuple[str, str]]:
    yield "system", f"{platform.system()} {platform.release()} {platform.machine()}"
    name, flags = _processor()
    yield "processor", name
    yield "vector units", ", ".join(flag for flag in _VECTORS if flag in flags) or "not known"
    yield "cores", f"{psutil.cpu_count(logical=False) or '?'} ({psutil.cpu_count()} threads)"
    memory = psutil.virtual_memory()
    yield "memory", f"{memory.total / 2**30:.1f} GiB, {memory.available / 2**30:.1f} GiB free"
    set_ = [f"{key}={os.environ[key]}" for key in _DISPLAY if os.environ.get(key)]
    yield "display", ", ".join(set_) or ("none" if sys.platform.startswith("linux") else "the system's")


def _window() -> Iterator[tuple[str, str]]:
    """Whether a window can be shown, and with what fonts: `gui.shell.display_report` in a process of its own.

    Without a display the platform without one is asked: commands need no more.
    """
    shown = bool(not sys.platform.startswith("linux") or any(os.environ.get(key) for key in _DISPLAY[:3]))
    environment = dict(os.environ) if shown else {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    command = [*paths.program(), "--display-report"]
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
        found: dict[str, str] = json.loads(done.stdout.strip().splitlines()[-1])
    except (OSError, ValueError, IndexError, subprocess.TimeoutExpired) as error:
        lines = done.stderr.strip().splitlines() if not isinstance(error, OSError | subprocess.TimeoutExpired) else []
        yield "window", f"PROBLEM: it cannot be shown: {lines[-1] if lines else type(error).__name__}"
        return
    yield from found.items()


def _processor() -> tuple[str, set[str]]:
    """(name, what it can do); Linux alone says the second."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return platform.processor() or "not known", set()
    found = dict(re.findall(r"^(model name|flags|Features)\s*:\s*(.*)$", text, re.MULTILINE))
    flags = found.get("flags", "") + " " + found.get("Features", "")
    return found.get("model name", platform.processor() or "not known"), set(flags.split())


def _libraries() -> Iterator[tuple[str, str]]:
    try:
        wanted = metadata.requires("cadviewer") or []
    except metadata.PackageNotFoundError:
        yield "all", "not known: the program is not installed as a package"
        return
    for line in sorted(wanted, key=str.lower):
        if "extra ==" in line:
            continue
        name = re.split(r"[\s<>=!;\[~(]", line, maxsplit=1)[0]
        try:
            yield name, metadata.version(name)
        except metadata.PackageNotFoundError:
            yield name, "PROBLEM: not installed"


def _engines() -> Iterator[tuple[str, str]]:
    """What can compute the models; which of them does, the self-test says."""
    for name in ("OpenVINO", "PyTorch"):
        try:
            yield name, metadata.version({"PyTorch": "torch"}.get(name, name.lower()))
        except metadata.PackageNotFoundError:
            yield name, f"not installed; for an NVIDIA card: {cuda.COMMAND}" if name == "PyTorch" else "not installed"
    yield "NVIDIA cards", str(cuda.cards())


def _models() -> Iterator[tuple[str, str]]:
    for problem in catalogue.problems():
        yield "a card", f"PROBLEM: {problem}"
    cards = catalogue.cards(role=None)
    if not cards:
        yield "all", "PROBLEM: no models are installed"
    for card in cards:
        what = f"{card.role or 'model'} of {card.task.value}, version {card.version}"
        yield card.name, _fault_of(card) or (what if card.graph_sha256 else f"{what}, needs PyTorch")


def _fault_of(card: ModelCard) -> str:
    """ "PROBLEM: …" for a model whose files are not those of its card, else ""."""
    for path, sha256 in card.files():
        if not path.is_file():
            return f"PROBLEM: its file {path.name} is missing"
        if catalogue.sha256(path) != sha256:
            return f"PROBLEM: {path.name} is not the file that its card describes"
    return ""


def _folders() -> Iterator[tuple[str, str]]:
    for name, folder in (("data", paths.user_data()), ("settings", paths.user_config()),
                         ("temporary", Path(tempfile.gettempdir()))):  # fmt: skip
        yield name, _folder(folder)


def _folder(folder: Path) -> str:
    """Where it is, without the user's name, and whether it can be written to."""
    home = str(Path.home())
    shown = "~" + str(folder)[len(home) :] if str(folder).startswith(home + os.sep) else str(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder):
            free = shutil.disk_usage(folder).free
    except OSError as error:
        return f"PROBLEM: {shown} cannot be written to ({error.strerror or type(error).__name__})"
    return f"{shown}, {free / 2**30:.1f} GiB free"


def _self_test() -> Iterator[tuple[str, str]]:
    from cadviewer.phantoms import files as phantom_files

    with tempfile.TemporaryDirectory(prefix="cadviewer-doctor-", ignore_cleanup_errors=True) as temporary:
        study, out = Path(temporary) / "study", Path(temporary) / "results"
        try:
            study.mkdir()
            phantom_files.write_demo_study(study)
            batch.run([study], out, batch.Options(formats=("csv", "json")), lambda event: None, lambda: False)
            truth = json.loads((study / "truth.json").read_text(encoding="utf-8"))
            yield from _compared(truth, out)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what the report is about
            yield "demo study", f"PROBLEM: {type(error).__name__}: {error}"


def _compared(truth: dict[str, Any], out: Path) -> Iterator[tuple[str, str]]:
    """What was found in the demo study beside what was put into it."""
    cases = _rows(out / "cases.csv")
    for case in cases:
        if case["state"] in ("failed", "refused"):
            yield Path(case["source"]).name, f"PROBLEM: {case['reason']}"
    documents = [json.loads(p.read_text(encoding="utf-8")) for p in (out / "json").glob("*.json")]
    devices = {document["provenance"]["device"] for document in documents if document.get("provenance")}
    yield "computed by", "; ".join(sorted(devices)) or "PROBLEM: nothing"
    nodules, found = truth["chest-ct"], _rows(out / "nodules.csv")
    hit = sum(any(_touches(row, box) for row in found for box in nodule["boxes"]) for nodule in nodules)
    yield "nodules found", _judged(hit, len(nodules), f", {len(found)} marks")
    lesions = {Path(row["source"]).name: row for row in _rows(out / "breast.csv")}
    like = sum(
        name in lesions and abs(int(lesions[name]["lesion_px"] or 0) / lesion["lesion_px"] - 1) < 0.3
        for name, lesion in truth["breast"].items()
    )
    yield "breast lesions outlined", _judged(like, len(truth["breast"]))
    seconds = sum(float(case["seconds_infer"] or 0) for case in cases)
    yield "seconds of inference", f"{seconds:.1f}"


def _judged(count: int, of: int, rest: str = "") -> str:
    return f"{'' if count == of else 'PROBLEM: '}{count} of {of}{rest}"


def _touches(row: dict[str, str], box: list[float]) -> bool:
    """Whether a mark and a true box (slice, x0, y0, x1, y1) lie over each other on that slice."""
    k, x0, y0, x1, y1 = box
    overlaps = float(row["x0"]) < x1 and float(row["x1"]) > x0 and float(row["y0"]) < y1 and float(row["y1"]) > y0
    return overlaps and int(row["slice_first"]) <= k <= int(row["slice_last"])


def _rows(table: Path) -> list[dict[str, str]]:
    if not table.is_file():
        return []
    with table.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))
