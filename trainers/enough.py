"""What a set must hold before anybody trains on it, said before the start: no figure tells it afterwards. No torch.

A model that was shown one class alone answers with that class, sure of itself; a set of one patient has nothing to
choose by; the same image under two labels teaches that labels mean nothing.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence

from cadviewer.messages import Message
from trainers.config import ConfigError
from trainers.data.ct import samples
from trainers.data.ct.samples import LabelledSlice
from trainers.data.ultrasound import duplicates
from trainers.data.ultrasound.cases import UltrasoundCase

ONE_PATIENT = Message("all images are of one patient; a model is trained on some patients and calibrated on others")
UNLABELLED = {
    "train": Message(
        "no labelled image to train on; where the set has no folds a column “fold” of cases.csv says which are"
    ),
    "tune": Message(
        "no labelled image to calibrate on; where the set has no folds a column “fold” of cases.csv says which are"
    ),
}
"""What is said where a part has no labelled image."""
ONE_CLASS = {
    ("train", False): Message(
        "all images to train on are benign; a model that never saw a malignant one cannot tell them apart"
    ),
    ("train", True): Message(
        "all images to train on are malignant; a model that never saw a benign one cannot tell them apart"
    ),
    ("tune", False): Message(
        "all images to calibrate on are benign; a model that never saw a malignant one cannot tell them apart"
    ),
    ("tune", True): Message(
        "all images to calibrate on are malignant; a model that never saw a benign one cannot tell them apart"
    ),
}
"""What is said where all labelled images of a part are malignant, or none is."""


def require(reason: str) -> None:
    """Raises ConfigError with the reason, unless it is empty."""
    if reason:
        raise ConfigError(reason)


def breast(parts: Mapping[str, Sequence[UltrasoundCase]], alike: Sequence[duplicates.DuplicateGroup] = ()) -> str:
    """Why a breast model cannot be trained on a set, "" when it can.

    parts: "train" and "tune" → their cases; alike: images of the set that look alike.
    """
    cases = [c for part in parts.values() for c in part]
    if cases and all(c.malignant is None for c in cases):
        return Message("no image has a label; training needs images that are labelled benign or malignant")
    if len({c.patient for c in cases}) == 1:
        return ONE_PATIENT
    for group in alike:
        if names := group.contradicting():
            return _two_labels(names)
    return next((reason for part in UNLABELLED if (reason := classes(parts.get(part, ()), part))), "")


def classes(cases: Sequence[UltrasoundCase], part: str) -> str:
    """Why the cases of a part ("train", "tune") do not do: there are none, or of one class alone."""
    known = {c.malignant for c in cases if c.malignant is not None}
    if not known:
        return UNLABELLED[part]
    return ONE_CLASS[part, known.pop()] if len(known) == 1 else ""


def _two_labels(names: Sequence[str]) -> str:
    return Message(
        "the same image is there with two labels: {names}; correct one or leave both out", names=", ".join(names[:4])
    )


def slices(train: Sequence[LabelledSlice], rest: Sequence[LabelledSlice] = (), *, patients: bool = True) -> str:
    """Why a nodule model cannot be trained on slices, "" when it can.

    rest: the slices of the set's other parts; patients: whether it says whose they are.
    """
    if not train:
        return Message("no slice to train on")
    if not any(len(s.boxes) for s in train):
        return Message("no slice to train on has a label; training needs boxes around nodules")
    if patients and len({s.patient for s in (*train, *rest)}) == 1:
        return ONE_PATIENT
    by_content: dict[str, list[LabelledSlice]] = defaultdict(list)
    for item in (*train, *rest):
        by_content[hashlib.sha256(item.image.read_bytes()).hexdigest()].append(item)
    for same in by_content.values():
        if len({len(s.boxes) > 0 for s in same}) > 1:
            return _two_labels([s.image.name for s in same])
    return ""


def outlines(crops: int, patients: int | None) -> str:
    """Why an outline model cannot be trained. crops: how many there are to train on; patients: of the whole set."""
    if not crops:
        return Message("no crops of folds {folds} to train on", folds=", ".join(samples.TRAIN))
    if patients == 1:
        return ONE_PATIENT
    return ""
