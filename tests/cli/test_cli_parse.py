"""What may be written on the command line, and that each help explains itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cadviewer import cli
from cadviewer.cli import AnnotateArgs, DemoArgs, ModelsArgs, WindowArgs


@pytest.mark.parametrize(
    ("line", "args"),
    [
        ("", WindowArgs()),
        ("a b/c", WindowArgs((Path("a"), Path("b/c")))),
        ("--screenshot o.png --size 800x600 a", WindowArgs((Path("a"),), Path("o.png"), (800, 600))),
        ("a --screenshot o.png b", WindowArgs((Path("a"), Path("b")), Path("o.png"))),
        ("--demo", WindowArgs(demo=True)),
        ("./models", WindowArgs((Path("./models"),))),
        ("models", ModelsArgs()),
        ("models show ssd", ModelsArgs("ssd")),
        ("demo --out d --device cpu", DemoArgs(Path("d"), "cpu")),
        ("annotate a --out o", AnnotateArgs((Path("a"),), Path("o"))),
        ("annotate a --out o b --resume", AnnotateArgs((Path("a"), Path("b")), Path("o"), existing="resume")),
        (
            "annotate a --out o --window -900,300 --spacing 0.6 --threshold 0.25 --formats png,csv --jobs 4 "
            "--overwrite --task breast --model m --device cuda:1",
            AnnotateArgs(
                (Path("a"),),
                Path("o"),
                "breast",
                "m",
                "cuda:1",
                0.25,
                0.6,
                (-900.0, 300.0),
                ("png", "csv"),
                "overwrite",
                4,
            ),
        ),
        ("annotate a --out o --window=-1000,400", AnnotateArgs((Path("a"),), Path("o"))),
        ("annotate a --out o --watch", AnnotateArgs((Path("a"),), Path("o"), existing="resume", quiet_for=10)),
        (
            "annotate a --out o --watch --quiet-for 2.5 --overwrite",
            AnnotateArgs((Path("a"),), Path("o"), existing="overwrite", quiet_for=2.5),
        ),
    ],
)
def test_a_line_means_what_the_contract_says(line: str, args: cli.Args) -> None:
    assert cli.parse(line.split()) == args


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("annotate a", "--out"),
        ("annotate --out o", "INPUT"),
        ("annotate a --out o --resume --overwrite", "not allowed with"),
        ("annotate a --out o --formats csv,dicom", "there is no format 'dicom'"),
        ("annotate a --out o --formats ,", "there is no format"),
        ("annotate a --out o --threshold 1.5", "between 0 and 1"),
        ("annotate a --out o --threshold nan", "finite"),
        ("annotate a --out o --spacing 0", "more than 0"),
        ("annotate a --out o --window 400,-1000", "LOW must be less"),
        ("annotate a --out o --window 400", "LOW,HIGH is wanted"),
        ("annotate a --out o --window", "argument"),
        ("annotate a --out o --jobs 0", "from 1 to 64"),
        ("annotate a --out o --quiet-for 3", "goes with --watch"),
        ("annotate a --out o --watch --quiet-for 0", "more than 0"),
        ("annotate a --out o --device gpu", "auto, cpu, cuda or cuda:N"),
        ("annotate a --out o --task lungs", "invalid choice"),
        ("--size 800", "WxH is wanted"),
        ("--nonesuch", "unrecognized"),
        ("models show", "NAME"),
        ("demo", "--out"),
    ],
)
def test_wrong_usage_ends_with_2_and_says_what_is_wanted(
    line: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.parse(line.split())
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("--help", ["annotate", "models", "demo", "doctor", "cadviewer-train", "--screenshot", "research use only"]),
        (
            "annotate --help",
            ["--resume", "350 mm", "errors.csv", "Exit status", "--watch", "summary.html", "research use only"],
        ),
        ("models --help", ["show", "one line each"]),
        ("demo --help", ["--out", "known truth"]),
        ("--version", ["cadviewer 0."]),
    ],
)
def test_each_help_explains_itself(line: str, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.parse(line.split())
    assert ended.value.code == 0
    said = " ".join(capsys.readouterr().out.split())
    assert [w for w in words if w not in said] == []


def test_opening_the_window_does_not_wait_for_anything_heavy() -> None:
    code = (
        "import sys; from cadviewer import cli; cli.parse(['a.png']);"
        "sys.exit(' '.join({'numpy', 'cv2', 'PySide6', 'torch', 'jsonschema'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == ""
