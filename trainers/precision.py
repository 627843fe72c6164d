"""In which numbers a run computes, measured: `precision=auto`.

On a graphics processor bfloat16. On processors without AVX-512 float32: there bfloat16 takes ten times as long. With
AVX-512 it depends on the network (depthwise convolutions are quicker in float32, wide ones in bfloat16), so a step of
each is timed. What was chosen is kept in the run's folder: a resumed run computes as before.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import lightning
import torch

from cadviewer import atomic

BFLOAT16, FLOAT32 = "bf16-mixed", "32-true"
"""Lightning's names."""
FILE = "precision.txt"
STEPS = 2
"""That are timed of each, after one to warm up."""
GAIN = 1.1
"""How much quicker bfloat16 has to be for what it loses in accuracy."""


def chosen(asked: str, task: lightning.LightningModule, loader: Iterable[Any], out: Path, *, cuda: bool) -> str:
    """Lightning's name of the precision of a run in `out`: what is asked for, or what is quicker for "auto".

    task: a module whose `training_step` needs no trainer.
    """
    if asked != "auto":
        return asked
    if cuda:
        return BFLOAT16
    if torch.backends.cpu.get_cpu_capability() != "AVX512":
        return FLOAT32
    kept = out / FILE
    if kept.is_file() and (known := kept.read_text(encoding="utf-8").strip()) in (BFLOAT16, FLOAT32):
        return known
    quicker = _quicker(task, loader)
    atomic.write_text(kept, quicker + "\n")
    return quicker


def _quicker(task: lightning.LightningModule, loader: Iterable[Any]) -> str:
    """By processor time, which other work on the machine does not change much. Leaves `task` and torch's seed alone."""
    seconds: dict[str, list[float]] = {BFLOAT16: [], FLOAT32: []}
    with torch.random.fork_rng(devices=[]):
        batch = next(iter(loader))
        probe = copy.deepcopy(task).train()
        for _ in range(1 + STEPS):
            for precision, spent in seconds.items():
                begin = time.process_time()
                with torch.autocast("cpu", torch.bfloat16, enabled=precision == BFLOAT16):
                    loss: Any = probe.training_step(batch, 0)
                loss.backward()
                spent.append(time.process_time() - begin)
    bfloat16, float32 = (min(seconds[p][1:]) for p in (BFLOAT16, FLOAT32))
    return BFLOAT16 if bfloat16 * GAIN < float32 else FLOAT32
