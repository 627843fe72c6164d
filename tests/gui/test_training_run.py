"""A training run as the window follows it: a real process and a real log, played by a small script."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from cadviewer import atomic, paths
from cadviewer.gui.training import run as training_run
from cadviewer.gui.training.run import BusyError, RunState, TrainingRun
from cadviewer.models import catalogue
from cadviewer.models.catalogue import CardError, ModelCard, Task

TRAINER = """
import json, os, pathlib, sys, time, zipfile
from cadviewer import atomic
given = sys.argv[2:]
out = pathlib.Path(given[given.index("--out") + 1])
if "refused=yes" in given:
    sys.exit("cadviewer-train: all images are of one patient\\nTry --help")
if "slow=yes" in given:
    time.sleep(60)
lock = atomic.locked(out / "run.lock", wait=5)
lock.__enter__()
def say(**line):
    with (out / "log.jsonl").open("a") as stream:
        stream.write(json.dumps(line) + "\\n")
say(kind="begin", pid=os.getpid(), data="d", settings={})
if "die=yes" in given:
    sys.exit("no memory left")
say(kind="stage", stage="reading")
if "reading=yes" in given:
    time.sleep(60)
say(kind="stage", stage="training", step=20 if "--resume" in given else 0)
for step in range(21 if "--resume" in given else 1, 400):
    say(kind="step", step=step, epoch=step // 10, loss=1 / step, progress=step / 400, seconds=step / 100)
    if step % 10 == 0:
        say(kind="tune", epoch=step // 10, step=step, auc=0.5 + step / 1000)
        with zipfile.ZipFile(out / "last.ckpt", "w") as checkpoint:
            checkpoint.writestr("weights", "1")
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


def until(run: TrainingRun, reached: Callable[[RunState], bool], seconds: float = 20) -> RunState:
    end = time.monotonic() + seconds
    while not reached(run.poll()):
        assert time.monotonic() < end, f"still {run.state}"
        time.sleep(0.02)
    return run.state


@pytest.mark.usefixtures("_trainer")
def test_a_run_is_followed_stopped_and_resumed_with_the_settings_it_began_with(tmp_path: Path) -> None:
    run = TrainingRun(tmp_path / "run")
    run.start("breast", tmp_path, ["seed=3"])
    state = until(run, lambda s: len(s.losses) > 25)
    assert state.state == "running"
    assert state.losses[0] == (1, 1.0)
    run.stop()
    assert run.state.stopping
    state = until(run, lambda s: s.state == "stopped" and s.resumable)
    assert not state.stopping
    last = state.losses[-1][0]
    again = TrainingRun(tmp_path / "run")  # another dialog, opened later
    again.resume()
    assert "--resume" not in json.loads((tmp_path / "run" / "command.json").read_text())
    state = until(again, lambda s: s.state == "running" and s.losses[-1][0] > last)
    steps = [step for step, _ in state.losses]
    assert steps == sorted(set(steps)), "what was beyond the checkpoint is learned, and drawn, again"
    assert state.parts == [20]
    again.stop()
    until(again, lambda s: s.state == "stopped")


@pytest.mark.usefixtures("_trainer")
def test_a_run_is_starting_from_the_click_on_and_for_every_window(tmp_path: Path) -> None:
    run = TrainingRun(tmp_path / "run")
    run.start("breast", tmp_path, ["slow=yes"])
    assert run.state.state == "starting"
    other = TrainingRun(tmp_path / "run")
    assert other.poll().state == "starting"
    other.stop()
    assert until(run, lambda s: not s.active).state == "stopped"
    assert not run.state.resumable


@pytest.mark.usefixtures("_trainer")
@pytest.mark.parametrize("setting", ["slow=yes", "reading=yes"])
def test_stop_ends_a_run_that_does_not_train_yet(tmp_path: Path, setting: str) -> None:
    run = TrainingRun(tmp_path / "run")
    run.start("breast", tmp_path, [setting])
    if setting == "reading=yes":
        until(run, lambda s: s.stage == "reading")
    began = time.monotonic()
    run.stop()
    state = until(run, lambda s: s.state == "stopped")
    process = training_run._started[state.pid]
    process.wait(5)
    assert time.monotonic() - began < 5  # and not the minute that it would have slept
    assert not (tmp_path / "run" / "stop").exists()


@pytest.mark.usefixtures("_trainer")
def test_stop_twice_ends_a_run_that_does_not_come_to_its_next_step(tmp_path: Path) -> None:
    run = TrainingRun(tmp_path / "run")
    run.start("breast", tmp_path, [])
    until(run, lambda s: len(s.losses) > 2)
    process = training_run._started[run.state.pid]
    os.kill(process.pid, signal.SIGSTOP)
    run.stop()
    assert run.poll().stopping
    run.stop()
    os.kill(process.pid, signal.SIGCONT)
    process.wait(5)
    assert run.poll().state == "stopped"


@pytest.mark.usefixtures("_trainer")
def test_one_folder_takes_one_run(tmp_path: Path) -> None:
    run = TrainingRun(tmp_path / "run")
    run.start("breast", tmp_path, [])
    until(run, lambda s: bool(s.losses))
    before = len((tmp_path / "run" / "log.jsonl").read_text().splitlines())
    with pytest.raises(FileExistsError):
        TrainingRun(tmp_path / "run").start("breast", tmp_path, [])
    with pytest.raises(BusyError):
        TrainingRun(tmp_path / "run").resume()
    assert len(training_run._started) - len([p for p in training_run._started.values() if p.poll() is not None]) == 1
    log = (tmp_path / "run" / "log.jsonl").read_text()
    assert log.count('"begin"') == 1
    assert len(log.splitlines()) >= before
    run.stop()
    until(run, lambda s: s.state == "stopped")


def test_a_run_that_has_said_its_last_word_is_resumed_once_its_process_has_let_go(tmp_path: Path) -> None:
    said = [{"kind": "begin", "pid": 1}, {"kind": "end", "state": "stopped", "reason": ""}]
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in said))
    (tmp_path / "command.json").write_text('["breast", "--data", "d", "--out", "o"]')
    with zipfile.ZipFile(tmp_path / "last.ckpt", "w") as checkpoint:
        checkpoint.writestr("weights", "1")
    run = TrainingRun(tmp_path)
    with atomic.locked(tmp_path / "run.lock"):
        assert run.poll().state == "stopped"
        assert not run.state.resumable
    assert run.poll().resumable


@pytest.mark.usefixtures("_trainer")
def test_another_dialog_follows_a_run_that_is_under_way(tmp_path: Path) -> None:
    TrainingRun(tmp_path / "run").start("breast", tmp_path, [])
    later = TrainingRun(tmp_path / "run")
    state = until(later, lambda s: bool(s.tune))
    assert state.state == "running"
    assert state.tune[0].figures["auc"] == pytest.approx(0.51)
    later.stop()
    until(later, lambda s: s.state == "stopped")


@pytest.mark.usefixtures("_trainer")
def test_the_reason_of_a_failed_start_stays_readable(tmp_path: Path) -> None:
    run = TrainingRun(tmp_path / "run")
    run.start("breast", tmp_path, ["refused=yes"])
    state = until(run, lambda s: s.state == "failed")
    assert state.reason == "all images are of one patient"
    assert not state.resumable
    with pytest.raises(ValueError, match="nothing to go on from"):
        run.resume()
    assert TrainingRun(tmp_path / "run").poll().reason == state.reason  # for who opens it later


def test_a_program_that_cannot_be_started_is_said_by_the_folder_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths, "program", lambda: [str(tmp_path / "gone")])
    with pytest.raises(OSError, match="gone"):
        TrainingRun(tmp_path / "run").start("breast", tmp_path, [])
    state = TrainingRun(tmp_path / "run").poll()
    assert state.state == "failed"
    assert "gone" in state.reason


@pytest.mark.usefixtures("_trainer")
def test_a_run_that_dies_says_its_last_words(tmp_path: Path) -> None:
    run = TrainingRun(tmp_path / "run")
    run.start("breast", tmp_path, ["die=yes"])
    state = until(run, lambda s: s.state == "lost")
    assert state.reason == "no memory left"
    assert not state.resumable  # it has no checkpoint


def test_a_number_that_went_to_another_process_is_no_run(tmp_path: Path) -> None:
    said = [{"kind": "begin", "pid": os.getpid()}, {"kind": "step", "step": 1, "loss": 1.0}]
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in said))
    run = TrainingRun(tmp_path)
    assert run.poll().state == "lost"
    run.stop()  # which must not end this test


@pytest.mark.parametrize("damage", ["none", "cut off", "no command"])
def test_only_what_can_go_on_is_resumed(tmp_path: Path, damage: str) -> None:
    said = [{"kind": "begin", "pid": 1}, {"kind": "end", "state": "failed", "reason": "no memory"}]
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in said))
    with zipfile.ZipFile(tmp_path / "last.ckpt", "w") as checkpoint:
        checkpoint.writestr("weights", "1" * 100)
    if damage == "cut off":
        content = (tmp_path / "last.ckpt").read_bytes()
        (tmp_path / "last.ckpt").write_bytes(content[:60])
    if damage != "no command":
        (tmp_path / "command.json").write_text('["breast", "--data", "d", "--out", "o"]')
    assert TrainingRun(tmp_path).poll().resumable is (damage == "none")


@pytest.mark.usefixtures("_trainer")
def test_new_weights_are_found_by_the_viewer_at_once_under_their_own_name(tmp_path: Path) -> None:
    run = TrainingRun(tmp_path / "run")
    with pytest.raises(CardError, match="no weights yet"):
        run.install("mine")
    run.start("nodules", tmp_path, ["short=yes"])
    weights = tmp_path / "run" / "toy.safetensors"
    weights.write_bytes(b"weights")
    card = ModelCard("toy", "1", Task.NODULES, "Toy", "toy", {}, {}, 0.5, catalogue.sha256(weights))
    weights.with_suffix(".json").write_text(card.to_json())
    until(run, lambda s: s.state == "done")
    assert run.install("mine") == "mine"
    assert "mine" in [c.name for c in catalogue.cards(Task.NODULES)]
    assert catalogue.card("mine").folder == paths.own_weights()


def test_a_half_written_line_waits_for_its_end(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text('{"kind": "step", "step": 1, "loss": 0.5}\n{"kind": "step", "step": 2,')
    run = TrainingRun(tmp_path)
    assert run.poll().losses == [(1, 0.5)]
    with log.open("a") as stream:
        stream.write(' "loss": 0.25}\n')
    assert run.poll().losses == [(1, 0.5), (2, 0.25)]
