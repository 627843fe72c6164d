"""`precision=auto`: measured where a processor could do either, kept for a resumed run, never measured elsewhere."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import lightning
import pytest
import torch
from torch import Tensor, nn

from trainers import precision

BATCHES = [torch.ones(2, 3)]


class Slow(lightning.LightningModule):
    """Burns processor time in one of the two."""

    def __init__(self, slow: str) -> None:
        super().__init__()
        self.net, self.slow, self.steps = nn.Linear(3, 1), slow, 0
        self.norm = nn.BatchNorm1d(3)

    def training_step(self, batch: Tensor, index: int) -> Tensor:
        self.steps += 1
        now = precision.BFLOAT16 if torch.is_autocast_enabled("cpu") else precision.FLOAT32
        end = time.process_time() + (0.1 if now == self.slow else 0.0)
        while time.process_time() < end:
            pass
        out: Tensor = self.net(self.norm(batch) + torch.rand(3))
        return out.float().sum()


@pytest.fixture
def either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")


def choose(task: lightning.LightningModule, out: Path, asked: str = "auto", **given: Any) -> str:
    return precision.chosen(asked, task, BATCHES, out, **({"cuda": False} | given))


@pytest.mark.parametrize(
    ("slow", "expected"), [(precision.BFLOAT16, precision.FLOAT32), (precision.FLOAT32, precision.BFLOAT16)]
)
def test_what_is_quicker_is_taken_and_nothing_of_the_run_is_changed(
    either: None, tmp_path: Path, slow: str, expected: str
) -> None:
    task = Slow(slow)
    before = {k: v.clone() for k, v in task.state_dict().items()}
    torch.manual_seed(3)
    wanted = torch.rand(2)
    torch.manual_seed(3)
    assert choose(task, tmp_path) == expected
    assert torch.equal(torch.rand(2), wanted)
    assert task.steps == 0
    assert all(torch.equal(v, before[k]) for k, v in task.state_dict().items())
    assert all(p.grad is None for p in task.parameters())


def test_a_resumed_run_computes_as_before(either: None, tmp_path: Path) -> None:
    assert choose(Slow(precision.FLOAT32), tmp_path) == precision.BFLOAT16
    assert choose(Slow(precision.BFLOAT16), tmp_path) == precision.BFLOAT16
    (tmp_path / precision.FILE).write_text("fp8")
    assert choose(Slow(precision.BFLOAT16), tmp_path) == precision.FLOAT32


def test_where_there_is_no_choice_nothing_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    monkeypatch.setattr(precision, "_quicker", lambda *_: pytest.fail("measured"))
    assert choose(Slow(""), tmp_path) == precision.FLOAT32
    assert choose(Slow(""), tmp_path, cuda=True) == precision.BFLOAT16
    assert choose(Slow(""), tmp_path, "16-mixed") == "16-mixed"
    assert not any(tmp_path.iterdir())
