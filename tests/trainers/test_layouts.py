"""Images with YOLO, COCO and VOC labels: recognised by themselves, and the same boxes from each."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from trainers import data as layouts
from trainers.config import ConfigError
from trainers.data.ct import samples
from trainers.data.ct.samples import LabelledSlice

EVERY = tuple("0123456789x")
SIZE = (200, 100)  # width, height
BOXES: dict[str, list[tuple[str, tuple[int, int, int, int]]]] = {
    "train/a.png": [("nodule", (20, 10, 60, 30)), ("mass", (100, 50, 200, 100))],
    "train/b.png": [],
    "val/c.png": [("nodule", (0, 0, 8, 8))],
    "test/d.png": [("mass", (190, 90, 198, 99))],
}
CLASSES = ["nodule", "mass"]


def picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full(SIZE[::-1], 90, np.uint8))


def yolo(folder: Path) -> None:
    for name, boxes in BOXES.items():
        part, file = name.split("/")
        picture(folder / "images" / part / file)
        label = folder / "labels" / part / file.replace(".png", ".txt")
        label.parent.mkdir(parents=True, exist_ok=True)
        lines = [
            f"{CLASSES.index(c)} {(x0 + x1) / 2 / 200} {(y0 + y1) / 2 / 100} {(x1 - x0) / 200} {(y1 - y0) / 100}"
            for c, (x0, y0, x1, y1) in boxes
        ]
        if lines:  # an image without a label file is a negative
            label.write_text("\n".join(lines) + "\n")
    (folder / "data.yaml").write_text(
        "path: .\ntrain: images/train\nval: images/val\ntest: images/test\nnames:\n  0: nodule\n  1: mass\n"
    )


def coco(folder: Path) -> None:
    for part in ("train", "val", "test"):
        images, annotations = [], []
        for k, (name, boxes) in enumerate(n for n in BOXES.items() if n[0].startswith(part)):
            picture(folder / "images" / name)
            images.append({"id": k, "file_name": name.split("/")[1], "width": 200, "height": 100})
            for c, (x0, y0, x1, y1) in boxes:
                box = [x0, y0, x1 - x0, y1 - y0]
                annotations.append({"id": 7, "image_id": k, "category_id": CLASSES.index(c) + 1, "bbox": box})
        content = {
            "images": images,
            "annotations": annotations,
            "categories": [{"id": 1, "name": "nodule"}, {"id": 2, "name": "mass"}],
        }
        path = folder / "annotations" / f"instances_{part}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))


def voc(folder: Path) -> None:
    for name, boxes in BOXES.items():
        part, file = name.split("/")
        picture(folder / "JPEGImages" / file)
        objects = "".join(
            f"<object><name>{c}</name><difficult>0</difficult><bndbox><xmin>{x0 + 1}</xmin><ymin>{y0 + 1}</ymin>"
            f"<xmax>{x1}</xmax><ymax>{y1}</ymax></bndbox></object>"
            for c, (x0, y0, x1, y1) in boxes
        )
        path = folder / "Annotations" / file.replace(".png", ".xml")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"<annotation><filename>{file}</filename>{objects}</annotation>")
        listed = folder / "ImageSets" / "Main" / f"{part}.txt"
        listed.parent.mkdir(parents=True, exist_ok=True)
        with listed.open("a") as stream:
            stream.write(file.removesuffix(".png") + "\n")


WRITERS: dict[str, Callable[[Path], None]] = {"yolo": yolo, "coco": coco, "voc": voc}


def by_name(slices: list[LabelledSlice]) -> dict[str, LabelledSlice]:
    return {s.image.stem: s for s in slices}


@pytest.mark.parametrize("layout", WRITERS)
def test_each_layout_is_recognised_with_its_images_labels_and_split(layout: str, tmp_path: Path) -> None:
    WRITERS[layout](tmp_path)
    found = layouts.recognise(tmp_path)
    assert found.layout == layout
    assert (found.images, found.empty, found.patients) == (4, 1, None)
    assert dict(found.labels) == {"nodule": 2, "mass": 2}
    assert dict(found.split) == {"train": 2, "tune": 1, "test": 1}
    assert any("patients unknown" in w for w in found.warnings)


@pytest.mark.parametrize("layout", WRITERS)
def test_each_layout_gives_the_same_boxes_in_edge_coordinates(layout: str, tmp_path: Path) -> None:
    WRITERS[layout](tmp_path)
    names = sorted(layouts.recognise(tmp_path).labels)  # VOC has no order of classes of its own
    slices = by_name(layouts.read_slices(tmp_path, EVERY))
    for name, boxes in BOXES.items():
        one = slices[Path(name).stem]
        np.testing.assert_allclose(one.boxes, np.array([b for _, b in boxes], np.float32).reshape(-1, 4), atol=1e-3)
        assert len(one.classes) == len(boxes)
        assert one.pixels().shape == SIZE[::-1]
        assert np.isnan(one.diameters).all()
    assert names == ["mass", "nodule"]
    assert set(by_name(layouts.read_slices(tmp_path, samples.TRAIN))) == {"a", "b"}
    assert set(by_name(layouts.read_slices(tmp_path, samples.TUNE))) == {"c"}
    assert set(by_name(layouts.read_slices(tmp_path, samples.TEST))) == {"d"}


def test_the_classes_of_a_set_keep_their_order(tmp_path: Path) -> None:
    yolo(tmp_path / "yolo")
    coco(tmp_path / "coco")
    voc(tmp_path / "voc")
    for name, classes in (("yolo", [0, 1]), ("coco", [0, 1]), ("voc", [1, 0])):
        assert list(by_name(layouts.read_slices(tmp_path / name, EVERY))["a"].classes) == classes


def test_without_a_split_images_are_spread_over_all_folds_by_name(tmp_path: Path) -> None:
    for k in range(60):
        picture(tmp_path / "images" / f"{k}.png")
        (tmp_path / "labels").mkdir(exist_ok=True)
        (tmp_path / "labels" / f"{k}.txt").write_text("0 .5 .5 .1 .1\n")
    found = layouts.recognise(tmp_path)
    assert found.layout == "yolo"
    assert dict(found.labels) == {"nodule": 60}
    assert set(found.split) == {"train", "tune", "test"}
    assert found.split["train"] > 35


def test_an_outline_becomes_its_bounding_box(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    (tmp_path / "a.txt").write_text("0 .1 .2 .3 .2 .3 .6 .1 .5\n")
    (one,) = layouts.read_slices(tmp_path, EVERY)
    np.testing.assert_allclose(one.boxes, [[20, 20, 60, 60]], atol=1e-3)


def test_boxes_are_cut_at_the_edge_of_the_image(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    (tmp_path / "a.txt").write_text("0 0 .5 .2 .2\n")
    (one,) = layouts.read_slices(tmp_path, EVERY)
    np.testing.assert_allclose(one.boxes, [[0, 40, 20, 60]], atol=1e-3)


def test_difficult_and_crowd_boxes_are_ignored_and_not_learned(tmp_path: Path) -> None:
    voc(tmp_path / "voc")
    path = tmp_path / "voc" / "Annotations" / "c.xml"
    path.write_text(path.read_text().replace("<difficult>0", "<difficult>1"))
    coco(tmp_path / "coco")
    path = tmp_path / "coco" / "annotations" / "instances_val.json"
    content = json.loads(path.read_text())
    content["annotations"][0]["iscrowd"] = 1
    path.write_text(json.dumps(content))
    for name in ("voc", "coco"):
        one = by_name(layouts.read_slices(tmp_path / name, EVERY))["c"]
        assert not len(one.boxes)
        np.testing.assert_allclose(one.ignored, [[0, 0, 8, 8]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0 .5 .5 .1\n", "line 1: a label is a class and 4 numbers"),
        ("0 .5 .5 .1 .1\nx .5 .5 .1 .1\n", "line 2: not a label"),
        ("0 .5 .5 0 .1\n", "line 1: not a box"),
        ("0 100 50 20 20\n", "not pixels"),
        ("0 1.5 .5 .1 .1\n", "lies outside its image"),
        ("5 .5 .5 .1 .1\n", "class 5, but there are only 2"),
        ("0 nan .5 .1 .1\n", "line 1"),
    ],
)
def test_a_wrong_yolo_label_is_named_with_its_line(text: str, message: str, tmp_path: Path) -> None:
    yolo(tmp_path)
    (tmp_path / "labels" / "train" / "a.txt").write_text(text)
    with pytest.raises(ConfigError, match=message):
        layouts.recognise(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c["annotations"][0].update(bbox=[1, 2, 3]), "no bbox of four numbers"),
        (lambda c: c["annotations"][0].update(bbox=[300, 2, 3, 3]), "lies outside its image"),
        (lambda c: c["annotations"][0].update(bbox=[30, 2, 0, 3]), "not a box"),
        (lambda c: c["annotations"][0].update(category_id=9), "no known category_id"),
        (lambda c: c["annotations"][0].update(image_id=99), "not among its images"),
        (lambda c: c["images"][0].update(file_name="nowhere.png"), "nowhere.png is not there"),
        (lambda c: c.pop("categories"), "not COCO labels"),
    ],
)
def test_a_wrong_coco_label_is_named(
    change: Callable[[dict[str, list[dict[str, object]]]], object], message: str, tmp_path: Path
) -> None:
    coco(tmp_path)
    path = tmp_path / "annotations" / "instances_train.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    with pytest.raises(ConfigError, match=message):
        layouts.recognise(tmp_path)


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("<xmin>21</xmin>", "", "without xmin"),
        ("<xmin>21</xmin>", "<xmin>left</xmin>", "no number"),
        ("<xmin>21</xmin>", "<xmin>90</xmin>", "not a box"),
        ("<name>nodule</name>", "", "without name"),
        ("</annotation>", "", "not readable XML"),
        ("<annotation><filename>a.png", "<annotation><filename>nowhere.png", ""),
    ],
)
def test_a_wrong_voc_label_is_named(before: str, after: str, message: str, tmp_path: Path) -> None:
    voc(tmp_path)
    path = tmp_path / "Annotations" / "a.xml"
    path.write_text(path.read_text().replace(before, after))
    if not message:
        (tmp_path / "JPEGImages" / "a.png").unlink()
        message = "nowhere.png is not there"
    with pytest.raises(ConfigError, match=message):
        layouts.recognise(tmp_path)


def test_an_image_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    yolo(tmp_path)
    (tmp_path / "images" / "train" / "a.png").write_text("a text")
    with pytest.raises(ConfigError, match=r"a\.png: not a readable image"):
        layouts.recognise(tmp_path)


def test_a_folder_of_another_kind_is_refused_with_the_layouts_that_are_known(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such folder"):
        layouts.recognise(tmp_path / "nowhere")
    (tmp_path / "notes.json").write_text("{}")
    (tmp_path / "page.xml").write_text("<page/>")
    (tmp_path / "a.txt").write_text("text")
    picture(tmp_path / "a.png")
    with pytest.raises(ConfigError, match="none of the known layouts"):
        layouts.recognise(tmp_path)
    shutil.rmtree(tmp_path)
    tmp_path.mkdir()
    (tmp_path / "annotations.csv").touch()
    (tmp_path / "scan.mhd").touch()
    with pytest.raises(ConfigError, match="cadviewer-train luna16"):
        layouts.recognise(tmp_path)


def test_neighbours_are_stacked_and_a_missing_one_is_the_slice_itself(tmp_path: Path) -> None:
    for name, value in (("before", 10), ("this", 20), ("after", 30)):
        cv2.imwrite(str(tmp_path / f"{name}.png"), np.full((4, 5), value, np.uint8))
    made = samples.sample(tmp_path / "this.png", [], fold="3", patient="p")
    whole = LabelledSlice(
        **{**made.__dict__, "previous": (tmp_path / "before.png",), "next": (tmp_path / "after.png",)}
    )
    assert [int(p[0, 0]) for p in whole.stack()] == [10, 20, 30]
    assert [int(p[0, 0]) for p in made.stack()] == [20, 20, 20]
    assert [int(p[0, 0]) for p in whole.stack(2)] == [10, 10, 20, 30, 30]
    assert [int(p[0, 0]) for p in whole.stack(0)] == [20]
    cv2.imwrite(str(tmp_path / "after.png"), np.zeros((5, 5), np.uint8))
    with pytest.raises(ConfigError, match="size of its neighbour"):
        whole.stack()


def test_the_given_luna16_slices_are_recognised(data: Path) -> None:
    found = layouts.recognise(data)
    assert (found.layout, dict(found.labels), found.empty) == ("luna16-slices", {"nodule": 1058}, 0)
    assert sum(found.split.values()) == found.images
    assert found.patients
    assert found.warnings == ()
    train = layouts.read_slices(data, samples.TRAIN)
    assert len(train) == found.split["train"]
