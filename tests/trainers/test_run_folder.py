"""The folder of a run: one run at a time, checkpoints that are whole, a disk that is full, figures that are none."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import drawn_bus_bra
import pytest
import torch
from drawn_bus_bra import TINY

from cadviewer import atomic
from cadviewer.training_events import Tune, append
from trainers import checkpoints, run_folder
from trainers.__main__ import main
from trainers.breast import trainer as breast
from trainers.config import ConfigError
from trainers.run_folder import NoRoomError

Usage = namedtuple("Usage", "total used free")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return drawn_bus_bra.write(tmp_path_factory.mktemp("bus") / "set")


@pytest.fixture
def half(drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run whose disk fills up after its first epoch."""
    out = tmp_path / "run"

    def usage(path: object) -> Usage:
        return Usage(1 << 40, 0, 40 << 20 if (out / "last.ckpt").is_file() else 1 << 40)

    with monkeypatch.context() as patched:
        patched.setattr(run_folder, "RESERVE", 40 << 20)
        patched.setattr(shutil, "disk_usage", usage)
        with pytest.raises(NoRoomError, match=r"no room on this disk .* the last one is kept"):
            breast.run(None, drawn, out, [*TINY, "epochs=3"], False)
    return out


def said(out: Path, kind: str) -> list[dict[str, object]]:
    every = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    return [line for line in every if line["kind"] == kind]


def test_a_disk_that_fills_up_leaves_the_last_checkpoint_and_the_run_goes_on_later(half: Path, drawn: Path) -> None:
    (end,) = said(half, "end")
    assert end["state"] == "failed"
    assert "Error" not in str(end["reason"])
    kept = torch.load(half / "last.ckpt", weights_only=True)
    assert kept["epoch"] == 0
    breast.run(None, drawn, half, [*TINY, "epochs=3"], True)
    assert said(half, "end")[-1]["state"] == "done"
    assert [line["step"] for line in said(half, "tune")] == [2, 4, 6]


def test_a_disk_without_room_for_a_first_checkpoint_is_said_before_the_first_step(
    drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(1 << 40, 0, 33 << 20))
    with pytest.raises(NoRoomError, match="nothing was trained yet"):
        breast.run(None, drawn, tmp_path / "run", [*TINY, "epochs=3"], False)
    assert said(tmp_path / "run", "step") == []
    assert not (tmp_path / "run" / "last.ckpt").exists()


def test_a_checkpoint_that_the_disk_does_not_take_leaves_the_old_one_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, last = checkpoints.Whole(), tmp_path / "last.ckpt"
    whole.save_checkpoint({"epoch": 1, "w": torch.ones(100)}, last)

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(NoRoomError, match=r"it is full.*the last one is kept"):
            whole.save_checkpoint({"epoch": 2, "w": torch.zeros(100)}, last)
    assert torch.load(last, weights_only=True)["epoch"] == 1
    assert [p.name for p in tmp_path.iterdir()] == ["last.ckpt"]


def test_the_room_asked_for_a_first_checkpoint_is_about_what_it_takes(
    drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    monkeypatch.setattr(run_folder, "check_room", lambda out, needed: asked.append(needed))
    breast.run(None, drawn, tmp_path / "run", [*TINY, "epochs=1"], False)
    took = (tmp_path / "run" / "last.ckpt").stat().st_size
    assert 0.7 * took < asked[0] < 1.5 * took


def test_a_checkpoint_that_was_cut_off_is_not_gone_on_from(tmp_path: Path) -> None:
    checkpoints.Whole().save_checkpoint({"epoch": 1, "w": torch.ones(1000)}, tmp_path / "last.ckpt")
    assert run_folder.checkpoint(tmp_path, resume=True) == tmp_path / "last.ckpt"
    content = (tmp_path / "last.ckpt").read_bytes()
    (tmp_path / "last.ckpt").write_bytes(content[: len(content) // 2])
    with pytest.raises(ConfigError, match=r"last\.ckpt: is damaged or cut off"):
        run_folder.checkpoint(tmp_path, resume=True)


def test_a_second_run_in_a_folder_is_refused_before_it_writes_anything(
    drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    with run_folder.claimed(out):
        (out / "log.jsonl").write_text("of the first\n")
        assert main(["breast", "--data", str(drawn), "--out", str(out), "--set", "epochs=1"]) == 2
    assert "a training is under way in this folder" in capsys.readouterr().err
    assert (out / "log.jsonl").read_text() == "of the first\n"


def test_the_folder_is_free_again_when_its_process_dies_and_what_it_left_half_written_goes(tmp_path: Path) -> None:
    code = (
        "import os; from pathlib import Path; from trainers import run_folder\n"
        f"with run_folder.claimed(Path({str(tmp_path)!r})): os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", code], check=False)
    (tmp_path / f".last.ckpt.ab{atomic.TEMPORARY}").write_bytes(b"half")
    with run_folder.claimed(tmp_path):
        assert [p.name for p in tmp_path.iterdir()] == ["run.lock"]


def test_a_number_that_is_none_is_left_out_of_the_log(tmp_path: Path) -> None:
    append(tmp_path, Tune(step=4, figures={"auc": float("nan"), "dice": 0.5}))
    assert said(tmp_path, "tune") == [{"kind": "tune", "step": 4, "dice": 0.5}]
