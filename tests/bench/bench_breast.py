"""What one breast ultrasound image costs with the shipped model, everything after reading included."""

from __future__ import annotations

import os
import time
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the worker does; read when torch is loaded

import numpy as np
import pytest
import torch

from cadviewer.findings import Task
from cadviewer.imaging.phantom import breast_ultrasound
from cadviewer.models import breast, catalogue
from cadviewer.models.nets.runtime import TorchForward, build
from trainers.data.ultrasound import UltrasoundCase
from trainers.evaluate_breast import volume_of

pytestmark = pytest.mark.bench


@pytest.mark.parametrize("threads", [1, 2])
def test_seconds_for_one_image(threads: int) -> None:
    torch.set_num_threads(threads)
    card = catalogue.default(Task.BREAST)
    forward = TorchForward(build(card), "cpu")
    case = UltrasoundCase("phantom", Path("phantom.png"), (), None, "phantom")
    volume = volume_of(case, breast_ultrasound(3)[0])
    seconds = []
    for _ in range(8):
        began = time.perf_counter()
        breast.assess(volume, forward, card)
        seconds.append(time.perf_counter() - began)
    print(
        f"\n{threads} threads, {len(card.inputs['views'])} views, load {os.getloadavg()[0]:.1f}: "
        f"first {seconds[0]:.3f} s, median {np.median(seconds[1:]):.3f} s"
    )
