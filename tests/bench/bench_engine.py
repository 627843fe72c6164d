"""What the engine costs: start, latency, cancelling, shared memory, and what inference does to the window's thread.

With installed nodule weights those are used, else fresh ones of the same network (the time is the same). Figures are
of this machine as it is: each line says its load.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Queue

import numpy as np
import pytest

from cadviewer.findings import Task
from cadviewer.imaging.geometry import Geometry
from cadviewer.imaging.series import Series, Shape, SliceInfo
from cadviewer.inference.engine import Engine
from cadviewer.inference.protocol import (
    AnalyseJob,
    Cancelled,
    DeviceReady,
    Event,
    Failed,
    Finished,
    Progressed,
    Started,
)
from cadviewer.inference.shared import SharedPixels
from cadviewer.inference.worker_process import usable_cores
from cadviewer.models import catalogue
from cadviewer.models.catalogue import CardError, ModelCard

pytestmark = pytest.mark.bench

SHAPE = (99, 512, 512)
TIMES = 5


@pytest.fixture
def model() -> str:
    """Name of a nodule model; one without training where none is installed."""
    try:
        return catalogue.default(Task.NODULES).name
    except CardError:
        return _untrained()


def _untrained() -> str:
    import torch

    from cadviewer import paths
    from cadviewer.models import nets
    from cadviewer.models.nodules.boxes import SMALL
    from trainers.export import export

    torch.manual_seed(0)
    config = {"boxes": list(SMALL)}
    card = ModelCard("untrained", "0", Task.NODULES, "", "ssd", config, {}, 0.5, "")
    export(nets.build("ssd", config).state_dict(), card, paths.own_weights())
    return "untrained"


class Bench:
    """An engine, and a volume that looks like a chest."""

    def __init__(self, model: str, threads: int | None = None) -> None:
        self.queue: Queue[tuple[float, Event]] = Queue()
        self.model = model
        self.pixels = SharedPixels()
        self.engine = Engine(lambda e: self.queue.put((time.perf_counter(), e)), threads=threads)
        array = self.pixels.allocate(SHAPE, np.dtype(np.int16))
        array[...] = -1000
        z, y, x = np.ogrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
        body = ((y - 256) / 180) ** 2 + ((x - 256) / 220) ** 2 < 1
        lungs = ((y - 256) / 120) ** 2 + ((abs(x - 256) - 100) / 80) ** 2 < 1
        array[np.broadcast_to(body, SHAPE)] = 40
        array[np.broadcast_to(lungs, SHAPE)] = -850
        array[(z - 50) ** 2 * 9 + (y - 230) ** 2 + (x - 150) ** 2 < 64] = 30

    def submit(self) -> tuple[int, float]:
        geometry = Geometry(SHAPE, (0.7, 0.7), 2.5, (0.0, 0.0, 0.0), ((0, 0, 1), (0, 1, 0), (1, 0, 0)))
        slices = tuple(SliceInfo(Path("x"), k) for k in range(SHAPE[0]))
        series = Series(
            Path("x"), "dicom", slices, geometry, Shape.VOLUME, np.dtype(np.int16), modality="CT", hounsfield=True
        )
        request = self.engine.next_request_id()
        began = time.perf_counter()
        self.engine.submit(AnalyseJob("case", request, Task.NODULES, self.model, series, self.pixels.handle))
        return request, began

    def until(self, kind: type, also: Callable[[Event], bool] = lambda e: True) -> tuple[float, Event]:
        while True:
            when, event = self.queue.get(timeout=300)
            if isinstance(event, Failed):
                pytest.fail(event.reason)
            if isinstance(event, kind) and also(event):
                return when, event

    def until_finished(self) -> tuple[float, float]:
        """When, and seconds_infer."""
        when, event = self.until(Finished)
        assert isinstance(event, Finished)
        return when, event.result.seconds_infer

    def close(self) -> None:
        self.engine.close()
        self.pixels.close()


@pytest.fixture
def bench(model: str) -> Iterator[Bench]:
    made = Bench(model)
    yield made
    made.close()


def tell(what: str, seconds: list[float]) -> None:
    milliseconds = sorted(1000 * s for s in seconds)
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    middle = milliseconds[len(milliseconds) // 2]
    print(f"\n{what}: median {middle:.1f} ms, {milliseconds[0]:.1f}–{milliseconds[-1]:.1f} (load {load:.1f})")


def test_latency_of_a_warm_engine(bench: Bench) -> None:
    began = time.perf_counter()
    bench.engine.start()
    ready, event = bench.until(DeviceReady)
    tell(f"start to DeviceReady ({event})", [ready - began])
    _, began = bench.submit()
    finished, seconds = bench.until_finished()
    tell(f"first job, 99 slices, network loaded on the way; seconds_infer {seconds:.2f}", [finished - began])
    started, infer, cancelled, free = [], [], [], []
    for _ in range(TIMES):
        request, began = bench.submit()
        started.append(bench.until(Started)[0] - began)
        bench.until(Progressed, lambda e: isinstance(e, Progressed) and e.done > 0)
        began = time.perf_counter()
        bench.engine.cancel(request)
        cancelled.append(bench.until(Cancelled)[0] - began)
        _, began = bench.submit()
        free.append(bench.until(Started)[0] - began)
        infer.append(bench.until_finished()[1])
    tell("submit to Started, worker idle", started)
    tell("cancel to Cancelled", cancelled)
    tell("submit to Started, worker leaving a cancelled job", free)
    tell("inference of 99 slices", infer)


@pytest.mark.parametrize("threads", sorted({1, usable_cores()}))
def test_what_inference_does_to_the_windows_thread(model: str, threads: int) -> None:
    """A thread that does 4 ms of work 60 times a second, as a scrolling window does: how late is it?"""
    bench = Bench(model, threads=threads)
    try:
        bench.submit()
        idle = bench.until_finished()[1]
        alone = _lateness(3.0)
        bench.submit()
        bench.until(Progressed)
        ended = threading.Event()
        waiting = threading.Thread(target=lambda: (bench.until_finished(), ended.set()))
        waiting.start()
        busy = _lateness(3.0, ended)
        waiting.join()
        for name, values in (("no inference", alone), (f"inference on {threads} threads", busy)):
            p50, p99 = np.percentile(values, [50, 99])
            print(f"\nframes with {name}: p50 {p50:.1f} ms, p99 {p99:.1f} ms")
        print(f"99 slices on {threads} threads, window idle: {idle:.2f} s")
    finally:
        bench.close()


def _lateness(seconds: float, ended: threading.Event | None = None) -> list[float]:
    """Milliseconds from when each frame of about 4 ms of work was due until it was done."""
    image = np.zeros((512, 512), np.int16)
    late: list[float] = []
    due = time.perf_counter()
    end = due + seconds
    while due < end and not (ended is not None and ended.is_set()):
        due = max(due + 1 / 60, time.perf_counter())
        time.sleep(max(0.0, due - time.perf_counter()))
        for _ in range(4):
            np.clip(image, -1000, 400).astype(np.float32)
        late.append(1000 * (time.perf_counter() - due))
    return late


def test_shared_memory() -> None:
    shape = (400, 512, 512)
    made, filled, gone = [], [], []
    source = np.ones(shape, np.int16)
    for _ in range(TIMES):
        pixels = SharedPixels()
        began = time.perf_counter()
        array = pixels.allocate(shape, np.dtype(np.int16))
        made.append(time.perf_counter() - began)
        began = time.perf_counter()
        array[...] = source
        filled.append(time.perf_counter() - began)
        del array
        began = time.perf_counter()
        pixels.close()
        gone.append(time.perf_counter() - began)
    tell("allocate 210 MB", made)
    tell("fill it", filled)
    tell("close it", gone)
