"""Another backbone, layout, source, export format, runtime and task: each one new file and one new line in one table.

The source is copied, the files and lines are added to the copy, and the copy's own command lines are run.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

REPOSITORY = Path(__file__).resolve().parents[2]

BACKBONE = '''
"""A backbone of three convolutions, for a test."""

from torch import nn

STRIDES = (2, 4, 8, 16, 32)


class Toy(nn.Module):
    def __init__(self, channels_in, strides):
        super().__init__()
        self.strides, self.channels = tuple(strides), (8,) * len(strides)
        self.steps = nn.ModuleList(nn.Conv2d(channels_in if s == 2 else 8, 8, 3, 2, 1) for s in STRIDES)

    def forward(self, x):
        maps = []
        for stride, step in zip(STRIDES, self.steps):
            x = step(x).relu()
            if stride in self.strides:
                maps.append(x)
        return maps
'''
LAYOUT = '''
"""Slices with one box each in a file called boxes.tsv, for a test."""

import numpy as np

from trainers.data.ct import samples
from trainers.data.ct.samples import LabelledSlice


def holds(folder):
    return (folder / "boxes.tsv").is_file()


def _read(folder):
    for line in (folder / "boxes.tsv").read_text().splitlines():
        name, fold, *box = line.split("\\t")
        boxes = np.array([[float(v) for v in box]], np.float32)
        yield LabelledSlice(folder / name, name, name, fold, boxes, np.array([8.0], np.float32))


def summary(folder):
    return samples.summarise("toy", "toy boxes", folder, list(_read(folder)), ("nodule",), patients=True)


def read(data, folds):
    return [s for s in _read(data) if s.fold in folds]
'''

FORMAT = '''
"""A count of findings in a text file, for a test."""

from cadviewer.store.export import Format
from cadviewer.store.export.parts import findings_of


def _write(report, volume, folder):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{report.case}.txt").write_text(f"{findings_of(report)} findings")


FORMAT = Format("a count in a text file", folder="counts", write_case=_write)
'''

SOURCE = '''
"""A list of files that lie elsewhere, for a test."""

from pathlib import Path

from cadviewer.imaging.series import InputError
from cadviewer.imaging.sources import Contents


def recognises(head):
    return head.startswith(b"FILES\\n")


def _files(file):
    return [Path(line) for line in file.read_text().splitlines()[1:]]


def declared(file, share):
    return len(_files(file)), sum(f.stat().st_size for f in _files(file) if f.exists())


def unpack(file, share):
    contents = Contents()
    for one in _files(file):
        if one.exists():
            contents[one] = f"listed/{one.name}"
        else:
            contents.broken[f"listed/{one.name}"] = "not where the list says"
    if not contents:
        raise InputError("a list of nothing")
    return contents
'''

TASK = {
    "cadviewer/toy/__init__.py": '''
"""How bright an image is, for a test."""

from cadviewer.findings import TaskSpec

SPEC = TaskSpec(
    heading="Brightness",
    image="Any image",
    analyse="cadviewer.toy.analysis:analyse",
    payload="cadviewer.toy.analysis:Brightness",
    export="cadviewer.toy.export:PART",
    panel="cadviewer.toy.panel:BrightnessPanel",
    layer="cadviewer.toy.layer:SpotLayer",
    trainer="trainers.toy",
)
''',
    "cadviewer/toy/analysis.py": """
from dataclasses import dataclass

from cadviewer.models.tasks import TaskFindings


@dataclass(frozen=True)
class Brightness:
    mean: float
    spots: tuple[float, ...]


def analyse(volume, forward, card, demand, progress):
    progress(1, 1)
    mean = float(volume.pixels.mean())
    return TaskFindings(lines=(f"mean brightness {mean:.1f}",), payload=Brightness(mean, (mean, 2 * mean)))
""",
    "cadviewer/toy/export.py": """
import cv2
import numpy as np

from cadviewer.store.export.parts import Part, number
from cadviewer.store.case_report import path_text


def _rows(report):
    payload = report.result.payload
    return {"brightness": [(path_text(report.source), str(k), number(v)) for k, v in enumerate(payload.spots)]}


def _pictures(report, volume):
    yield "", np.full((8, 8, 3), int(report.result.payload.mean), np.uint8)


PART = Part(
    count=lambda result: len(result.payload.spots),
    columns={"brightness": ("source", "spot", "value")},
    order={"brightness": ("source", "spot")},
    rows=_rows,
    document=lambda report: {"found": {"mean": report.result.payload.mean}} if report.result and report.result.payload
    else {}, pictures=_pictures,
)
""",
    "cadviewer/toy/panel.py": """
from PySide6.QtWidgets import QLabel


class BrightnessPanel(QLabel):
    def shows(self, case):
        return case.result is not None

    def show_case(self, case, frame, priors):
        self.setText(f"spots: {len(case.result.payload.spots)}, mean {case.result.payload.mean:.1f}")
""",
    "cadviewer/toy/layer.py": """
from PySide6.QtCore import QRectF, Qt

from cadviewer.gui.canvas.viewport import Kind


class SpotLayer:
    kind = Kind.MARK
    case = None

    def paint(self, painter, viewport):
        if self.case is not None and self.case.result is not None and self.case.result.payload is not None:
            painter.fillRect(viewport.transform().mapRect(QRectF(10, 10, 20, 20)), Qt.GlobalColor.magenta)
""",
    "trainers/toy/__init__.py": '''
"""Trains nothing, for a test."""

from trainers.tasks import TrainerSpec

SPEC = TrainerSpec(
    name="toy",
    summary="a toy",
    run="trainers.toy.trainer:run",
    settings="trainers.toy.trainer:ToySettings",
    presets="trainers.toy.trainer:PRESETS",
    options="trainers.toy.trainer:OPTIONS",
    model="toy",
)
''',
    "trainers/toy/trainer.py": """
from dataclasses import dataclass
from typing import ClassVar

from trainers import config
from trainers.options import Option

OPTIONS = {"steps": Option("Steps", "how many", low=1, high=9, main=True)}
PRESETS = {"quick": {"steps": 2}}


@dataclass(frozen=True)
class ToySettings:
    OPTIONS: ClassVar = OPTIONS
    steps: int = 3


def run(file, data, out, assignments, resume):
    settings = config.merge(ToySettings, PRESETS, file=file, assignments=assignments)
    out.mkdir(parents=True, exist_ok=True)
    (out / "toy.txt").write_text(f"trained {settings.steps} steps")
""",
}

WINDOW = """
import os, sys
from pathlib import Path

from PySide6.QtCore import QPointF, QTimer
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QApplication

from cadviewer.findings import Task
from cadviewer.gui.engine.bridge import Bridge
from cadviewer.gui.settings.dialog import SettingsDialog
from cadviewer.gui.settings.models_dialog import ModelsDialog
from cadviewer.gui.settings.preferences import Preferences
from cadviewer.gui.shell.main_window import MainWindow
from cadviewer.gui.training.dialog import TASKS
from cadviewer.inference.engine import Engine

if __name__ == "__main__":
    app, bridge = QApplication([]), Bridge()
    engine = Engine(bridge.take, device="cpu")
    window = MainWindow(engine, bridge, Preferences())
    window.show()
    window.open_paths([Path(sys.argv[1])])
    asked = []

    def look():
        case = window.cases.current
        if case is None or case.stack is None or not case.stack.complete:
            return
        if case.result is None and not asked:
            asked.append(1)
            window.actions_["analyse_toy"].trigger()
        if case.result is not None:
            print(window.side.pages.currentWidget().text(), "| kept:", bool(case.made), "| asked:", len(asked))
            view = window.workspace.viewport
            at = view.transform().map(QPointF(20, 20)).toPoint()
            print("layer:", QColor(view.grab().toImage().pixel(at)).name())
            window.analysis_actions.fill_models(window.menus.models)
            models = ModelsDialog(window.preferences)
            models.choose("toy-brightness")
            print("models:", models.chosen().name, models.use.isEnabled(), models.back.isEnabled())
            print("settings:", SettingsDialog(window.preferences).windowTitle(), "| trained:", *TASKS)
            window.results.close()
            app.quit()

    timer = QTimer(interval=50)
    timer.timeout.connect(look)
    timer.start()
    QTimer.singleShot(90_000, app.quit)
    app.exec()
    sys.stdout.flush()
    window.shut()
    engine.close()
    window.cases.close()
"""

RUNTIME = '''
"""Computes nothing and finds nothing, for a test."""

import numpy as np


class Forward:
    batch_size, device, why = 4, "cpu", "a toy"

    def __init__(self, card):
        self.card = card

    def describe(self):
        return "a toy runtime"

    def __call__(self, batch):
        n, _, rows, columns = batch.shape
        return np.full((n, 1, rows, columns), -9, np.float32), np.full(n, -2, np.float32)


class ToyRuntime:
    device, why = "cpu", "a toy"

    def __init__(self, device, threads):
        pass

    def build(self, card, **_):
        return Forward(card)
'''


def add(source: Path, file: str, text: str, table: str, after: str, line: str) -> None:
    """One new file, and one new line behind the line of the table that begins with `after`."""
    (source / file).write_text(text.lstrip())
    lines = (source / table).read_text().split("\n")
    (place,) = (k for k, old in enumerate(lines) if old.startswith(after))
    (source / table).write_text("\n".join([*lines[: place + 1], line, *lines[place + 1 :]]))


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the source with a toy of each kind."""
    source = tmp_path_factory.mktemp("source")
    for part in ("cadviewer", "trainers", "resources"):
        shutil.copytree(REPOSITORY / part, source / part, ignore=shutil.ignore_patterns("__pycache__", "*.safetensors"))
    nets = "cadviewer/models/nets"
    line = '    "toy": "cadviewer.models.nets.toy_backbone:Toy",'
    add(source, f"{nets}/toy_backbone.py", BACKBONE, f"{nets}/__init__.py", '    "resnet101"', line)
    line = '    "toy": "trainers.data.toy",'
    add(source, "trainers/data/toy.py", LAYOUT, "trainers/data/__init__.py", "LAYOUTS", line)
    exports = "cadviewer/store/export"
    line = '    "toy": "cadviewer.store.export.toy",'
    add(source, f"{exports}/toy.py", FORMAT, f"{exports}/__init__.py", '    "png"', line)
    line = '        "toy": "cadviewer.imaging.toy_source",'
    add(source, "cadviewer/imaging/toy_source.py", SOURCE, "cadviewer/imaging/sources.py", '        "zip"', line)
    for name, text in TASK.items():
        (source / name).parent.mkdir(exist_ok=True)
        (source / name).write_text(text.lstrip())
    add(
        source,
        "cadviewer/toy/window.py",
        WINDOW,
        "cadviewer/findings.py",
        "    BREAST = ",
        '    TOY = "toy", "cadviewer.toy"',
    )
    line = 'RUNTIMES["toy"] = "cadviewer.models.toy_runtime:ToyRuntime"'
    add(source, "cadviewer/models/toy_runtime.py", RUNTIME, "cadviewer/models/runtime.py", '"""By name', line)
    return source


def own_toy_model(home: Path) -> Path:
    """`home`, with a model for breast ultrasound that the toy runtime computes."""
    from cadviewer.models import catalogue

    weights = home / "data" / "weights"
    weights.mkdir(parents=True)
    shipped = catalogue.load(REPOSITORY / "resources" / "weights" / "breast-efficientnet-unet.json")
    card = replace(shipped, name="own-toy", default=False, inputs={**shipped.inputs, "runtime": "toy"})
    (weights / "own-toy.json").write_text(card.to_json())
    (weights / "own-toy.safetensors").write_bytes(b"nothing that torch could read")
    return home


def run(source: Path, home: Path, *arguments: object, status: int = 0, **more: str) -> str:
    """What a command line of the copy prints; it must end with `status`."""
    environment = os.environ | {"PYTHONPATH": str(source), "CADVIEWER_HOME": str(home), "OMP_NUM_THREADS": "1"}
    environment |= more
    command = [sys.executable, "-m", *map(str, arguments)]
    done = subprocess.run(command, cwd=source, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stderr[-2000:]
    return done.stdout


def test_a_toy_of_each_kind_works_with_one_file_and_one_line(extended: Path, tmp_path: Path) -> None:
    data, out, home = tmp_path / "set", tmp_path / "run", tmp_path / "home"
    data.mkdir()
    rows = []
    for k in range(6):
        image = np.zeros((160, 160), np.uint8)
        cv2.circle(image, (80, 80), 60, 40, cv2.FILLED)
        cv2.circle(image, (60 + 5 * k, 80), 4, 200, cv2.FILLED)
        cv2.imwrite(str(data / f"{k}.png"), image)
        rows.append(f"{k}.png\t{'2' if k > 3 else '3'}\t{56 + 5 * k}\t76\t{65 + 5 * k}\t85")
    (data / "boxes.tsv").write_text("\n".join(rows))

    answer = json.loads(run(extended, home, "trainers", "inspect", "nodules", "--data", data, "--json"))
    assert (answer["layout"], answer["images"], answer["split"]) == ("toy boxes", 6, {"train": 4, "tune": 2, "test": 0})

    settings = ["backbone=toy", "epochs=1", "batch=2", "size=96", "threads=1", "width=8", "name=toy-ssd", "device=cpu"]
    sets = [part for setting in settings for part in ("--set", setting)]
    run(extended, home, "trainers", "nodules", "--data", data, "--out", out, *sets)
    weights = home / "data" / "weights"
    weights.mkdir(parents=True)
    card = json.loads((out / "toy-ssd.json").read_text())
    assert card["config"]["backbone"] == "toy"
    for suffix in (".json", ".safetensors"):
        shutil.copyfile(out / f"toy-ssd{suffix}", weights / f"toy-ssd{suffix}")
    assert "toy-ssd" in run(extended, home, "cadviewer", "models")

    found = tmp_path / "found"
    run(extended, home, "cadviewer", "annotate", data / "0.png", "--out", found, "--task", "nodules",
        "--model", "toy-ssd", "--spacing", 1, "--formats", "csv,toy", "--device", "cpu")  # fmt: skip
    assert len(list((found / "counts").glob("*.txt"))) == 1


def test_files_of_a_toy_source_are_read_like_any_other(extended: Path, tmp_path: Path) -> None:
    from cadviewer.phantoms import files as phantom_files
    from cadviewer.phantoms.breast import breast_ultrasound

    elsewhere, given, out = tmp_path / "elsewhere", tmp_path / "in", tmp_path / "out"
    phantom_files.write_png(breast_ultrasound(1)[0], elsewhere / "a.png")
    phantom_files.write_png(breast_ultrasound(2)[0], elsewhere / "b.png")
    given.mkdir()
    (given / "archive.files").write_text(f"FILES\n{elsewhere / 'a.png'}\n{elsewhere / 'gone.png'}\n")
    with zipfile.ZipFile(given / "c.zip", "w") as archive:  # one kind within the other
        archive.writestr("more.files", f"FILES\n{elsewhere / 'b.png'}\n")
    (given / "empty.files").write_text("FILES\n")
    command = ("cadviewer", "annotate", given, "--out", out, "--task", "breast", "--formats", "csv")
    run(extended, own_toy_model(tmp_path / "home"), *command, "--model", "own-toy", status=1)
    with (out / "cases.csv").open(newline="") as stream:
        rows = {Path(row["source"]).relative_to(given).as_posix(): row for row in csv.DictReader(stream)}
    assert {name: row["state"] for name, row in rows.items()} == {
        "archive.files": "done",
        "archive.files/listed/gone.png": "failed",
        "c.zip": "done",
        "empty.files": "failed",
    }
    assert rows["archive.files/listed/gone.png"]["reason"] == "not where the list says"


def test_a_toy_task_is_a_package_and_a_line(extended: Path, tmp_path: Path) -> None:
    """Findings, table, JSON, picture, lines, results that resume, the panel of the window, and training."""
    home, bright = tmp_path / "home", tmp_path / "bright"
    weights = home / "data" / "weights"
    weights.mkdir(parents=True)
    shipped = json.loads((REPOSITORY / "resources" / "weights" / "nodules-ssd-mobilenet_v2.json").read_text())
    card = {**shipped, "name": "toy-brightness", "task": "toy", "default": True, "companions": {}}
    (weights / "toy-brightness.json").write_text(json.dumps({**card, "inputs": {**card["inputs"], "runtime": "toy"}}))
    (weights / "toy-brightness.safetensors").write_bytes(b"none")
    for k in range(2):
        cv2.imwrite(str(tmp_path / f"{k}.png"), np.full((64, 64), 50 + 20 * k, np.uint8))
    command = [
        "cadviewer",
        "annotate",
        tmp_path / "0.png",
        "--out",
        bright,
        "--task",
        "toy",
        "--formats",
        "csv,json,png",
    ]
    run(extended, home, *command)
    (case,) = [json.loads(p.read_text()) for p in (bright / "json").glob("*.json")]
    assert (case["task"], case["lines"], case["found"]) == ("toy", ["mean brightness 50.0"], {"mean": 50.0})
    table = (bright / "brightness.csv").read_text().splitlines()
    assert [line.split(",")[1:] for line in table] == [["spot", "value"], ["0", "50.000"], ["1", "100.000"]]
    assert "findings" in (bright / "cases.csv").read_text().splitlines()[0]
    assert ",2," in (bright / "cases.csv").read_text().splitlines()[1]
    assert len(list((bright / "pictures").glob("*.png"))) == 1
    (kept,) = (bright / "json").glob("*.json")
    before = kept.stat().st_mtime_ns
    run(extended, home, *command, "--resume")
    assert kept.stat().st_mtime_ns == before

    environment = {"QT_QPA_PLATFORM": "offscreen"}
    said = run(extended, home, "cadviewer.toy.window", tmp_path / "1.png", **environment)
    assert "spots: 2, mean 70.0 | kept: False | asked: 1" in said
    assert "layer: #ff00ff" in said
    assert "models: toy-brightness False False" in said
    assert "settings: Settings | trained: nodules breast toy outline" in said
    assert "brightness" in run(extended, home, "cadviewer", "models").lower()

    settings = json.loads(run(extended, home, "trainers", "settings", "toy", "--json"))
    assert [one["key"] for one in settings["settings"]] == ["steps"]
    run(extended, home, "trainers", "toy", "--data", tmp_path, "--out", tmp_path / "run", "--set", "preset=quick")
    assert (tmp_path / "run" / "toy.txt").read_text() == "trained 2 steps"


def test_a_card_that_names_a_toy_runtime_is_computed_by_it(extended: Path, tmp_path: Path) -> None:
    from cadviewer.phantoms import files as phantom_files
    from cadviewer.phantoms.breast import breast_ultrasound

    home = own_toy_model(tmp_path / "home")
    phantom_files.write_png(breast_ultrasound(1)[0], tmp_path / "in" / "a.png")
    command = ("cadviewer", "annotate", tmp_path / "in", "--out", tmp_path / "out", "--task", "breast")
    run(extended, home, *command, "--model", "own-toy", "--formats", "csv,json")
    (result,) = (json.loads(p.read_text()) for p in (tmp_path / "out" / "json").glob("*.json"))
    assert result["provenance"]["device"] == "a toy runtime"
    assert result["breast"][0]["call"] == "no_lesion"
