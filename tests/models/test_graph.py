"""The converted form of a model: what is in it, what is refused, and that it says what torch says."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cadviewer.findings import Task
from cadviewer.models import catalogue, graph, runtime
from cadviewer.models.catalogue import CardError, ModelCard
from cadviewer.models.nets.runtime import TorchForward, build
from cadviewer.models.openvino_runtime import OpenvinoForward, OpenvinoRuntime
from trainers import convert

SHIPPED = catalogue.cards(role=None)
RNG = np.random.default_rng(5)


def images(card: ModelCard, count: int = 3) -> np.ndarray:
    """Of a shape that the network was not converted with, for those that take several."""
    if card.task is Task.NODULES and not card.role:
        return RNG.random((count, int(card.config.get("channels", 1)), 192, 256), np.float32)
    return RNG.random((count, *convert.shapes_for(card)[0][1:]), np.float32)


@pytest.fixture(scope="module")
def engine() -> OpenvinoRuntime:
    return OpenvinoRuntime("cpu", 1)


@pytest.fixture
def moved(tmp_path: Path) -> ModelCard:
    """The smallest shipped model, in a folder of its own."""
    card = catalogue.card("nodules-outline", role=None)
    for path, _ in card.files():
        shutil.copy(path, tmp_path)
    return dataclasses.replace(card, folder=tmp_path)


@pytest.mark.parametrize("card", SHIPPED, ids=lambda c: c.name)
def test_every_shipped_model_has_a_converted_form_that_says_what_torch_says(
    card: ModelCard, engine: OpenvinoRuntime
) -> None:
    given = images(card)
    wanted = TorchForward(build(card), "cpu", precision="float32")(given)
    found = engine.build(card)(given)
    assert [f.shape for f in found] == [w.shape for w in wanted]
    assert all(f.dtype == np.float32 for f in found)
    assert max(convert.difference(f, w) for f, w in zip(found, wanted, strict=True)) < 1e-4


@pytest.mark.parametrize("card", SHIPPED, ids=lambda c: c.name)
def test_a_graph_holds_no_weights(card: ModelCard) -> None:
    assert card.graph.stat().st_size < 0.05 * card.weights.stat().st_size


def test_outputs_stay_what_they_were_when_the_network_runs_again(engine: OpenvinoRuntime) -> None:
    forward = engine.build(catalogue.card("nodules-outline", role=None))
    first = forward(np.zeros((1, 3, 48, 48), np.float32))[0]
    kept = first.copy()
    forward(np.ones((1, 3, 48, 48), np.float32))
    np.testing.assert_array_equal(first, kept)


def test_a_batch_comes_back_whole_and_the_caller_is_asked_before_each_part(engine: OpenvinoRuntime) -> None:
    asked: list[int] = []
    card = catalogue.card("nodules-outline", role=None)
    forward = engine.build(card, batch_size=2, between=lambda: asked.append(1))
    given = images(card, 5)
    whole = engine.build(card, batch_size=5)(given)[0]
    np.testing.assert_allclose(forward(given)[0], whole, atol=1e-5)
    assert len(asked) == 3


def test_short_memory_halves_the_batch_and_loses_no_image() -> None:
    said: list[str] = []

    class Small(OpenvinoForward):
        def __init__(self) -> None:
            self.sizes: list[int] = []
            self.batch_size, self.note, self._between = 4, said.append, lambda: None

        def _compute(self, batch: np.ndarray) -> tuple[np.ndarray, ...]:
            self.sizes.append(len(batch))
            if len(batch) > 1:
                raise RuntimeError("std::bad_alloc")
            return (batch.sum(axis=(1, 2, 3)),)

    forward, given = Small(), np.ones((5, 1, 2, 2), np.float32)
    np.testing.assert_array_equal(forward(given)[0], np.full(5, 4))
    assert forward.sizes == [4, 2, 1, 1, 1, 1, 1]
    assert said[-1] == "out of memory on cpu: going on with batches of 1 instead of 2"


@pytest.mark.parametrize("ending", ["graph", "safetensors"])
def test_files_that_are_not_those_of_the_card_are_refused(
    moved: ModelCard, engine: OpenvinoRuntime, ending: str
) -> None:
    path = moved.folder / f"{moved.name}.{ending}"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(CardError, match=rf"{ending}: not the weights that its card describes"):
        engine.build(moved)
    path.unlink()
    with pytest.raises(CardError, match=rf"{ending}: the weights cannot be read"):
        engine.build(moved)


@pytest.mark.parametrize(
    "content",
    [
        b"no archive",
        graph.pack("<net/>", b""),
        graph.pack("no graph", b""),
        graph.pack('<?xml version="1.0"?><net name="x" version="11"><layers/><edges/></net>', b""),
    ],
    ids=["no archive", "an empty graph", "no xml", "no layers"],
)
def test_what_is_no_graph_is_refused_in_one_line(moved: ModelCard, engine: OpenvinoRuntime, content: bytes) -> None:
    moved.graph.write_bytes(content)
    card = dataclasses.replace(moved, graph_sha256=catalogue.sha256_of(content))
    with pytest.raises(CardError, match=r"nodules-outline\.graph: not a readable graph of a network"):
        engine.build(card)


def test_weights_of_another_network_do_not_pass_for_those_of_the_graph(
    moved: ModelCard, engine: OpenvinoRuntime
) -> None:
    other = catalogue.card("nodules-ssd-mobilenet_v2")
    content = other.graph.read_bytes()
    moved.graph.write_bytes(content)
    with pytest.raises(CardError, match="not a readable graph"):
        engine.build(dataclasses.replace(moved, graph_sha256=catalogue.sha256_of(content)))


def test_a_model_is_converted_by_its_trainer_and_without_a_converted_form_torch_computes_it(moved: ModelCard) -> None:
    made = convert.convert(dataclasses.replace(moved, graph_sha256=""))
    assert made.graph_sha256 == catalogue.sha256(made.graph)
    runtimes = runtime.Runtimes("cpu", 1)
    assert (runtimes.name_for(made), runtimes.of(made).device) == ("openvino", "cpu")
    assert runtimes.name_for(dataclasses.replace(made, graph_sha256="")) == "torch"
    assert runtimes.name_for(dataclasses.replace(made, name="copied-without-its-graph")) == "torch"
    assert runtimes.name_for(dataclasses.replace(made, inputs={**made.inputs, "runtime": "torch"})) == "torch"


def test_a_network_that_cannot_be_converted_says_why_and_is_kept(
    moved: ModelCard, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("an operator that\nnobody knows")

    monkeypatch.setattr(convert, "traced", fail)
    monkeypatch.setattr(convert, "exported", fail)
    with pytest.raises(convert.CannotConvert, match="an operator that nobody knows"):
        convert.convert(moved)
    assert convert.converted(moved).graph_sha256 == ""


def test_without_torch_a_model_without_a_converted_form_says_what_it_needs(moved: ModelCard) -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from pathlib import Path\n"
        "from dataclasses import replace\n"
        "from cadviewer.models import catalogue, runtime\n"
        "card = catalogue.card('nodules-outline', role=None)\n"
        "forward = runtime.ready(card, 'cuda')\n"
        "print(forward.device, forward.why, sep='; ')\n"
        "try:\n"
        "    runtime.ready(replace(card, graph_sha256=''))\n"
        "except catalogue.CardError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    first, second = done.stdout.splitlines()
    assert first.startswith("cpu; OpenVINO; cuda asked for, but ")
    assert second.startswith(
        'nodules-outline: it has no converted form, and without one it needs PyTorch: pip install "'
    )


def test_openvino_comes_without_its_telemetry_and_without_torch() -> None:
    code = (
        "import sys; import cadviewer.models.openvino_runtime as engine; import openvino\n"
        "assert openvino is engine.openvino and openvino.Core().available_devices\n"
        "print(sorted(m for m in sys.modules if 'telemetry' in m or m.split('.')[0] in ('torch', 'requests')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
