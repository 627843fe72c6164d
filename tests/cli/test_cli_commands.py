"""The commands as a user runs them: what they print, and their exit status."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest

from cadviewer import batch, cli, paths
from cadviewer.cli.progress import Progress
from cadviewer.findings import Task
from cadviewer.inference.engine import Engine
from cadviewer.models.catalogue import ModelCard

TESTS = Path(__file__).resolve().parents[1]
CARD = ModelCard(
    "test-ssd",
    "1.2",
    Task.NODULES,
    "SSD for tests",
    "none",
    {"width": 2},
    {},
    0.5,
    "0" * 64,
    default=True,
    measured={"LUNA16 fold 1": {"sensitivity": [0.8123, 0.75, 0.875], "images": [100]}},
    training={"sets": [{"name": "LUNA16", "licence": "CC BY 4.0"}], "seconds": 12.5},
    limits=("Only axial slices.", "Not for diagnosis."),
)


@pytest.fixture(autouse=True)
def cards(_own_home: None, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = paths.user_data() / "weights"
    folder.mkdir(parents=True)
    breast = replace(CARD, name="test-estan", task=Task.BREAST, title="ESTAN for tests")
    for card in (CARD, breast):
        (folder / f"{card.name}.json").write_text(card.to_json())
        card = replace(card, folder=folder)
        card.weights.write_bytes(b"")
    monkeypatch.setattr(paths, "weights_folders", lambda: (folder,))
    monkeypatch.syspath_prepend(TESTS / "batch")
    monkeypatch.setenv("PYTHONPATH", f"{TESTS}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    monkeypatch.setattr(batch, "Engine", lambda hear, **_: Engine(hear, worker="fake_worker"))
    return folder


def run(*words: str | Path) -> int:
    return cli.main([str(w) for w in words])


def test_exit_status_0_when_all_is_done(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from made_inputs import write_mhd

    (tmp_path / "Mustermann").mkdir()
    file = write_mhd(tmp_path / "Mustermann" / "a.mhd")
    assert run("annotate", file, "--out", tmp_path / "out") == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert "Finished: 1 done." in said.err
    assert "Mustermann" not in said.err


def test_exit_status_1_when_something_was_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from made_inputs import write_study

    study = write_study(tmp_path / "study")
    assert run("annotate", study, "--out", tmp_path / "out", "--formats", "csv,png") == 1
    said = capsys.readouterr().err
    assert "Finished: 3 done, 1 skipped, 2 refused, 3 failed." in said
    assert "errors.csv" in said
    assert not (tmp_path / "out" / "json").exists()
    assert list((tmp_path / "out" / "pictures").iterdir())


def test_exit_status_2_for_results_in_the_way_and_for_a_model_that_is_not_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from made_inputs import write_mhd

    file, out = write_mhd(tmp_path / "a.mhd"), tmp_path / "out"
    assert run("annotate", file, "--out", out) == 0
    assert run("annotate", file, "--out", out) == 2
    assert "--resume" in capsys.readouterr().err
    assert run("annotate", file, "--out", out, "--resume") == 0
    assert run("annotate", file, "--out", out, "--resume", "--threshold", "0.1") == 2
    assert run("annotate", file, "--out", out, "--overwrite", "--threshold", "0.1") == 0
    assert run("annotate", file, "--out", tmp_path / "b", "--model", "nonesuch") == 2
    assert "no model is called 'nonesuch'" in capsys.readouterr().err


def test_models_are_listed_one_line_each(cards: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("models") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["test-estan", "test-ssd"]
    assert lines[1].split()[1:3] == ["nodules", "1.2"]
    assert "SSD for tests" in lines[1]


def test_a_whole_card_is_shown_with_its_figures_and_limits(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("models", "show", "test-ssd") == 0
    said = capsys.readouterr().out
    for words in (
        "SSD for tests",
        "research use only",
        "sensitivity: 0.8123  (0.75–0.875)",
        "- Only axial slices.",
        "licence: CC BY 4.0",
        "seconds: 12.5",
        "threshold: 0.5",
    ):
        assert words in said
    assert run("models", "show", "nonesuch") == 2


def test_a_broken_card_is_named_and_the_others_are_listed(cards: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (cards / "broken.json").write_text("{")
    assert run("models") == 0
    said = capsys.readouterr()
    assert len(said.out.splitlines()) == 2
    assert "broken.json" in said.err


def test_progress_on_a_terminal_is_one_line_and_names_no_path() -> None:
    class Terminal(StringIO):
        def isatty(self) -> bool:
            return True

    stream = Terminal()
    progress = Progress(stream)
    source = Path("/data/Mustermann/1.dcm")
    progress(batch.CaseFound("0" * 16, source))
    time.sleep(0.11)
    progress(batch.AllFound(1))
    progress(batch.CaseDone("0" * 16, batch.CaseState.FAILED, kept=False, row={"source": str(source)}))
    progress.end(batch.Summary({batch.CaseState.FAILED: 1}))
    assert stream.getvalue().count("\n") == 2
    assert "0 of 1 cases" in stream.getvalue()
    assert stream.getvalue().endswith("Finished: 1 failed.\nWhat was refused or failed, and why, is in errors.csv.\n")
    assert "Mustermann" not in stream.getvalue()


SCRIPT = """
import sys
from cadviewer import batch, cli, paths
from cadviewer.inference.engine import Engine
if __name__ == "__main__":
    paths.weights_folders = lambda: (paths.user_data() / "weights",)
    batch.Engine = lambda hear, **_: Engine(hear, worker="fake_worker")
    sys.exit(cli.main(sys.argv[1:]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="interrupts by signal")
def test_ctrl_c_ends_in_order_and_the_run_can_go_on(tmp_path: Path) -> None:
    from made_inputs import write_mhd

    for k in range(6):
        write_mhd(tmp_path / "in" / f"{k}.mhd", 3 + k)
    (tmp_path / "main.py").write_text(SCRIPT)
    environment = os.environ | {"CADVIEWER_FAKE_WORKER": json.dumps({"steps": 20, "delay": 0.02})}

    def start(*more: str) -> subprocess.Popen[str]:
        words: Sequence[str] = ["annotate", str(tmp_path / "in"), "--out", str(tmp_path / "out"), *more]
        command = [sys.executable, str(tmp_path / "main.py"), *words]
        return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)

    first = start()
    journal = tmp_path / "out" / ".cadviewer" / "journal.jsonl"
    end = time.monotonic() + 60
    while not (journal.exists() and journal.read_bytes().count(b"\n") >= 3) and time.monotonic() < end:
        time.sleep(0.01)
    first.send_signal(signal.SIGINT)
    _, said = first.communicate(timeout=120)
    assert first.returncode == 1
    assert "Go on with --resume" in said
    assert "Traceback" not in said
    assert (tmp_path / "out" / "cases.csv").exists()
    second = start("--resume")
    _, said = second.communicate(timeout=60)
    assert (second.returncode, "Finished: 6 done." in said) == (0, True)
