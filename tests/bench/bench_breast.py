"""What one breast ultrasound image costs with the shipped model, everything from the file to the answer included.

On a machine that is busy with other things the seconds of the clock say little: the CPU seconds of the process are
printed beside them.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the worker does; read when torch is loaded

import cv2
import numpy as np
import pytest
import torch

from cadviewer.findings import Task
from cadviewer.imaging import files
from cadviewer.imaging.series import Series
from cadviewer.models import catalogue
from cadviewer.models.breast import analysis as breast
from cadviewer.models.nets.runtime import TorchForward, build
from cadviewer.phantoms.phantom import breast_ultrasound

pytestmark = pytest.mark.bench


@pytest.mark.parametrize("threads", [1, 2])
def test_seconds_for_one_image(threads: int, tmp_path: Path) -> None:
    torch.set_num_threads(threads)
    card = catalogue.default(Task.BREAST)
    forward = TorchForward(build(card), "cpu")
    path = tmp_path / "phantom.png"
    cv2.imwrite(str(path), breast_ultrasound(3)[0])
    seconds, cpu = [], []
    for _ in range(8):
        began, spent = time.perf_counter(), time.process_time()
        (series,) = files.scan([path])
        assert isinstance(series, Series)
        breast.assess(files.read(series), forward, card)
        seconds.append(time.perf_counter() - began)
        cpu.append(time.process_time() - spent)
    print(
        f"\n{threads} threads, load {os.getloadavg()[0]:.1f}: first {seconds[0]:.3f}, "
        f"median {np.median(seconds[1:]):.3f} s, CPU {np.median(cpu[1:]):.3f} s"
    )
