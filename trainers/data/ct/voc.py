"""Importer for images with Pascal VOC labels: an XML file per image.

`Annotations/NAME.xml` with `JPEGImages/NAME.jpg` (any picture, also in `images/` or beside the XML) and, if there,
`ImageSets/Main/train.txt, val.txt, test.txt`. VOC counts pixels from 1 and both ends belong to the box (as its
development kit says), so the edges are xmin − 1 and xmax. `difficult` boxes are ignored. An image without XML is left
out; one whose XML has no object is a negative.
"""

from __future__ import annotations

import xml.etree.ElementTree as xml
from collections.abc import Mapping, Sequence
from pathlib import Path

from trainers.config import ConfigError
from trainers.data.ct import samples
from trainers.data.ct.samples import LabelledSlice, Summary

TITLE = "images with Pascal VOC labels"


def holds(folder: Path) -> bool:
    """Whether there are labels of this kind."""
    return bool(_files(folder))


def summary(folder: Path) -> Summary:
    """What is in the folder. Raises ConfigError naming what is wrong."""
    slices, classes = _read(folder)
    return samples.summarise("voc", TITLE, folder, slices, classes, patients=False)


def read(data: Path, folds: Sequence[str]) -> list[LabelledSlice]:
    """All images of these folds, by file. Raises ConfigError naming the file of what is wrong."""
    return [s for s in _read(data)[0] if s.fold in folds]


def _files(folder: Path) -> list[Path]:
    """The XML files below a folder that hold labels."""
    found = []
    for path in sorted(folder.rglob("*.xml")):
        with path.open("rb") as stream:
            if b"<annotation" in stream.read(4096):
                found.append(path)
    return found


def _read(folder: Path) -> tuple[list[LabelledSlice], tuple[str, ...]]:
    files = _files(folder)
    if not files:
        raise ConfigError(f"{folder}: no Pascal VOC labels (XML files with an annotation)")
    parts = _parts(folder)
    trees = {path: _parse(path) for path in files}
    names = {_text(o, "name", p) for p, tree in trees.items() for o in tree.iter("object")}
    classes = tuple(sorted(names)) or samples.NODULE
    pictures = {p.stem: p for p in samples.images_below(folder)}
    slices = []
    for path, tree in trees.items():
        image = _image(path, tree, pictures)
        size = samples.image_size(image)
        found, ignored = [], []
        for number, one in enumerate(tree.iter("object"), start=1):
            box = samples.checked_box(_box(one, path), size, f"{path}, object {number}")
            if (one.findtext("difficult") or "0").strip() == "1":
                ignored.append(box)
            else:
                found.append((classes.index(_text(one, "name", path)), box))
        fold = parts.get(path.stem) or _part_of_folder(path, folder)
        if not fold:
            fold = "x" if parts else samples.fold_by_name(path.stem)
        slices.append(samples.sample(image, found, fold=fold, patient=path.stem, ignored=ignored))
    return sorted(slices, key=lambda s: s.image), classes


def _parse(path: Path) -> xml.Element:
    # Nothing outside the file is fetched for it, and expat (2.4.1 on) stops entities that blow up.
    try:
        return xml.parse(path).getroot()
    except (xml.ParseError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not readable XML ({error})") from error


def _text(element: xml.Element, name: str, path: Path) -> str:
    text = element.findtext(name)
    if not text or not text.strip():
        raise ConfigError(f"{path}: an object without {name}")
    return text.strip()


def _box(element: xml.Element, path: Path) -> tuple[float, float, float, float]:
    place = element.find("bndbox")
    if place is None:
        raise ConfigError(f"{path}: an object without bndbox")
    try:
        x0, y0, x1, y1 = (float(_text(place, n, path)) for n in ("xmin", "ymin", "xmax", "ymax"))
    except ValueError as error:
        raise ConfigError(f"{path}: a bndbox that is no number ({error})") from error
    return x0 - 1, y0 - 1, x1, y1


def _image(path: Path, tree: xml.Element, pictures: Mapping[str, Path]) -> Path:
    name = Path((tree.findtext("filename") or path.name).strip())
    for stem in (path.stem, name.stem):
        if stem in pictures:
            return pictures[stem]
    raise ConfigError(f"{path}: its image {name.name} is not there")


def _parts(folder: Path) -> dict[str, str]:
    """Image name → fold, from ImageSets/Main."""
    found = {}
    for place in folder.rglob("ImageSets/Main/*.txt"):
        fold = samples.SPLITS.get(place.stem.lower())
        if fold:
            for line in place.read_text(encoding="utf-8").splitlines():
                if line.strip():
                    found[line.split()[0]] = fold
    return found


def _part_of_folder(path: Path, folder: Path) -> str:
    below = (p.lower() for p in reversed(path.relative_to(folder).parts[:-1]))
    return next((samples.SPLITS[p] for p in below if p in samples.SPLITS), "")
