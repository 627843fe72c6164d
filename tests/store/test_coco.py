"""COCO's own reader understands what is written, and it says the same as the findings."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from pycocotools.coco import COCO
from store_cases import breast_case, breast_finding, ct, nodule_case, refused_case, ultrasound, volume

from cadviewer.findings import Call
from cadviewer.store import results
from cadviewer.store.case_report import CaseReport
from cadviewer.store.export import ExportError, coco, write
from cadviewer.store.results import Existing, ResultsError


def annotated(folder: Path, *cases: CaseReport, existing: Existing = Existing.KEEP_OUT) -> COCO:
    with results.opened(folder, {"inputs": "ab"}, ("coco",), existing) as opened:
        for case in cases:
            opened.add(case, volume(case.series) if case.series else None, "f1")
        opened.write_tables()
    return COCO(folder / "coco.json")


def test_boxes_outlines_and_masks_are_read_back_the_same(tmp_path: Path) -> None:
    frames = ultrasound(Path("bus/loop.dcm"), frames=2)
    ultrasounds = breast_case(frames, breast_finding(0), breast_finding(1, Call.BENIGN))
    read = annotated(tmp_path, nodule_case(), ultrasounds, refused_case())
    assert [c["name"] for c in read.loadCats(read.getCatIds())] == ["nodule", "breast lesion"]
    assert len(read.imgs) == 4 + 2  # those without a finding too

    nodules = [read.anns[k] for k in read.getAnnIds(catIds=read.getCatIds(["nodule"]))]
    image = {a["id"]: read.imgs[a["image_id"]] for a in nodules}
    first, second, third = sorted(nodules, key=lambda a: (a["finding"], image[a["id"]]["slice"]))
    assert second["bbox"] == [10, 12, 10, pytest.approx(9.333)]
    assert (second["score"], second["type"], image[second["id"]]["slice"]) == (0.91, "solid", 2)
    assert (image[second["id"]]["sop_uid"], image[second["id"]]["instance_number"]) == ("1.2.3.2", 2)
    assert image[second["id"]]["file_name"] == str(ct().source / "2.dcm")
    assert (image[first["id"]]["slice"], image[third["id"]]["slice"]) == (1, 0)
    assert second["area"] == pytest.approx(40)  # a triangle, 10 wide and 8 high
    assert abs(int(read.annToMask(second).sum()) - 40) <= 6
    assert third["segmentation"] == []
    assert third["area"] == pytest.approx(9)

    lesions = [read.anns[k] for k in read.getAnnIds(catIds=read.getCatIds(["breast lesion"]))]
    assert [a["call"] for a in lesions] == ["malignant", "benign"]
    mask = read.annToMask(lesions[0])
    assert np.array_equal(mask, breast_finding().mask == 255)
    assert (lesions[0]["bbox"], lesions[0]["area"], lesions[0]["score"]) == ([20, 10, 20, 10], 200, 0.8)
    assert [read.imgs[a["image_id"]]["frame"] for a in lesions] == [0, 1]


@pytest.mark.parametrize("filled", ["nothing", "everything", "first", "last", "chess"])
def test_run_lengths_are_those_that_coco_decodes(filled: str) -> None:
    from pycocotools import mask as decoder

    mask = np.zeros((5, 7), np.uint8)
    if filled == "everything":
        mask[:] = 255
    elif filled == "chess":
        mask[::2, 1::2] = mask[1::2, ::2] = 255
    elif filled != "nothing":
        mask[(0, 0) if filled == "first" else (-1, -1)] = 255
    made = coco.run_lengths(mask)
    assert sum(made["counts"]) == mask.size
    assert np.array_equal(decoder.decode(decoder.frPyObjects(made, *mask.shape)), mask == 255)


def test_a_run_that_went_on_gives_the_bytes_of_one_that_did_not(tmp_path: Path) -> None:
    annotated(tmp_path / "two", nodule_case())
    annotated(tmp_path / "two", breast_case(), existing=Existing.RESUME)
    annotated(tmp_path / "one", breast_case(), nodule_case())
    assert (tmp_path / "one" / "coco.json").read_bytes() == (tmp_path / "two" / "coco.json").read_bytes()


def test_somebody_elses_annotations_are_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "coco.json").write_text('{"images": []}')
    with pytest.raises(ResultsError, match=r"coco\.json .* not made by this program"):
        annotated(tmp_path, nodule_case(), existing=Existing.OVERWRITE)
    assert not results.is_own(tmp_path / "coco.json", tmp_path)
    annotated(tmp_path / "own", nodule_case())
    assert results.is_own(tmp_path / "own" / "coco.json", tmp_path / "own")


def test_one_case_is_saved_from_the_window(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write(nodule_case(), None, None, path, "coco")
    assert len(json.loads(path.read_text())["annotations"]) == 3
    with pytest.raises(ExportError, match="no images"):
        write(refused_case(), None, None, path, "coco")
