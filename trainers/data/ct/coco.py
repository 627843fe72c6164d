"""Importer for images with COCO labels: JSON files with `images`, `annotations` and `categories`.

`bbox` is [x, y, width, height] in pixels from the upper left corner, which are edge coordinates as they are. Boxes with
`iscrowd` are ignored. Several files are parts: `annotations/instances_train2017.json`, or `_annotations.coco.json` in
folders train, valid, test. Images are looked for beside the JSON, in `images/`, and in a folder called as the part.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trainers.config import ConfigError
from trainers.data.ct import samples
from trainers.data.ct.samples import LabelledSlice, Summary

TITLE = "images with COCO labels"


def holds(folder: Path) -> bool:
    """Whether there are labels of this kind."""
    return bool(_files(folder))


def summary(folder: Path) -> Summary:
    """What is in the folder. Raises ConfigError naming what is wrong."""
    slices, classes, patients = _read(folder)
    return samples.summarise("coco", TITLE, folder, slices, classes, patients=patients)


def read(data: Path, folds: Sequence[str]) -> list[LabelledSlice]:
    """All images of these folds, by file. Raises ConfigError naming file and entry of what is wrong."""
    return [s for s in _read(data)[0] if s.fold in folds]


def _files(folder: Path) -> list[Path]:
    """The JSON files below a folder that hold labels."""
    found = []
    for path in sorted([*folder.glob("*.json"), *folder.glob("*/*.json")]):
        with path.open("rb") as stream:
            head = stream.read(1 << 16)
        # `categories` may come last; a file that has no list of images at all is another kind.
        if b'"images"' in head or b'"annotations"' in head or b'"categories"' in head:
            found.append(path)
    return found


def _read(folder: Path) -> tuple[list[LabelledSlice], tuple[str, ...], bool]:
    files = _files(folder)
    if not files:
        raise ConfigError(f"{folder}: no COCO labels (a JSON with images, annotations and categories)")
    loaded = [(path, _load(path)) for path in files]
    classes = _classes(loaded)
    parts = {path: _part(path, folder) for path in files}
    slices: list[LabelledSlice] = []
    for path, content in loaded:
        slices += _slices(path, content, classes, parts[path], folder, whole=not any(parts.values()))
    patients = all(_patient(image) for _, content in loaded for image in content["images"])
    return sorted(slices, key=lambda s: s.image), classes, patients


def _load(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        images, boxes, kinds = content["images"], content.get("annotations", []), content["categories"]
        if not all(isinstance(part, list) for part in (images, boxes, kinds)):
            raise TypeError("images, annotations and categories are lists")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"{path}: not COCO labels ({error})") from error
    return {"images": images, "annotations": boxes, "categories": kinds}


def _classes(loaded: Sequence[tuple[Path, Mapping[str, Any]]]) -> tuple[str, ...]:
    """Names of the classes that are used or, when none is, of all; in the order of their ids."""
    names: dict[int, str] = {}
    used: set[int] = set()
    for path, content in loaded:
        for kind in content["categories"]:
            try:
                number, name = int(kind["id"]), str(kind["name"])
            except (KeyError, TypeError, ValueError) as error:
                raise ConfigError(f"{path}: a category without id or name") from error
            if names.setdefault(number, name) != name:
                raise ConfigError(f"{path}: category {number} is {name!r} here and {names[number]!r} in another file")
        used |= {
            k for a in content["annotations"] if isinstance(a, dict) and isinstance(k := a.get("category_id"), int)
        }
    # Roboflow adds an unused class 0 that stands for all of them.
    return tuple(name for number, name in sorted(names.items()) if number in used or not used) or samples.NODULE


def _slices(
    path: Path, content: Mapping[str, Any], classes: Sequence[str], part: str, folder: Path, *, whole: bool
) -> list[LabelledSlice]:
    place = {int(k["id"]): classes.index(str(k["name"])) for k in content["categories"] if str(k["name"]) in classes}
    boxes: dict[Any, list[tuple[int, dict[str, Any]]]] = defaultdict(list)
    for number, one in enumerate(content["annotations"]):
        if not isinstance(one, dict) or "image_id" not in one:
            raise ConfigError(f"{path}, annotation {number}: without image_id")
        boxes[one["image_id"]].append((number, one))
    made = []
    for image in content["images"]:
        try:
            key, name = image["id"], str(image["file_name"])
        except (KeyError, TypeError) as error:
            raise ConfigError(f"{path}: an image without id or file_name") from error
        file = _find(name, path, folder)
        size = samples.image_size(file)
        found, ignored = [], []
        for number, one in boxes.pop(key, []):
            where = f"{path}, annotation {one.get('id', number)}"
            try:
                x, y, w, h = (float(v) for v in one["bbox"])
                kind = place[int(one["category_id"])]
            except (KeyError, TypeError, ValueError) as error:
                raise ConfigError(f"{where}: no bbox of four numbers, or no known category_id") from error
            box = samples.checked_box((x, y, x + w, y + h), size, where)
            if one.get("iscrowd"):
                ignored.append(box)
            else:
                found.append((kind, box))
        patient = _patient(image) or file.stem
        fold = samples.fold_by_name(patient) if whole else part or "x"
        made.append(samples.sample(file, found, fold=fold, patient=patient, ignored=ignored))
    if boxes:
        raise ConfigError(f"{path}: annotations of image {next(iter(boxes))}, which is not among its images")
    return made


def _patient(image: Mapping[str, Any]) -> str:
    """COCO has no field for it; these are what medical sets use."""
    return next((str(image[k]) for k in ("patient_id", "patient", "subject_id") if image.get(k)), "")


def _find(name: str, path: Path, folder: Path) -> Path:
    """The file of an image, by the usual places."""
    part = re.sub(r"^(instances_|annotations_)|\.json$", "", path.name)
    places = (path.parent, folder, folder / "images", folder / part, folder / "images" / part, path.parent / "images")
    for place in places:
        if (place / name).is_file():
            return place / name
    raise ConfigError(f"{path}: its image {name} is not there")


def _part(path: Path, folder: Path) -> str:
    """The fold that a file's name or its folder stands for, or ""."""
    words = re.findall(r"[a-z]+", path.stem.lower())
    words += [p.lower() for p in path.relative_to(folder).parts[:-1]]
    return next((samples.SPLITS[w] for w in words if w in samples.SPLITS), "")
