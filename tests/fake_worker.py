"""A worker without torch, for the tests of the engine, the batch and the window: `Engine(…, worker="fake_worker")`.

It is started by name in a spawned process, so `tests` must be on the path (pytest's `pythonpath` sees to it; by hand
`PYTHONPATH=tests`). What it does is said behind a question mark in the model of a job or, for jobs made by the program
itself, in the environment variable `CADVIEWER_FAKE_WORKER` as JSON (read when the process starts); the job's options
go first:

start_delay    seconds until the process is ready          start_error    text of an error while starting
start_deaths   file with the number of processes that are still to die while starting (by SIGKILL)
device, why    what it says it computes on
steps          number of steps (10)                        delay          seconds each step takes (0)
nodules        how many (3), or JSON [[slice, x0, y0, x1, y1, score], …]; scores above the job's threshold are findings
call           of each breast frame ("malignant")          probability    of malignancy (0.8)
warning, note  text that comes with the result or on the way
fail           reason of a JobError                        out_of_scope   reason, as out of scope
error          text of an unexpected ValueError
crash          step at which it dies by SIGSEGV            exit           step at which it leaves with status 3
crash_once     file that is there as long as a process is still to die by SIGSEGV, and is removed by that
wedge          step at which it hangs for ever
deaf           step at which it hangs up, ignores SIGTERM and goes on for ever
slow_exit      step at which it hangs up, and leaves with status 3 a second later
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from cadviewer.findings import Box, BreastFinding, Call, Estimate, Nodule, Provenance, Result, ScoreMap, Task
from cadviewer.imaging.series import InputError
from cadviewer.inference.protocol import AnalyseJob, DeviceReady, ExplainJob, Job
from cadviewer.inference.shared import attach
from cadviewer.inference.worker_loop import JobError, Reporter
from cadviewer.inference.worker_messages import WorkerOptions


def create(options: WorkerOptions) -> FakeHandler:
    defaults = json.loads(os.environ.get("CADVIEWER_FAKE_WORKER", "{}"))
    time.sleep(float(defaults.get("start_delay", 0)))
    if "start_deaths" in defaults:
        left = int(Path(defaults["start_deaths"]).read_text())
        Path(defaults["start_deaths"]).write_text(str(left - 1))
        if left > 0:
            os.kill(os.getpid(), signal.SIGKILL)
    if "start_error" in defaults:
        raise RuntimeError(defaults["start_error"])
    return FakeHandler(defaults)


class FakeHandler:
    def __init__(self, defaults: dict[str, Any]) -> None:
        self._defaults = defaults
        self.warmed: list[str] = []

    def ready(self) -> DeviceReady:
        return DeviceReady(self._defaults.get("device", "cpu"), self._defaults.get("why", "a fake"))

    def warm(self, model: str) -> None:
        self.warmed.append(model)

    def run(self, job: Job, report: Reporter) -> Result:
        name, _, own = job.model.partition("?")
        options = {**self._defaults, **json.loads(own or "{}")}
        began = time.monotonic()
        try:
            with attach(job.pixels) as pixels:
                self._steps(options, report)
                nodules = _nodules(options, job) if job.task == Task.NODULES else []
                breast = _breast(options, pixels) if job.task == Task.BREAST else ()
        except InputError as error:
            raise JobError(str(error)) from error
        asked = job.threshold if isinstance(job, AnalyseJob) else None
        threshold = 0.5 if asked is None else asked
        if isinstance(job, ExplainJob):
            origin = Provenance("fake", name, "0", "0" * 64, threshold, "cpu", "{}", job.series.series_uid)
            return Result(job.case_id, job.task, origin, maps=(_map(job),))
        return Result(
            job.case_id,
            job.task,
            Provenance("fake", name, "0", "0" * 64, threshold, "cpu", self._about(), job.series.series_uid),
            nodules=tuple(n for n in nodules if n.score >= threshold),
            candidates=tuple(n for n in nodules if n.score < threshold),
            breast=tuple(breast),
            warnings=(options["warning"],) if "warning" in options else (),
            seconds_infer=time.monotonic() - began,
        )

    def _about(self) -> str:
        """JSON: the models that were warmed up, and what of the heavy libraries this process has loaded."""
        heavy = ["torch", "PySide6", "pyqtgraph", "cadviewer.gui", "cadviewer.app"]
        return json.dumps({"warmed": self.warmed, "loaded": [name for name in heavy if name in sys.modules]})

    def _steps(self, options: dict[str, Any], report: Reporter) -> None:
        steps, delay = int(options.get("steps", 10)), float(options.get("delay", 0))
        if "note" in options:
            report.note(options["note"])
        if "fail" in options:
            raise JobError(options["fail"])
        if "out_of_scope" in options:
            raise JobError(options["out_of_scope"], out_of_scope=True)
        for step in range(steps):
            if "error" in options:
                raise ValueError(options["error"])
            if step == 1 and "crash_once" in options and Path(options["crash_once"]).exists():
                Path(options["crash_once"]).unlink()
                os.kill(os.getpid(), signal.SIGSEGV)
            if step == int(options.get("crash", -1)):
                os.kill(os.getpid(), signal.SIGSEGV)
            if step == int(options.get("exit", -1)):
                os._exit(3)
            if step in (int(options.get("deaf", -1)), int(options.get("slow_exit", -1))):
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                report._server._events.close()  # type: ignore[attr-defined]
                time.sleep(1)
                if "slow_exit" in options:
                    os._exit(3)
            while step in (int(options.get("wedge", -1)), int(options.get("deaf", -1))):
                time.sleep(1)
            time.sleep(delay)
            report.step(step + 1, steps)


def _nodules(options: dict[str, Any], job: Job) -> list[Nodule]:
    """By falling score; the second half of the default ones lie below 0.5."""
    what = options.get("nodules", 3)
    rows = json.loads(what) if isinstance(what, str) else what
    slices, height, width = job.series.geometry.shape
    if isinstance(rows, int):
        count, side = rows, min(height, width) / 16
        rows = []
        for i in range(count):
            x, y = width * (0.25 + 0.5 * i / count), height * (0.3 + 0.4 * i / count)
            rows.append([slices * (i + 1) // (count + 1), x, y, x + side, y + side, 0.95 - 0.6 * i / count])
    rows = sorted(rows, key=lambda row: -row[5])
    return [
        Nodule(
            i,
            tuple(Box(k, *row[1:5], row[5] - 0.05 * abs(k - row[0])) for k in _around(int(row[0]), slices)),
            long_mm=7.5,
            short_mm=6.0,
        )
        for i, row in enumerate(rows, 1)
    ]


def _map(job: Job) -> ScoreMap:
    """Left half for malignancy, right half against it."""
    _, rows, columns = job.series.geometry.shape
    values = np.where(np.arange(columns) < columns // 2, 1.5, -0.5).astype(np.float32)
    assert isinstance(job, ExplainJob)
    return ScoreMap(job.frame, np.tile(values, (rows, 1)), "a fake")


def _around(middle: int, slices: int) -> range:
    return range(max(0, middle - 1), min(slices, middle + 2))


def _breast(options: dict[str, Any], pixels: np.ndarray) -> list[BreastFinding]:
    height, width = pixels.shape[1:3]
    y, x = np.mgrid[:height, :width]
    disc = ((y / height - 0.5) ** 2 + (x / width - 0.5) ** 2 < 0.04).astype(np.uint8) * 255
    p = float(options.get("probability", 0.8))
    estimate = Estimate(p, max(0.0, p - 0.1), min(1.0, p + 0.1))
    call = Call(options.get("call", "malignant"))
    return [
        BreastFinding(k, (height, width), call, estimate, disc, int(np.count_nonzero(disc))) for k in range(len(pixels))
    ]
