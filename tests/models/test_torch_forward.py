"""Networks behind the seam: devices, batches, and what happens when memory runs out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from cadviewer.findings import Task
from cadviewer.models import catalogue
from cadviewer.models.catalogue import CardError, ModelCard
from cadviewer.models.nets import NETWORKS, runtime
from cadviewer.models.nets.runtime import TorchForward, build, choose_device


class Sums(nn.Module):
    """Sum and mean of each image; runs out of memory above `most` images, on `device` alone when given."""

    def __init__(self, most: int = 100, device: str | None = None) -> None:
        super().__init__()
        self.most, self.device = most, device
        self.sizes: list[int] = []

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        self.sizes.append(len(x))
        if len(x) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return x.sum((1, 2, 3)), x.mean((2, 3))


def images(count: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(count, 3, 8, 8)).astype(np.float32)


def test_a_batch_is_computed_in_parts_and_comes_back_whole_and_in_order() -> None:
    given = images(10)
    forward = TorchForward(Sums(), "cpu", batch_size=4, precision="float32")
    sums, means = forward(given)
    assert sums.dtype == np.float32
    np.testing.assert_allclose(sums, given.sum((1, 2, 3)), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(means, given.mean((2, 3)), rtol=1e-4, atol=1e-5)


def test_out_of_memory_halves_the_batch_says_so_and_loses_no_image() -> None:
    given, said = images(10), list[str]()
    network = Sums(most=2)
    forward = TorchForward(network, "cpu", batch_size=8, precision="float32", note=said.append)
    np.testing.assert_allclose(forward(given)[0], given.sum((1, 2, 3)), rtol=1e-4, atol=1e-4)
    assert network.sizes == [8, 4, 2, 2, 2, 2, 2]
    assert forward.batch_size == 2
    assert len(said) == 2
    assert "batches of 2 instead of 4" in said[1]


def test_out_of_memory_with_one_image_moves_to_the_cpu_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    said = list[str]()
    forward = TorchForward(Sums(), "cpu", batch_size=1, precision="float32", note=said.append)
    forward._on, forward.device = torch.device("cuda"), "cuda"  # pretended: there may be none here
    compute = forward._compute

    def short(batch: np.ndarray) -> tuple[np.ndarray, ...]:
        if forward._on.type == "cuda":
            raise torch.OutOfMemoryError("CUDA out of memory")
        return compute(batch)

    monkeypatch.setattr(forward, "_compute", short)
    assert len(forward(images(3))[0]) == 3
    assert forward.device == "cpu"
    assert forward.why == "out of memory on cuda"
    assert said == ["out of memory on cuda: going on with the CPU"]


def test_one_image_too_much_for_the_cpu_is_a_memory_error() -> None:
    with pytest.raises(MemoryError, match="not enough memory for this model"):
        TorchForward(Sums(most=0), "cpu")(images(1))


@pytest.mark.parametrize("said", ["could not create a primitive", "DefaultCPUAllocator: can't allocate memory"])
def test_the_cpu_says_in_words_alone_that_memory_is_short(said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    network, notes = Sums(), []
    forward = network.forward

    def short(images: torch.Tensor) -> object:
        if len(images) > 1:
            raise RuntimeError(said)
        return forward(images)

    monkeypatch.setattr(network, "forward", short)
    batch = np.random.default_rng(0).random((4, 1, 8, 8), np.float32)
    runner = TorchForward(network, "cpu", batch_size=4, note=notes.append)
    np.testing.assert_allclose(runner(batch)[0], TorchForward(Sums(), "cpu")(batch)[0], rtol=1e-6)
    assert notes[-1] == "out of memory on cpu: going on with batches of 1 instead of 2"


def test_between_two_batches_somebody_may_end_the_run() -> None:
    class Stopped(Exception):
        pass

    asked = list[int]()

    def between() -> None:
        asked.append(len(network.sizes))
        if len(asked) == 3:
            raise Stopped

    network = Sums()
    with pytest.raises(Stopped):
        TorchForward(network, "cpu", batch_size=2, between=between)(images(8))
    assert asked == [0, 1, 2]


def test_other_errors_of_a_network_are_not_taken_for_lack_of_memory() -> None:
    with pytest.raises(RuntimeError, match="shape"):
        TorchForward(nn.Sequential(nn.Flatten(), nn.Linear(5, 1)), "cpu")(images(1))


def test_a_wish_that_cannot_be_met_falls_back_to_the_cpu_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose_device("cpu") == (torch.device("cpu"), "as asked")
    assert "called 'tpu'" in choose_device("tpu")[1]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    device, why = choose_device("cuda:1")
    assert device.type == "cpu"
    assert why.startswith("cuda:1 asked for, but ")
    assert "asked" not in choose_device("auto")[1]


def test_a_cuda_device_that_cannot_compute_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: nn.Module, *_: object) -> nn.Module:
        raise RuntimeError("no kernel image is available\nfor execution on the device")

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(nn.Module, "to", broken)
    device, why = choose_device("auto")
    assert device.type == "cpu"
    assert why == "CUDA failed: no kernel image is available for execution on the device"


def test_the_precision_of_a_card_is_obeyed_and_bfloat16_stays_near_float32() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 16, 3), nn.ReLU(), nn.Conv2d(16, 4, 3), Tupled())
    exact = TorchForward(network, "cpu", precision="float32")
    rough = TorchForward(network, "cpu", precision="bfloat16")
    assert not exact.bfloat16
    assert rough.bfloat16
    a, b = exact(images(2))[0], rough(images(2))[0]
    assert b.dtype == np.float32
    assert 0 < np.abs(a - b).max() < 0.02


class Tupled(nn.Module):
    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor]:
        return (x,)


@pytest.fixture
def card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelCard:
    """A card of a network with a single parameter, stored in half precision."""
    monkeypatch.setitem(NETWORKS, "linear", "torch.nn:Linear")
    path = tmp_path / "small.safetensors"
    save_file({"weight": torch.full((1, 2), 0.5).half(), "bias": torch.ones(1).half()}, path)
    return ModelCard(
        name="small",
        version="1",
        task=Task.NODULES,
        title="",
        network="linear",
        config={"in_features": 2, "out_features": 1},
        inputs={},
        threshold=0.5,
        weights_sha256=catalogue.sha256(path),
        folder=tmp_path,
    )


def test_a_card_builds_its_network_in_float32_ready_to_run(card: ModelCard) -> None:
    network = build(card)
    assert not network.training
    assert network(torch.ones(1, 2)).item() == 2.0
    assert network.weight.dtype == torch.float32


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"weights_sha256": "0" * 64}, "small.safetensors: not the weights"),
        ({"name": "missing"}, "missing.safetensors: the weights cannot be read"),
        ({"config": {"in_features": 3, "out_features": 1}}, "small.safetensors: does not fit"),
        ({"config": {"colour": "red"}}, "small.safetensors: does not fit"),
        ({"network": "unknown"}, "no network is called 'unknown'"),
    ],
)
def test_weights_that_are_not_the_cards_are_refused_by_name(
    card: ModelCard, change: dict[str, object], words: str
) -> None:
    with pytest.raises(CardError, match=words):
        build(replace(card, **change))  # type: ignore[arg-type]


def test_a_file_that_is_no_safetensors_is_never_unpickled(card: ModelCard) -> None:
    torch.save({"weight": torch.ones(1, 2)}, card.weights)
    with pytest.raises(CardError, match="does not fit"):
        build(replace(card, weights_sha256=catalogue.sha256(card.weights)))


def test_bfloat16_is_for_cpus_that_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False, raising=False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False, raising=False)
    assert not runtime.fast_bfloat16(torch.device("cpu"))
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: True, raising=False)
    assert runtime.fast_bfloat16(torch.device("cpu"))
    assert not runtime.fast_bfloat16(torch.device("cuda"))
