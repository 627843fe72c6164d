"""COCO annotations (https://cocodataset.org/#format-data): one JSON of a run for programs that train on or evaluate
detections, and one of each case, which the run's is put together from.

COCO's boxes [x, y, width, height] and polygons are in continuous coordinates from the corner of the first pixel: the
edge coordinates of this program. Its files are the model's findings; what a reader made of them is not in there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

import cadviewer
from cadviewer import NOTICE, atomic
from cadviewer.findings import Task
from cadviewer.imaging.series import Series, Volume
from cadviewer.messages import Message
from cadviewer.store.case_report import CaseReport, CaseState, path_text
from cadviewer.store.export import ExportError, Format, Run
from cadviewer.store.export.parts import Annotation, part_of
from cadviewer.store.reading import Reading

TABLE = "coco.json"
FOLDER = "coco"

Content = dict[str, Any]


def document(report: CaseReport) -> Content:
    """One case: all its images, also those without a finding, and what was found on them. Ids count from 1.

    Beyond COCO's own fields an image has its case, SOP Instance UID, Instance Number and index of the slice (from 0),
    and an annotation the number of its finding (and what else its task says) and its score.
    """
    series = report.series
    done = report.state is CaseState.DONE and series is not None and report.result is not None
    images = [_image(report, series, k) for k in range(len(series.slices))] if done and series is not None else []
    found = part_of(report.result.task).annotations(report) if done and report.result is not None else ()
    annotations = [_annotation(number, each, images) for number, each in enumerate(found, start=1)]
    return {**_head(), "images": images, "annotations": annotations}


def run_lengths(mask: NDArray[np.uint8]) -> Content:
    """COCO's run lengths of a mask (rows, columns): down the columns, the first run of what is not in it."""
    flat = np.concatenate(([0], (mask > 0).ravel(order="F").astype(np.int8), [0]))
    edges = np.flatnonzero(np.diff(flat))
    counts = np.diff(np.concatenate(([0], edges, [mask.size])))
    if len(edges) and edges[-1] == mask.size:
        counts = counts[:-1]  # the mask reaches the last pixel: no run after it
    return {"size": list(mask.shape), "counts": counts.tolist()}


def is_ours(path: Path) -> bool:
    """Whether a file is a run's of this program, by how it begins."""
    try:
        with path.open("rb") as stream:
            return b'"cadviewer ' in stream.read(200)
    except OSError:
        return False


def _head() -> Content:
    return {
        "info": {"description": f"cadviewer {cadviewer.__version__}: findings of a model. {NOTICE}", "version": "1"},
        "licenses": [],
        "categories": [{"id": number, "name": name} for name, number in _categories().items()],
    }


def _categories() -> dict[str, int]:
    names = [part_of(task).category for task in Task]
    return {name: number for number, name in enumerate(dict.fromkeys(n for n in names if n), start=1)}


def _image(report: CaseReport, series: Series, index: int) -> Content:
    one = series.slices[index]
    packed = series.source.is_file() and one.file != series.source  # in an archive: where it lay is gone
    _, rows, columns = series.geometry.shape
    return {
        "id": index + 1,
        "file_name": path_text(series.source if packed else one.file),
        "width": columns,
        "height": rows,
        "case": report.case,
        "slice": index,
        "frame": one.frame,
        "series_uid": series.series_uid,
        "sop_uid": one.sop_uid,
        "instance_number": one.instance_number,
    }


def _annotation(number: int, found: Annotation, images: Sequence[Content]) -> Content:
    box = found.box
    return {
        "id": number,
        "image_id": images[found.index]["id"],
        "category_id": _categories()[found.category],
        "bbox": [round(v, 3) for v in (box[0], box[1], box[2] - box[0], box[3] - box[1])],
        "area": round(found.area, 3),
        "iscrowd": 0,
        "segmentation": run_lengths(found.mask) if found.mask is not None else _polygon(found.outline),
        **({} if found.score is None else {"score": round(found.score, 6)}),
        **found.more,
    }


def _polygon(outline: NDArray[np.float32] | None) -> list[list[float]]:
    """[] where nothing was outlined."""
    return [] if outline is None else [[round(float(v), 3) for v in outline.ravel()]]


def _write_case(report: CaseReport, volume: Volume | None, folder: Path) -> None:
    if report.state is CaseState.DONE:
        atomic.write_text(folder / f"{report.case}.json", _dump(document(report)) + "\n")


def _write_file(report: CaseReport, volume: Volume | None, reading: Reading | None, path: Path) -> None:
    content = document(report)
    if not content["images"]:
        raise ExportError(Message("the case has no images with findings"))
    atomic.write_text(path, _dump(content) + "\n")


def _write_tables(run: Run, folder: Path) -> None:
    """Put the run's together from the cases' without having them all in memory: it may be hundreds of megabytes."""
    names = [row["cases"][0][0] for row in run.cases]
    places = [p for name in sorted(names) if (p := folder / FOLDER / f"{name}.json").is_file()]
    with atomic.text(folder / TABLE) as out:
        out.write(_dump(_head())[:-1])
        for part in ("images", "annotations"):
            out.write(f', "{part}": [')
            _write_part(out, places, part)
            out.write("]")
        out.write("}\n")


def _write_part(out: TextIO, places: Sequence[Path], part: str) -> None:
    between = "\n"
    for content in _renumbered(places):
        for one in content[part]:
            out.write(between + _dump(one))
            between = ",\n"


def _renumbered(places: Sequence[Path]) -> Iterator[Content]:
    """The cases' with ids that count on from one to the next."""
    images = annotations = 0
    for place in places:
        content = json.loads(place.read_text(encoding="utf-8"))
        for one in content["images"]:
            one["id"] += images
        for one in content["annotations"]:
            one["id"] += annotations
            one["image_id"] += images
        yield content
        images += len(content["images"])
        annotations += len(content["annotations"])


def _dump(content: Mapping[str, Any]) -> str:
    return json.dumps(content, ensure_ascii=False, allow_nan=False)


FORMAT = Format(
    "COCO annotations of the findings, for training and evaluation",
    folder=FOLDER,
    write_case=_write_case,
    write_tables=_write_tables,
    tables=(TABLE,),
    is_ours=is_ours,
    suffix=".json",
    label="COCO annotations",
    write_file=_write_file,
)
