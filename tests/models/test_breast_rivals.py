"""The networks that Hybrid-MT-ESTAN is compared with: shapes, sizes, gradients, and a call without a mask."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from cadviewer.findings import Call, Task
from cadviewer.models import catalogue, nets
from cadviewer.models.breast import analysis as breast
from cadviewer.models.catalogue import CardError, ModelCard
from cadviewer.models.nets.breast_network import BreastNetwork
from cadviewer.models.nets.rivals import sha_mtl
from cadviewer.models.nets.rivals.parts import under
from cadviewer.models.nets.runtime import TorchForward
from cadviewer.models.nets.runtime import build as build_from_card
from cadviewer.phantoms.phantom import breast_ultrasound
from trainers.breast.evaluation import volume_of
from trainers.data.ultrasound.cases import UltrasoundCase
from trainers.export import export

CLASSIFIERS = ("mobilenet", "densenet121", "vit", "swin", "vgga_vit")
MULTITASK = ("sha_mtl", "emt_net", "chowdary", "residual_unet", "library_unet")
PAPER_MILLIONS = {"mobilenet": 3.2, "densenet121": 7.0, "vit": 85.8, "swin": 86.9}
"""Published sizes less the 1,000 classes of ImageNet."""


def made(name: str, preset: str) -> BreastNetwork:
    if name == "library_unet":
        pytest.importorskip("segmentation_models_pytorch", reason='needs pip install "cadviewer[rivals]"')
    network = nets.build(name, {"preset": preset})
    assert isinstance(network, BreastNetwork)
    return network


def card_of(network: BreastNetwork, name: str, folder: Path) -> ModelCard:
    inputs = {"size": network.config.image_size, "channels": 1, "views": [{}, {"flip": True}]}
    card = ModelCard(
        name=name, version="1", task=Task.BREAST, title=network.title, network=name, config=network.card_config(),
        inputs=inputs, threshold=0.5, weights_sha256="",
    )  # fmt: skip
    return export(network.state_dict(), card, folder)


@pytest.mark.parametrize("name", [*CLASSIFIERS, *MULTITASK])
def test_every_rival_has_a_gradient_everywhere_and_the_seams_shapes(name: str) -> None:
    network = made(name, "tiny")
    side = network.config.image_size
    mask, logit = network(torch.randn(4, 1, side, side))
    assert mask.shape == (4, 0 if name in CLASSIFIERS else 1, side, side)
    assert logit.shape == (4,)
    (mask.float().square().sum() + logit.sum()).backward()
    unused = [n for n, p in network.named_parameters() if p.grad is None]
    # The library makes an attention for the skip that its last block does not have.
    assert [n for n in unused if "decoder.blocks.4.attention1" not in n] == []


@pytest.mark.parametrize("name", [*CLASSIFIERS, *MULTITASK])
def test_compact_rivals_fit_into_the_repository(name: str) -> None:
    with torch.device("meta"):
        network = made(name, "compact")
    assert sum(t.numel() for t in network.state_dict().values()) * 2 <= 25_000_000


@pytest.mark.parametrize("name", PAPER_MILLIONS)
def test_paper_presets_have_the_published_size(name: str) -> None:
    with torch.device("meta"):
        network = made(name, "paper")
    assert network.config.in_channels == 3
    assert sum(p.numel() for p in network.parameters()) / 1e6 == pytest.approx(PAPER_MILLIONS[name], abs=0.06)


@pytest.mark.parametrize("name", ["sha_mtl", "emt_net", "chowdary", "vgga_vit", "residual_unet", "library_unet"])
def test_paper_presets_are_larger_than_compact_ones(name: str) -> None:
    with torch.device("meta"):
        large, small = made(name, "paper"), made(name, "compact")
    assert sum(p.numel() for p in large.parameters()) > 1.05 * sum(p.numel() for p in small.parameters())


def test_a_classifier_gives_a_call_without_a_mask(tmp_path: Path) -> None:
    card = card_of(made("mobilenet", "tiny"), "mobilenet", tmp_path)
    image, _, _ = breast_ultrasound(1)
    case = UltrasoundCase("phantom", Path("phantom.png"), (), None, "phantom")
    found = breast.assess(volume_of(case, image), TorchForward(build_from_card(card), "cpu"), card).findings[0]
    assert found.call in (Call.BENIGN, Call.MALIGNANT)
    assert found.probability is not None
    assert found.mask is None
    assert found.lesion_px is None


def test_a_card_is_loaded_again_with_the_same_outputs(tmp_path: Path) -> None:
    network = made("sha_mtl", "tiny").eval()
    card = card_of(network, "sha_mtl", tmp_path)
    again = build_from_card(catalogue.load(card.folder / "sha_mtl.json"))
    image = torch.randn(1, 1, 64, 64)
    with torch.inference_mode():
        for one, two in zip(network(image), again(image), strict=True):
            assert torch.allclose(one, two, atol=0.02)


def test_a_card_whose_library_is_missing_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    card = replace(card_of(made("mobilenet", "tiny"), "mobilenet", tmp_path), network="library_unet", config={})
    monkeypatch.setitem(__import__("sys").modules, "segmentation_models_pytorch", None)
    with pytest.raises(CardError, match="segmentation_models_pytorch"):
        build_from_card(card)


def test_pooling_under_a_mask_is_a_weighted_mean() -> None:
    features = torch.zeros(1, 1, 2, 2)
    features[0, 0, 0] = torch.tensor([3.0, 5.0])
    mask = torch.full((1, 1, 2, 2), -40.0)
    mask[0, 0, 0, 1] = 40.0
    assert float(under(mask, features)) == pytest.approx(5.0 / (1 + 0.02))


def test_a_closed_attention_gate_lets_nothing_through() -> None:
    gate = sha_mtl.AttentionGate(2, 3)
    torch.nn.init.zeros_(gate.weigh.weight)
    with torch.no_grad():
        gate.weigh.bias.fill_(-30.0)
    skip = torch.randn(1, 2, 4, 4)
    assert np.abs(gate(skip, torch.randn(1, 3, 4, 4)).detach().numpy()).max() < 1e-6
