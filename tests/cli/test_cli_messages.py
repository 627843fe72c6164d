"""What is said on the terminal: the name and the reason of what cannot be used, never a trace."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from gui_images import write_ct

from cadviewer import batch
from cadviewer.cli import main

REPOSITORY = Path(__file__).resolve().parents[2]
MODEL = "breast-hybrid-mt-estan-compact"
ROOT = hasattr(os, "geteuid") and os.geteuid() == 0


@pytest.fixture(scope="module")
def slice_of_ct(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    (file,) = write_ct(tmp_path_factory.mktemp("study") / "ct", slices=1).iterdir()
    return file.read_bytes()


def annotate(*arguments: object) -> int:
    return main(["annotate", *map(str, arguments)])


def _folder(path: Path, content: bytes) -> None:
    path.mkdir()


def _cut(path: Path, content: bytes) -> None:
    path.write_bytes(content[:3000])


def _head(path: Path, content: bytes) -> None:
    path.write_bytes(content[:200])


def _text(path: Path, content: bytes) -> None:
    path.write_text("hello\n")


def _nothing(path: Path, content: bytes) -> None:
    path.touch()


def _absent(path: Path, content: bytes) -> None:
    pass


def _closed(path: Path, content: bytes) -> None:
    path.mkdir()
    path.chmod(0)


@pytest.mark.parametrize(
    ("make", "name", "reason"),
    [
        (_folder, "empty", "an empty folder"),
        (_cut, "cut.dcm", "truncated: "),
        (_head, "head.dcm", "damaged: "),
        (_text, "letter.dcm", "not an image although named .dcm: a text"),
        (_nothing, "nothing.dcm", "not an image although named .dcm: an empty file"),
        (_absent, "nowhere", "no such file or folder"),
        (_text, "bräst – 日本語 ☃.png", "not an image although named .png: a text"),
        (_text, "x" * 240 + ".png", "not an image although named .png: a text"),
        pytest.param(
            _closed,
            "closed",
            "the folder cannot be opened: Permission denied",
            marks=pytest.mark.skipif(ROOT or sys.platform == "win32", reason="root may open everything"),
        ),
    ],
)
def test_an_input_that_was_named_is_named_with_the_reason(
    make: Callable[[Path, bytes], None],
    name: str,
    reason: str,
    slice_of_ct: bytes,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    make(Path(name), slice_of_ct)
    assert annotate(name, "--out", "out") == 1
    said = capsys.readouterr().err
    assert f"\n{name}: {reason}" in f"\n{said}"
    assert f"and why, is in {Path('out') / 'errors.csv'}." in said
    assert "Traceback" not in said
    assert (Path("out") / "errors.csv").read_text("utf-8").splitlines()[1].startswith(f"{name},{reason}")
    if name == "closed":
        Path(name).chmod(0o700)


def test_what_was_found_in_a_folder_is_not_named_where_it_may_be_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "DOE_JANE.dcm").write_text("no image")
    assert annotate(tmp_path / "in", "--out", tmp_path / "out") == 1
    assert "DOE" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "missing"), [([], "INPUT and --out DIR"), (["x"], "--out DIR"), (["--out", "y"], "INPUT")]
)
def test_all_that_is_missing_is_named(
    arguments: list[str],
    missing: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match="2"):
        annotate(*arguments)
    assert capsys.readouterr().err.startswith(f"cadviewer annotate: {missing} must be given\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["annotate", "demo"])
@pytest.mark.parametrize("inside", ["", "sub"])
def test_an_output_folder_that_is_a_file_is_wrong_usage_and_named(
    command: str, inside: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "taken").write_text("here already")
    out = tmp_path / "taken" / inside
    given = [str(tmp_path)] if command == "annotate" else []
    assert main([command, *given, "--out", str(out)]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"cadviewer {command}: {out}: ")
    assert "Not a directory" in said or "exists" in said
    assert (tmp_path / "taken").read_text() == "here already"


def test_an_output_folder_that_holds_results_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in").mkdir()
    out = tmp_path / "out"
    annotate(tmp_path / "in", "--out", out)
    capsys.readouterr()
    assert annotate(tmp_path / "in", "--out", out) == 2
    assert capsys.readouterr().err.startswith(f"cadviewer annotate: {out}: the output folder already holds results")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_disk_is_said_with_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object, **__: object) -> None:
        with open("/dev/full", "wb", buffering=0) as stream:
            stream.write(b"x")

    monkeypatch.setattr("cadviewer.store.results.ResultsFolder.add", full)
    assert annotate(tmp_path / "nowhere", "--out", tmp_path / "out") == 1
    said = capsys.readouterr().err
    assert f"cadviewer annotate: {tmp_path / 'out'}: the results cannot be written: No space left on device" in said
    assert "--resume" in said


def test_a_second_ctrl_c_ends_with_a_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(batch, "run", interrupted)
    assert annotate(tmp_path, "--out", tmp_path / "out") == 1
    assert "go on with --resume" in capsys.readouterr().err


def _program(*arguments: str, module: str = "cadviewer", **environment: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), **environment},
    )


@pytest.mark.parametrize(
    ("module", "arguments"),
    [
        ("cadviewer", ["--help"]),
        ("cadviewer", ["models", "show", MODEL]),
        ("trainers", ["-h"]),
    ],
)
def test_a_terminal_without_the_letters_gets_escapes(module: str, arguments: list[str]) -> None:
    child = _program(*arguments, module=module, PYTHONIOENCODING="ascii")
    out, err = child.communicate(timeout=120)
    assert child.returncode == 0, err
    assert b"\\u" in out


def test_a_reader_that_has_gone_ends_the_program_quietly() -> None:
    child = _program("models", "show", MODEL)
    assert child.stdout is not None
    assert child.stderr is not None
    child.stdout.close()
    assert child.stderr.read() == b""
    child.stderr.close()
    assert child.wait(120) == 1
