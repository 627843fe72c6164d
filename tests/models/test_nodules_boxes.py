"""Default boxes, offsets, overlap, matching and suppression against values computed by hand."""

from __future__ import annotations

import numpy as np
import pytest

from cadviewer.models.nodules.boxes import (
    SMALL,
    Boxes,
    decode,
    default_boxes,
    encode,
    iou,
    levels,
    match,
    paper_levels,
    suppress,
)


def boxes(*rows: tuple[float, float, float, float]) -> Boxes:
    return np.array(rows, np.float32).reshape(-1, 4)


def test_default_boxes_stand_in_the_middle_of_their_cells_row_by_row() -> None:
    made = default_boxes(levels([{"stride": 8, "sizes": [10.0]}]), 16, 24)
    assert made.shape == (6, 4)
    np.testing.assert_allclose(made[0], [-1, -1, 9, 9])
    np.testing.assert_allclose(made[1], [7, -1, 17, 9])
    np.testing.assert_allclose(made[3], [-1, 7, 9, 17])


def test_dense_default_boxes_divide_a_cell_evenly() -> None:
    made = default_boxes(levels([{"stride": 4, "sizes": [5.0], "dense": [2]}]), 4, 4)
    centres = (made[:, :2] + made[:, 2:]) / 2
    np.testing.assert_allclose(centres, [[1, 1], [3, 1], [1, 3], [3, 3]])


def test_small_boxes_overlap_every_nodule_of_3_to_30_mm_enough_to_match_it() -> None:
    made = default_boxes(levels(SMALL), 128, 128)
    draw = np.random.default_rng(0)
    for side in (5.0, 6.0, 8.0, 10.0, 15.0, 20.0, 30.0):
        corner = draw.uniform(40, 60, (40, 2))
        truth = np.concatenate([corner, corner + side], axis=1).astype(np.float32)
        assert iou(truth, made).max(axis=1).min() >= 0.38, side


def test_the_papers_boxes_miss_small_nodules_as_published() -> None:
    made = default_boxes(levels(paper_levels(416)), 416, 416)
    assert iou(boxes((200, 200, 206, 206)), made).max() < 0.05
    assert iou(boxes((200, 200, 280, 280)), made).max() > 0.5


def test_paper_levels_have_three_boxes_below_and_six_above() -> None:
    assert [level.per_cell for level in levels(paper_levels(300))] == [3, 6, 6, 6, 6, 6]


def test_offsets_decode_to_the_box_they_were_made_from() -> None:
    defaults = boxes((0, 0, 10, 10), (4, 8, 24, 18))
    truth = boxes((2, 1, 7, 12), (0, 0, 4, 4))
    np.testing.assert_allclose(decode(encode(truth, defaults), defaults), truth, atol=1e-4)
    np.testing.assert_allclose(encode(boxes((5, 0, 15, 10)), defaults[:1]), [[0.5, 0, 0, 0]], atol=1e-6)


def test_overlap_of_two_squares_is_shared_area_over_union() -> None:
    table = iou(boxes((0, 0, 4, 4), (10, 10, 12, 12)), boxes((2, 2, 6, 6), (0, 0, 4, 4)))
    np.testing.assert_allclose(table, [[4 / 28, 1.0], [0, 0]], atol=1e-6)


def test_matching_takes_positives_ignores_the_band_and_forces_the_best() -> None:
    defaults = boxes((0, 0, 10, 10), (2, 0, 12, 10), (5, 0, 15, 10), (50, 50, 60, 60))
    # overlaps with the truth: 1, 80/120, 50/150, 0
    assert match(boxes((0, 0, 10, 10)), defaults, positive=0.6, negative=0.3).tolist() == [0, 0, -2, -1]
    # a nodule that overlaps nothing enough still takes its best default box
    assert match(boxes((52, 52, 55, 55)), defaults).tolist() == [-1, -1, -1, 0]


def test_small_nodules_are_widened_for_matching_alone() -> None:
    defaults = boxes((0, 0, 5, 5), (30, 30, 35, 35), (1, 0, 6, 5))
    owner = match(boxes((1, 1, 4, 4)), defaults, positive=0.6, negative=0.3, least_side=5.0)
    assert owner.tolist() == [0, -1, 0]
    assert match(boxes((1, 1, 4, 4)), defaults, positive=0.6, negative=0.3).tolist() == [0, -1, -2]


def test_no_nodule_makes_everything_background() -> None:
    assert match(boxes(), boxes((0, 0, 5, 5))).tolist() == [-1]


def test_of_two_nodules_with_one_best_box_the_nearer_keeps_it() -> None:
    owner = match(boxes((0, 0, 8, 10), (0, 0, 10, 10)), boxes((0, 0, 10, 10), (90, 90, 99, 99)))
    assert owner.tolist() == [1, -1]


def test_suppression_keeps_the_best_and_moves_it_to_the_weighted_mean() -> None:
    given = boxes((0, 0, 10, 10), (2, 0, 12, 10), (40, 40, 50, 50))
    kept, scores = suppress(given, np.array([0.6, 0.2, 0.9], np.float32), 0.5)
    np.testing.assert_allclose(scores, [0.9, 0.6])
    np.testing.assert_allclose(kept, [[40, 40, 50, 50], [0.5, 0, 10.5, 10]], atol=1e-5)
    plain, _ = suppress(given, np.array([0.6, 0.2, 0.9], np.float32), 0.5, average=False)
    np.testing.assert_allclose(plain[1], [0, 0, 10, 10])


def test_suppression_of_nothing_is_nothing() -> None:
    kept, scores = suppress(boxes(), np.zeros(0, np.float32), 0.5)
    assert kept.shape == (0, 4)
    assert scores.shape == (0,)


@pytest.mark.parametrize("layout", [SMALL, paper_levels(96)])
def test_the_network_gives_one_score_and_four_offsets_per_default_box(layout: object) -> None:
    torch = pytest.importorskip("torch")
    from cadviewer.models.nets.ssd import SSD

    maps = "topdown" if layout is SMALL else "extras"
    network = SSD(boxes=layout, maps=maps, width=32, softmax=maps == "extras").eval()  # type: ignore[arg-type]
    with torch.inference_mode():
        logits, offsets = network(torch.zeros(1, 1, 96, 64))
    count = len(default_boxes(levels(layout), 96, 64))  # type: ignore[arg-type]
    assert offsets.shape == (1, count, 4)
    assert logits.shape == (1, count, 2 if maps == "extras" else 1)


@pytest.mark.parametrize("name", ["mobilenet_v1", "mobilenet_v2", "inception_v2", "efficientnet_lite0", "resnet50"])
def test_every_backbone_gives_maps_of_its_strides(name: str) -> None:
    torch = pytest.importorskip("torch")
    from cadviewer.models.nets.backbones import backbone

    network = backbone(name, 1, (2, 4, 8, 16))
    with torch.inference_mode():
        maps = network(torch.zeros(1, 1, 64, 96))
    assert [tuple(m.shape[2:]) for m in maps] == [(32, 48), (16, 24), (8, 12), (4, 6)]
    assert tuple(m.shape[1] for m in maps) == network.channels


def test_a_backbone_that_does_not_exist_is_named() -> None:
    pytest.importorskip("torch")
    from cadviewer.models.nets.backbones import backbone

    with pytest.raises(ValueError, match="vgg16"):
        backbone("vgg16", 1, (2, 4))


@pytest.mark.parametrize("number", range(12))
def test_boxes_of_every_view_come_back_to_where_they_were(number: int) -> None:
    from cadviewer.models.nodules.detection import VIEWS

    view = VIEWS["twelve"][number]
    image = np.zeros((40, 60), np.float32)
    image[8:16, 20:32] = 1
    seen = view.show(image)
    ys, xs = np.nonzero(seen > 0.5)
    found = boxes((float(xs.min()), float(ys.min()), float(xs.max() + 1), float(ys.max() + 1)))
    np.testing.assert_allclose(view.back(found, image.shape), boxes((20, 8, 32, 16)), atol=0.5)


def test_views_differ_from_each_other() -> None:
    from cadviewer.models.nodules.detection import VIEWS

    image = np.random.default_rng(0).random((30, 30)).astype(np.float32)
    shown = [view.show(image).tobytes() for view in VIEWS["twelve"]]
    assert len(set(shown)) == 12
