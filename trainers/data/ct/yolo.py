"""Importer for images with YOLO labels, as Ultralytics lays them out and as most labelling tools write them.

`labels/…/NAME.txt` stands beside `images/…/NAME.png` (the last `images` in the path replaced), or beside the image
itself. A line is `class cx cy width height`, parts of the image's size; more numbers are the corners of an outline,
whose bounding box is taken. An image without a label file, or with an empty one, holds nothing: it is a negative.
`data.yaml` names the classes and the parts; without it `classes.txt` does, and folders called train, val, test.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from trainers.config import ConfigError
from trainers.data.ct import samples
from trainers.data.ct.samples import LabelledSlice, Summary

TITLE = "images with YOLO labels"


def summary(folder: Path) -> Summary:
    """What is in the folder. Raises ConfigError naming what is wrong."""
    slices, classes = _read(folder)
    return samples.summarise("yolo", TITLE, folder, slices, classes, patients=False)


def read(data: Path, folds: Sequence[str]) -> list[LabelledSlice]:
    """All images of these folds, by path. Raises ConfigError naming file and line of what is wrong."""
    return [s for s in _read(data)[0] if s.fold in folds]


def holds(folder: Path) -> bool:
    """Whether there is a data.yaml, or at least one picture with a label file in its place."""
    about = _about(folder)
    if about is not None and "names" in about:
        return bool(samples.images_below(folder))
    for image in samples.images_below(folder):
        label = _label_of(image)
        if label.is_file() and _looks_right(label):
            return True
    return False


def _looks_right(label: Path) -> bool:
    lines = label.read_text(encoding="utf-8", errors="replace").split("\n", 1)[0].split()
    try:
        return len(lines) >= 5 and lines[0].isdigit() and all(-1 <= float(v) <= 2 for v in lines[1:])
    except ValueError:
        return False


def _read(folder: Path) -> tuple[list[LabelledSlice], tuple[str, ...]]:
    images = samples.images_below(folder)
    if not images:
        raise ConfigError(f"{folder}: no image below it")
    about = _about(folder) or {}
    parts = _parts(folder, about)
    rows = {image: _rows(_label_of(image)) for image in images}
    classes = _classes(folder, about, max((k for r in rows.values() for k, _, _ in r), default=0))
    slices = []
    split = any(_part(image, folder, parts) for image in images)
    for image in images:
        size = samples.image_size(image) if rows[image] else (1, 1)
        found = []
        for k, box, where in rows[image]:
            if k >= len(classes):
                raise ConfigError(f"{where}: class {k}, but there are only {len(classes)} names")
            w, h = size
            found.append((k, samples.checked_box((box[0] * w, box[1] * h, box[2] * w, box[3] * h), size, where)))
        part = _part(image, folder, parts)
        fold = (part or "x") if split else samples.fold_by_name(image.stem)
        slices.append(samples.sample(image, found, fold=fold, patient=image.stem))
    return slices, classes


def _label_of(image: Path) -> Path:
    """Where the labels of an image are: images/… → labels/…, else beside it."""
    parts = list(image.with_suffix(".txt").parts)
    for k in range(len(parts) - 2, -1, -1):
        if parts[k].lower() == "images":
            parts[k] = "labels"
            return Path(*parts)
    return image.with_suffix(".txt")


def _rows(label: Path) -> list[tuple[int, tuple[float, float, float, float], str]]:
    """(class, box as parts of the image's size, file and line) of every label."""
    if not label.is_file():
        return []
    found = []
    for number, line in enumerate(label.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
        if not line.strip():
            continue
        where = f"{label}, line {number}"
        words = line.split()
        try:
            kind, values = int(words[0]), [float(w) for w in words[1:]]
        except ValueError as error:
            raise ConfigError(f"{where}: not a label ({error})") from error
        if kind < 0 or (len(values) != 4 and (len(values) < 6 or len(values) % 2)):
            raise ConfigError(f"{where}: a label is a class and 4 numbers, or the corners of an outline")
        if len(values) == 4:
            x, y, w, h = values
            box = (x - w / 2, y - h / 2, x + w / 2, y + h / 2)
        else:
            xs, ys = values[::2], values[1::2]
            box = (min(xs), min(ys), max(xs), max(ys))
        if any(not -1 <= v <= 2 for v in box):
            raise ConfigError(f"{where}: positions are parts of the image's size, 0 to 1, not pixels")
        found.append((kind, box, where))
    return found


def _about(folder: Path) -> dict[str, Any] | None:
    """The content of data.yaml, if there is one."""
    for name in ("data.yaml", "data.yml", "dataset.yaml", "dataset.yml"):
        if (folder / name).is_file():
            try:
                content = yaml.safe_load((folder / name).read_text(encoding="utf-8"))
            except (yaml.YAMLError, UnicodeDecodeError) as error:
                raise ConfigError(f"{folder / name}: not readable ({str(error).splitlines()[0]})") from error
            return content if isinstance(content, dict) else {}
    return None


def _classes(folder: Path, about: Mapping[str, Any], highest: int) -> tuple[str, ...]:
    names = about.get("names")
    if isinstance(names, dict):
        return tuple(str(names[k]) for k in sorted(names, key=int))
    if isinstance(names, list) and names:
        return tuple(map(str, names))
    for place in (folder / "classes.txt", folder / "labels" / "classes.txt"):
        if place.is_file():
            return tuple(line.strip() for line in place.read_text(encoding="utf-8").splitlines() if line.strip())
    return samples.NODULE if highest == 0 else tuple(f"class {k}" for k in range(highest + 1))


def _parts(folder: Path, about: Mapping[str, Any]) -> dict[Path, str]:
    """Folder or image → fold, from data.yaml: a folder, a list of them, or a text file of images per part."""
    root = folder / str(about.get("path") or "")
    root = root if root.is_dir() else folder
    found: dict[Path, str] = {}
    for name, fold in samples.SPLITS.items():
        given = about.get(name)
        for item in given if isinstance(given, list) else [given] if given else []:
            places = [place for place in (root / str(item), folder / str(item).removeprefix("../")) if place.exists()]
            if places and places[0].suffix == ".txt":
                for line in places[0].read_text(encoding="utf-8").split():
                    found[(root / line).resolve()] = fold
            elif places:
                found[places[0].resolve()] = fold
    return found


def _part(image: Path, folder: Path, parts: Mapping[Path, str]) -> str:
    """The fold of an image by data.yaml, else by the folders it lies in; "" when neither says."""
    resolved = image.resolve()
    for place in (resolved, *resolved.parents):
        if place in parts:
            return parts[place]
    below = (p.lower() for p in reversed(image.relative_to(folder).parts[:-1]))
    return next((samples.SPLITS[p] for p in below if p in samples.SPLITS), "")
