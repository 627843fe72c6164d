"""A training run as the window follows it: a real process and a real log, played by a small script."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cadviewer import paths
from cadviewer.gui.training.run import Run, RunState
from cadviewer.models import catalogue
from cadviewer.models.catalogue import CardError, ModelCard, Task

TRAINER = """
import json, os, pathlib, sys, time
given = sys.argv[2:]
out = pathlib.Path(given[given.index("--out") + 1])
def say(**line):
    with (out / "log.jsonl").open("a") as stream:
        stream.write(json.dumps(line) + "\\n")
say(kind="begin", pid=os.getpid(), data="d", settings={})
if "die=yes" in given:
    sys.exit("no memory left")
for step in range(1, 400):
    say(kind="step", step=step, epoch=step // 10, loss=1 / step, progress=step / 400, seconds=step / 100)
    if step % 10 == 0:
        say(kind="tune", epoch=step // 10, step=step, auc=0.5 + step / 1000)
    if "short=yes" in given and step == 20:
        say(kind="end", state="done", reason="", card=str(out / "toy.json"))
        sys.exit()
    if (out / "stop").exists():
        say(kind="end", state="stopped", reason="stopped by the user")
        sys.exit()
    time.sleep(0.02)
"""


@pytest.fixture
def _trainer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "trainer.py"
    script.write_text(TRAINER)
    monkeypatch.setattr(paths, "program", lambda: [sys.executable, str(script)])


def until(run: Run, reached: Callable[[RunState], bool], seconds: float = 20) -> RunState:
    end = time.monotonic() + seconds
    while not reached(run.poll()):
        assert time.monotonic() < end, f"still {run.state}"
        time.sleep(0.02)
    return run.state


@pytest.mark.usefixtures("_trainer")
def test_a_run_is_followed_stopped_and_resumed_with_the_settings_it_began_with(tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    run.start("breast", tmp_path, ["seed=3"])
    state = until(run, lambda s: len(s.losses) > 5)
    assert state.state == "running"
    assert state.losses[0] == (1, 1.0)
    run.stop()
    state = until(run, lambda s: s.state == "stopped")
    assert state.resumable
    before = len(state.losses)
    again = Run(tmp_path / "run")  # another dialog, opened later
    again.resume()
    assert "--resume" not in json.loads((tmp_path / "run" / "command.json").read_text())
    state = until(again, lambda s: s.state == "running" and len(s.losses) > before + 3)
    again.stop()
    until(again, lambda s: s.state == "stopped")


@pytest.mark.usefixtures("_trainer")
def test_another_dialog_follows_a_run_that_is_under_way(tmp_path: Path) -> None:
    Run(tmp_path / "run").start("breast", tmp_path, [])
    later = Run(tmp_path / "run")
    state = until(later, lambda s: bool(s.tune))
    assert state.state == "running"
    assert state.tune[0]["auc"] == pytest.approx(0.51)
    later.stop()
    until(later, lambda s: s.state == "stopped")


@pytest.mark.usefixtures("_trainer")
def test_a_run_that_dies_says_its_last_words(tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    run.start("breast", tmp_path, ["die=yes"])
    state = until(run, lambda s: s.state == "lost")
    assert state.reason == "no memory left"
    assert state.resumable


@pytest.mark.usefixtures("_trainer")
def test_new_weights_are_found_by_the_viewer_at_once(tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    with pytest.raises(CardError, match="no weights yet"):
        run.install()
    run.start("breast", tmp_path, ["short=yes"])
    weights = tmp_path / "run" / "toy.safetensors"
    weights.write_bytes(b"weights")
    card = ModelCard("toy", "1", Task.BREAST, "Toy", "toy", {}, {}, 0.5, catalogue.sha256(weights))
    weights.with_suffix(".json").write_text(card.to_json())
    until(run, lambda s: s.state == "done")
    assert run.install() == "toy"
    assert "toy" in [c.name for c in catalogue.cards(Task.BREAST)]
    assert catalogue.card("toy").folder == paths.user_data() / "weights"


@pytest.mark.usefixtures("_trainer")
def test_weights_that_are_not_what_the_card_says_are_not_installed(tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    run.start("breast", tmp_path, ["short=yes"])
    (tmp_path / "run" / "toy.safetensors").write_bytes(b"damaged")
    card = ModelCard("toy", "1", Task.BREAST, "Toy", "toy", {}, {}, 0.5, "0" * 64)
    (tmp_path / "run" / "toy.json").write_text(card.to_json())
    until(run, lambda s: s.state == "done")
    with pytest.raises(CardError, match=r"toy\.safetensors"):
        run.install()
    assert not (paths.user_data() / "weights" / "toy.json").exists()


def test_a_half_written_line_waits_for_its_end(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text('{"kind": "step", "step": 1, "loss": 0.5}\n{"kind": "step", "step": 2,')
    run = Run(tmp_path)
    assert run.poll().losses == [(1, 0.5)]
    with log.open("a") as stream:
        stream.write(' "loss": 0.25}\n')
    assert run.poll().losses == [(1, 0.5), (2, 0.25)]
