"""Options of the nodule trainer: several classes, augmentation, boxes and maps, feature selection."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch.nn import functional

from cadviewer.models import catalogue
from cadviewer.models.nets import build, runtime
from cadviewer.models.nodules.boxes import SMALL, Boxes, default_boxes, levels
from cadviewer.models.nodules.detection import Decoding, detect
from trainers import config
from trainers.config import ConfigError
from trainers.data import read_slices
from trainers.data.ct import samples
from trainers.nodules import evaluation as evaluate_nodules
from trainers.nodules import feature_selection
from trainers.nodules import losses as nodule_losses
from trainers.nodules import trainer as nodules
from trainers.nodules.crops import Crops, CropSettings, assign, cut, lungs_of_masked
from trainers.nodules.settings import PRESETS, NoduleSettings, network_config

FAST = ["epochs=2", "batch=4", "size=64", "width=16", "threads=1", "check_every=2", "precision=32-true", "warm_up=0.3"]
BRIGHT, GREY = 230, 120


@pytest.fixture(scope="module")
def yolo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Slices with YOLO labels of two classes: bright discs are solid, grey ones are glass."""
    root = tmp_path_factory.mktemp("yolo")
    draw = np.random.default_rng(0)
    for k in range(16):
        part = "train" if k < 10 else "val" if k < 13 else "test"
        for kind in ("images", "labels"):
            (root / kind / part).mkdir(parents=True, exist_ok=True)
        image = np.zeros((140, 140), np.uint8)
        ys, xs = np.mgrid[:140, :140]
        lung = ((xs - 70) / 60) ** 2 + ((ys - 70) / 50) ** 2 < 1
        image[lung] = np.clip(draw.normal(30, 6, lung.sum()), 1, 255)
        lines = []
        for name, value in ((0, BRIGHT), (1, GREY)):
            cx, cy = int(draw.integers(45, 65)) + 30 * name, int(draw.integers(50, 90))
            image[(xs - cx) ** 2 + (ys - cy) ** 2 <= 4**2] = value
            lines.append(f"{name} {(cx + 0.5) / 140} {(cy + 0.5) / 140} {9 / 140} {9 / 140}")
        cv2.imwrite(str(root / "images" / part / f"{k}.png"), image)
        (root / "labels" / part / f"{k}.txt").write_text("\n".join(lines))
    names = "names: [solid, glass]\ntrain: images/train\nval: images/val\ntest: images/test\n"
    (root / "data.yaml").write_text(names)
    return root


def old_focal(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """The loss for one class, as it was before there were several."""
    truth = (labels == 1).float()
    raw = logits[..., 0].float()
    entropy = functional.binary_cross_entropy_with_logits(raw, truth, reduction="none")
    weight = torch.where(labels == 1, 0.6, 0.4) * (1 - torch.exp(-entropy)) ** 2
    return (weight * entropy * (labels >= 0)).sum() / (labels == 1).sum().clamp(min=1)


def test_with_one_class_the_focal_loss_is_what_it_was_to_the_bit() -> None:
    torch.manual_seed(0)
    labels = torch.randint(-1, 2, (3, 500)).to(torch.int8)
    logits = torch.randn(3, 500, 1)
    assert torch.equal(nodule_losses.focal(logits, labels), old_focal(logits, labels))


def test_focal_loss_of_two_classes_has_a_sigmoid_for_each() -> None:
    logits = torch.zeros(1, 3, 2)
    labels = torch.tensor([[2, 0, -1]])
    # the box of class 2: right class 0.6, the other class is background to it 0.4; then the background 2 · 0.4
    expected = (0.6 + 0.4 + 0.4 + 0.4) * 0.25 * np.log(2)
    assert nodule_losses.focal(logits, labels).item() == pytest.approx(expected, rel=1e-5)
    right = torch.tensor([[[-9.0, 9.0], [-9.0, -9.0], [9.0, 9.0]]])
    assert nodule_losses.focal(right, labels).item() < 1e-6


def test_mined_loss_of_two_classes_wants_the_right_one() -> None:
    labels = torch.zeros(1, 40, dtype=torch.long)
    labels[0, 0], labels[0, 1] = 1, 2
    logits = torch.zeros(1, 40, 3)
    logits[..., 0] = 12.0
    logits[0, 0], logits[0, 1] = torch.tensor([0.0, 12.0, 0.0]), torch.tensor([0.0, 0.0, 12.0])
    right = nodule_losses.mined(logits, labels)
    assert right < 1e-3
    logits[0, 0], logits[0, 1] = logits[0, 1].clone(), logits[0, 0].clone()
    assert nodule_losses.mined(logits, labels) > 10


def test_default_boxes_are_given_the_class_of_their_nodule() -> None:
    defaults = default_boxes(levels(SMALL), 64, 64)
    boxes = np.array([[10, 10, 20, 20], [40, 40, 50, 50]], np.float32)
    labels, targets = assign(boxes, defaults, CropSettings(size=64), kinds=np.array([2, 1], np.intp))
    assert set(labels[labels > 0]) == {1, 2}
    for kind, box in ((2, boxes[0]), (1, boxes[1])):
        assert (targets[labels == kind] == box).all()


@pytest.mark.parametrize("loss", ["focal", "mined"])
def test_classes_of_a_set_are_learned_apart_and_listed_in_the_card(loss: str, yolo: Path, tmp_path: Path) -> None:
    nodules.run(None, yolo, tmp_path, [*FAST, "classes=each", f"loss={loss}"], False)
    card = catalogue.load(tmp_path / "nodules-ssd-mobilenet_v1.json")
    assert card.config["classes"] == ["solid", "glass"]
    assert any("solid, glass" in line for line in card.limits)
    network = runtime.build(card)
    logits, _ = network(torch.zeros(1, 1, 64, 64))
    assert logits.shape[2] == (3 if loss == "mined" else 2)


def test_without_being_asked_every_label_is_a_nodule(yolo: Path) -> None:
    slices = read_slices(yolo, samples.TRAIN)
    one = Crops(slices, levels(SMALL), CropSettings(size=64), 0)
    each = Crops(slices, levels(SMALL), CropSettings(size=64), 0, by_class=True)
    drawn = [(one[(0, k, k)][1], each[(0, k, k)][1]) for k in range(len(slices))]
    assert {int(v) for a, _ in drawn for v in a.unique()} <= {-1, 0, 1}
    assert {int(v) for _, b in drawn for v in b.unique()} == {-1, 0, 1, 2}
    assert all(torch.equal(a > 0, b > 0) for a, b in drawn)


class Sure:
    """A network that is sure of the second class at one default box."""

    batch_size = 1

    def __init__(self, place: int) -> None:
        self.place = place

    def __call__(self, batch: np.ndarray) -> tuple[np.ndarray, ...]:  # type: ignore[type-arg]
        count = len(default_boxes(levels(SMALL), *batch.shape[2:]))
        logits = np.full((len(batch), count, 2), -9.0, np.float32)
        logits[:, self.place] = (-2.0, 2.0)
        return logits, np.zeros((len(batch), count, 4), np.float32)


def test_a_mark_has_the_score_of_its_best_class() -> None:
    decoding = Decoding(levels(SMALL), views=Decoding.of({"boxes": SMALL}, {"views": {"volume": "one"}}).views)
    marks = detect(lambda k: np.ones((64, 64), np.float32), 1, Sure(100), decoding)[0]
    assert marks.scores.tolist() == [pytest.approx(1 / (1 + np.exp(-2.0)), rel=1e-5)]


def scene() -> tuple[np.ndarray, np.ndarray, Boxes]:  # type: ignore[type-arg]
    draw = np.random.default_rng(1)
    pixels = draw.integers(10, 60, (140, 140)).astype(np.uint8)
    pixels[60:68, 70:78] = 240
    return pixels, lungs_of_masked(pixels), np.array([[70, 60, 78, 68]], np.float32)


def part(pixels: np.ndarray, corner: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
    """64 × 64 of a slice from a corner (x, y), which may lie outside it."""
    x, y = (corner + 100).astype(int)
    return np.asarray(np.pad(pixels, 100)[y : y + 64, x : x + 64].astype(np.float32) / 255)


def test_without_augmentation_a_crop_is_a_part_of_the_slice_as_it_is() -> None:
    pixels, inside, boxes = scene()
    for seed in range(6):
        image, moved = cut(pixels, inside, boxes, CropSettings(64, 1.0, augment="none"), np.random.default_rng(seed))
        assert (image == part(pixels, boxes[0, :2] - moved[0, :2])).all()


def test_flips_alone_leave_the_values_as_they_are() -> None:
    pixels, inside, boxes = scene()
    turned = 0
    for seed in range(12):
        image, moved = cut(pixels, inside, boxes, CropSettings(64, 1.0, augment="flips"), np.random.default_rng(seed))
        x0, y0, x1, y1 = moved[0].astype(int)
        assert (x1 - x0, y1 - y0) == (8, 8)
        assert (image[y0:y1, x0:x1] == np.float32(240 / 255)).all()
        known = {v / 255 for v in np.unique(pixels)} | {0.0}
        assert {float(v) for v in np.unique(image)} <= {float(np.float32(v)) for v in known}
        turned += bool((image != part(pixels, boxes[0, :2] - moved[0, :2])).any())
    assert turned >= 6


def test_a_box_that_is_no_square_turns_with_the_slice() -> None:
    pixels = np.full((140, 140), 30, np.uint8)
    pixels[60:68, 60:80] = 240
    boxes = np.array([[60, 60, 80, 68]], np.float32)
    shapes = set()
    for seed in range(20):
        image, moved = cut(
            pixels, np.ones_like(pixels), boxes, CropSettings(96, 1.0, augment="flips"), np.random.default_rng(seed)
        )
        ys, xs = np.nonzero(image > 0.9)
        seen = (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1)
        assert tuple(moved[0]) == seen
        shapes.add((int(seen[2] - seen[0]), int(seen[3] - seen[1])))
    assert shapes == {(20, 8), (8, 20)}


def test_the_papers_maps_carry_small_boxes_too() -> None:
    network = build("ssd", network_config(NoduleSettings(maps="extras", width=16)))
    logits, offsets = network(torch.zeros(1, 1, 96, 64))
    assert logits.shape[1] == offsets.shape[1] == len(default_boxes(levels(SMALL), 96, 64))


@pytest.mark.parametrize(
    "wrong",
    [
        "whole=430x418",
        "whole=430",
        "augment=some",
        "maps=fpn",
        "select=anova",
        "select=t",
        "select_keep=0",
        "classes=two",
        "neighbours=-1",
    ],
)
def test_a_choice_that_does_not_exist_is_named(wrong: str, yolo: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=wrong.partition("=")[0]):
        nodules.run(None, yolo, tmp_path, [*FAST, wrong], False)


# Feature selection


@pytest.fixture(scope="module")
def started(yolo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("start")
    nodules.run(None, yolo, out, FAST, False)
    return out


@pytest.mark.parametrize("test", ["anova", "mutual_info"])
def test_the_channels_that_tell_nodules_from_background_score_best(test: str) -> None:
    draw = np.random.default_rng(0)
    truth = np.arange(200) < 100
    values = draw.standard_normal((200, 8)).astype(np.float32)
    values[truth, 5] += 3
    values[truth, 2] += 1.5
    values[:, 7] = 4.0
    scores = feature_selection.score(values, truth, test, 0)
    assert feature_selection.best(scores, 0.25) == [2, 5]
    assert scores[7] == -np.inf


def test_places_beside_the_nodules_are_in_the_lungs_and_off_them(yolo: Path) -> None:
    item = read_slices(yolo, samples.TRAIN)[0]
    boxes, truth = feature_selection.places(item, np.random.default_rng(0))
    assert truth == [True, True, False, False]
    inside = lungs_of_masked(item.pixels())
    for x0, y0, x1, y1 in boxes[2:]:
        assert inside[int((y0 + y1) / 2), int((x0 + x1) / 2)]
        assert (item.pixels()[max(int(y0), 0) : int(y1), max(int(x0), 0) : int(x1)] < 100).all()


@pytest.mark.parametrize("boxes", ["small", "paper"])
def test_a_network_computes_the_same_when_only_channels_of_no_weight_are_cut(boxes: str) -> None:
    torch.manual_seed(0)
    settings = NoduleSettings(boxes=boxes, width=16)
    whole = nodules.NoduleTask(settings, 1)
    widths = whole.smooth.backbone.channels
    keep = [sorted(np.random.default_rng(k).permutation(w)[: w // 2].tolist()) for k, w in enumerate(widths)]
    state = whole.state_dict()
    for number, kept in enumerate(keep):
        for name, each in feature_selection._readers(whole.network, number, len(keep)):
            cutoff = [c * each + i for c in set(range(widths[number])) - set(kept) for i in range(each)]
            for prefix in ("net.", "smooth."):
                state[prefix + name][:, cutoff] = 0
    network = network_config(settings, keep=keep)
    narrow = nodules.NoduleTask(settings, 1, network)
    narrow.load_state_dict(feature_selection.carry(state, network, keep))
    count = [sum(p.numel() for p in t.net.parameters()) for t in (narrow, whole)]
    assert count[0] < count[1]
    image = torch.rand(1, 1, 64, 64)
    with torch.inference_mode():
        for a, b in zip(narrow.smooth(image), whole.smooth.eval()(image), strict=True):
            torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-4)


def test_a_selected_run_is_narrower_says_why_and_is_built_from_its_card(
    started: Path, yolo: Path, tmp_path: Path
) -> None:
    choice = [*FAST, "select=anova", "select_keep=0.25", f"start_from={started / 'last.ckpt'}"]
    nodules.run(None, yolo, tmp_path, choice, False)
    card = catalogue.load(tmp_path / "nodules-ssd-mobilenet_v1.json")
    record = json.loads((tmp_path / "selection.json").read_text())
    assert card.config["keep"] == record["keep"]
    assert card.training["settings"]["start_from"] == f"{started.name}/last.ckpt"
    assert [len(k) for k in record["keep"]] == [16, 32, 64, 128]
    assert record["places"]["nodules"] == 20
    for kept, scores in zip(record["keep"], record["scores"], strict=True):
        known = np.array([-np.inf if s is None else s for s in scores])
        assert known[kept].min() >= np.delete(known, kept).max()
    runtime.build(card)(torch.zeros(1, 1, 64, 64))
    again = [*FAST, "seed=2", f"start_from={tmp_path / 'last.ckpt'}"]
    nodules.run(None, yolo, tmp_path / "on", again, False)
    assert catalogue.load(tmp_path / "on" / "nodules-ssd-mobilenet_v1.json").config["keep"] == record["keep"]
    with pytest.raises(ConfigError, match="selected already"):
        nodules.run(None, yolo, tmp_path / "twice", [*again, "select=anova"], False)


def test_channels_that_a_backbone_does_not_have_are_refused() -> None:
    with pytest.raises(ValueError, match="channels 0 to 63"):
        build("ssd", network_config(NoduleSettings(width=16), keep=[[64], [0], [0], [0]]))


# The published settings


@pytest.mark.parametrize(
    ("backbone", "rate", "iterations", "optimizer"),
    [
        ("mobilenet_v1", 0.004, 112_600, "rmsprop"),
        ("mobilenet_v2", 0.004, 109_900, "rmsprop"),
        ("inception_v2", 0.004, 61_400, "rmsprop"),
        ("resnet50", 0.04, 16_500, "sgd"),
        ("resnet101", 0.04, 12_400, "sgd"),
    ],
)
def test_the_paper_preset_is_the_published_table(backbone: str, rate: float, iterations: int, optimizer: str) -> None:
    made = config.merge(NoduleSettings, PRESETS, assignments=["preset=paper", f"backbone={backbone}"])
    assert (made.lr, made.iterations, made.optimizer) == (rate, iterations, optimizer)
    assert (made.batch, made.input_size, made.positive, made.negative) == (64, (418, 430), 0.5, 0.5)
    assert (made.boxes, made.loss, made.box_loss, made.widened) == ("paper", "mined", "smooth_l1", 0.0)
    network = network_config(made)
    assert network["maps"] == "extras"
    smallest = min(min(shape) for shape in network["boxes"][0]["shapes"])
    assert smallest == pytest.approx(0.1 * 418)


def test_a_setting_of_ones_own_wins_over_the_paper_preset(tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text('preset = "paper"\nbackbone = "resnet50"\nlr = 0.01\n')
    made = config.merge(NoduleSettings, PRESETS, file=tmp_path / "run.toml", assignments=["iterations=7"])
    assert (made.lr, made.iterations, made.optimizer) == (0.01, 7, "sgd")


def test_whole_slices_are_resized_to_the_input_and_their_boxes_with_them() -> None:
    pixels = np.full((140, 120), 30, np.uint8)
    pixels[60:80, 30:45] = 240
    boxes = np.array([[30, 60, 45, 80]], np.float32)
    sides = set()
    for seed in range(8):
        settings = CropSettings(augment="flips", whole=(418, 430))
        image, moved = cut(pixels, np.ones_like(pixels), boxes, settings, np.random.default_rng(seed))
        assert image.shape == (418, 430)
        ys, xs = np.nonzero(image > 135 / 255)
        assert tuple(moved[0]) == pytest.approx((xs.min(), ys.min(), xs.max() + 1, ys.max() + 1), abs=1.5)
        sides.add(bool(moved[0, 0] > 215))
    assert sides == {True, False}


def test_the_smooth_l1_loss_alone_is_that_of_the_scaled_offsets() -> None:
    defaults = torch.tensor([[0.0, 0, 10, 10]])
    moved = defaults[None] + torch.tensor([5.0, 0, 5, 0])  # an offset of 0.5, ten times: 5 − 0.5
    loss = nodule_losses.box_loss(torch.zeros(1, 1, 4), torch.tensor([[1]]), moved, defaults, kind="smooth_l1")
    assert loss.item() == pytest.approx(4.5)


def test_the_paper_preset_runs_for_its_iterations_and_its_model_is_measured(yolo: Path, tmp_path: Path) -> None:
    choice = ["preset=paper", "backbone=mobilenet_v2", "whole=160x128", "batch=4", "iterations=3", "threads=1"]
    nodules.run(None, yolo, tmp_path, [*choice, "check_every=1", "precision=32-true"], False)
    card = catalogue.load(tmp_path / "nodules-ssd-mobilenet_v2.json")
    assert (card.config["maps"], card.config["softmax"], card.inputs["size"]) == ("extras", True, [128, 160])
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    last = [line for line in lines if line["kind"] == "tune"][-1]
    assert (last["step"], last["progress"]) == (3, 1.0)
    item = read_slices(yolo, samples.TEST)[0]
    shown: list[tuple[int, ...]] = []

    class Spy(runtime.TorchForward):
        def __call__(self, batch: np.ndarray) -> tuple[np.ndarray, ...]:  # type: ignore[type-arg]
            shown.append(batch.shape)
            return super().__call__(batch)

    found = evaluate_nodules.search(item, Spy(runtime.build(card), "cpu"), card)
    assert {shape[1:] for shape in shown} <= {(1, r, c) for r in (96, 128) for c in (128, 160)}
    assert (found.boxes[:, 2] <= 140).all()


def test_a_resumed_run_with_every_option_ends_where_an_unbroken_one_does(
    started: Path, yolo: Path, tmp_path: Path
) -> None:
    choice = [
        *FAST,
        *("select=anova", "mine=true", "augment=flips", "box_loss=smooth_l1", "crops=8", "iterations=3"),
        f"start_from={started / 'last.ckpt'}",
    ]
    nodules.run(None, yolo, tmp_path / "whole", choice, False)
    stopped = nodules.NoduleValidation.on_train_epoch_end

    def stop_in_the_second(self: nodules.NoduleValidation, trainer: object, module: object) -> None:
        stopped(self, trainer, module)  # type: ignore[arg-type]
        if trainer.current_epoch == 1:  # type: ignore[attr-defined]
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nodules.NoduleValidation, "on_train_epoch_end", stop_in_the_second)
        with pytest.raises((KeyboardInterrupt, SystemExit)):
            nodules.run(None, yolo, tmp_path / "cut", choice, False)
    nodules.run(None, yolo, tmp_path / "cut", choice, True)
    whole, cutoff = (torch.load(tmp_path / n / "last.ckpt", weights_only=False) for n in ("whole", "cut"))
    assert whole["global_step"] == cutoff["global_step"] == 3
    for key, value in whole["state_dict"].items():
        torch.testing.assert_close(cutoff["state_dict"][key], value, atol=1e-5, rtol=1e-4)
    records = [(tmp_path / n / "selection.json").read_text() for n in ("whole", "cut")]
    assert records[0] == records[1]


def test_a_set_without_slices_to_tune_on_is_trained_and_keeps_the_threshold_it_has(yolo: Path, tmp_path: Path) -> None:
    shutil.copytree(yolo, tmp_path / "set")
    for kind in ("images", "labels"):
        shutil.rmtree(tmp_path / "set" / kind / "val")
    nodules.run(None, tmp_path / "set", tmp_path / "run", [*FAST, "epochs=1"], False)
    assert catalogue.load(tmp_path / "run" / "nodules-ssd-mobilenet_v1.json").threshold == 0.5
    lines = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    (last,) = [line for line in lines if line["kind"] == "tune"]
    assert "top1" not in last


def test_gradients_of_the_last_maps_are_those_of_single_precision_in_bfloat16_too() -> None:
    """Maps of one cell: there torch's bfloat16 kernels gave infinities."""
    torch.manual_seed(0)
    network = build("ssd", network_config(NoduleSettings(backbone="mobilenet_v2", boxes="paper"))).eval()
    image = torch.rand(2, 1, 128, 128).to(memory_format=torch.channels_last)
    found = []
    for half in (False, True):
        network.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            logits, offsets = network(image)
        junk = [torch.full((1 << 18,), 1e30) for _ in range(8)]
        del junk  # what memory that is never written to would hold
        (logits.float().sum() + offsets.float().sum()).backward()
        found.append([p.grad.clone() for n, p in network.named_parameters() if n.startswith("maps.steps")])  # type: ignore[union-attr]
    for exact, rounded in zip(*found, strict=True):
        assert torch.isfinite(rounded).all()
        assert (exact - rounded).abs().max() <= 0.5 * exact.abs().max() + 1e-3
