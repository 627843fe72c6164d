"""What the models found. Plain frozen data, without torch, Qt or files."""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import accumulate
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cadviewer.imaging.geometry import Vector
from cadviewer.messages import Message


@dataclass(frozen=True)
class TaskSpec:
    """What belongs to a task. Parts are named "module:name" and imported where they are needed, by the layer they are
    in.

    heading; image: what one of its images is called.
    analyse: `models.tasks.Analyse`, from pixels to findings.
    payload: dataclass of what it finds (`Result.payload`), "" where `Result` has fields for it.
    export: `store.export.parts.Part`, what tables, JSON and pictures say of it; "" for none.
    panel: class of the widget beside the image (`gui.shell.side_panel.Panel`), "" for plain lines.
    layer: class of what is drawn over the image (`gui.viewing.workspace.TaskLayer`), "" for nothing.
    trainer: package with a `trainers.tasks.TrainerSpec`, "" for none.
    per_image: whether it is read image by image, with an answer for each, and not finding by finding.
    gate: function of a `Series` that raises a `Refusal` for what its models never take, before anything is queued.
    check_card: function of a `ModelCard` that raises a `CardError` for a trained model that cannot be used.
    model_setting, threshold_setting: fields of `settings.Settings` that name the model and the threshold which are used
    where none is asked for; "" for the default model and the threshold of its card.
    """

    heading: str
    image: str
    analyse: str
    payload: str = ""
    export: str = ""
    panel: str = ""
    layer: str = ""
    trainer: str = ""
    per_image: bool = False
    gate: str = ""
    check_card: str = ""
    model_setting: str = ""
    threshold_setting: str = ""


class Task(StrEnum):
    """What a case is analysed for: the table of tasks. Another one is one more line here and the package that it names.

    Each line: name in files and on the command line; package with its `SPEC`, a `TaskSpec`.
    """

    package: str

    def __new__(cls, name: str, package: str = "") -> Task:
        made = str.__new__(cls, name)
        made._value_ = name
        made.package = package
        return made

    NODULES = "nodules", "cadviewer.models.nodules"
    BREAST = "breast", "cadviewer.models.breast"

    @property
    def spec(self) -> TaskSpec:
        """What belongs to it."""
        found = importlib.import_module(self.package).SPEC
        assert isinstance(found, TaskSpec)
        return found

    @property
    def heading(self) -> str:
        return self.spec.heading

    @property
    def image(self) -> str:
        return self.spec.image


def resolve(name: str) -> Any:
    """What "module:name" names."""
    module, _, attribute = name.partition(":")
    return getattr(importlib.import_module(module), attribute)


@dataclass(frozen=True)
class Box:
    """A box on one slice in continuous edge coordinates of the source's pixels (see `imaging.geometry`).

    x0 < x1 along columns, y0 < y1 along rows; `slice` is 0-based along the slice normal; score in 0…1.
    """

    slice: int
    x0: float
    y0: float
    x1: float
    y1: float
    score: float

    def __post_init__(self) -> None:
        if not (self.x0 < self.x1 and self.y0 < self.y1):
            raise ValueError(f"a box needs x0 < x1 and y0 < y1, not {self.x0, self.y0, self.x1, self.y1}")
        if not 0 <= self.score <= 1:
            raise ValueError(f"a score lies in 0…1, not {self.score}")

    @property
    def centre(self) -> tuple[float, float]:
        """(x, y) in edge coordinates."""
        return (self.x0 + self.x1) / 2, (self.y0 + self.y1) / 2


class Rectangle(Protocol):
    """Anything with the edges of a box."""

    @property
    def x0(self) -> float: ...

    @property
    def y0(self) -> float: ...

    @property
    def x1(self) -> float: ...

    @property
    def y1(self) -> float: ...


def overlap(a: Rectangle, b: Rectangle) -> float:
    """Intersection over union of two boxes, whichever slices they are on."""
    width = min(a.x1, b.x1) - max(a.x0, b.x0)
    height = min(a.y1, b.y1) - max(a.y0, b.y0)
    if width <= 0 or height <= 0:
        return 0.0
    both = width * height
    return both / ((a.x1 - a.x0) * (a.y1 - a.y0) + (b.x1 - b.x0) * (b.y1 - b.y0) - both)


@dataclass(frozen=True)
class Estimate:
    """A probability with its 95 % interval, all in 0…1.

    classes: where it comes from ratings, the probability of each, the lowest first; they add up to 1.
    """

    value: float
    low: float
    high: float
    classes: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.low <= self.value <= self.high <= 1:
            raise ValueError(f"an estimate needs 0 ≤ low ≤ value ≤ high ≤ 1, not {self.low, self.value, self.high}")
        if self.classes and not (min(self.classes) >= 0 and abs(sum(self.classes) - 1) < 1e-6):
            raise ValueError(f"probabilities of classes add up to 1, unlike {self.classes}")

    @property
    def grade(self) -> int | None:
        """The median class, counted from 1; None where there are no classes."""
        reached = 0.0
        for number, share in enumerate(self.classes, start=1):
            reached += share
            if reached >= 0.5:
                return number
        return len(self.classes) or None

    @property
    def spread(self) -> tuple[int, int] | None:
        """(lowest, highest) class, counted from 1, of the middle four fifths; None where there are no classes."""
        if not self.classes:
            return None
        upward, downward = accumulate(self.classes), accumulate(reversed(self.classes))
        lowest = next(k for k, reached in enumerate(upward, start=1) if reached >= 0.1)
        return lowest, len(self.classes) + 1 - next(k for k, reached in enumerate(downward, start=1) if reached >= 0.1)


class Side(StrEnum):
    """Of the patient."""

    RIGHT = "right"
    LEFT = "left"


class Third(StrEnum):
    """Of a lung's height, from its base to its apex in equal parts."""

    UPPER = "upper"
    MIDDLE = "middle"
    LOWER = "lower"


@dataclass(frozen=True)
class LungPlace:
    """Where in the lungs a nodule lies, by the lung mask alone; None where that does not tell. No lobe: a mask knows
    no fissures, and a third of the height is none.

    edge_mm: from the nodule's border to the nearest place that is not lung: pleura, mediastinum or hilum.
    """

    side: Side | None = None
    third: Third | None = None
    edge_mm: float | None = None


@dataclass(frozen=True)
class Nodule:
    """One suspected pulmonary nodule: the boxes of neighbouring slices that belong together.

    number: 1 for the highest score of the case.
    boxes: one per slice, slices increasing.
    centre_mm: LPS, None where the image has no known place.
    long_mm, short_mm, volume_mm3, malignancy, type: None where not measured or unknown.
    outline: polygon (n, 2) of (x, y) edge coordinates on slice `box.slice`, None where not computed.
    outlines: the same by slice, wherever the finding was outlined; also on slices without a box, where it ends.
    place: in the lungs; None where nobody looked.
    """

    number: int
    boxes: tuple[Box, ...]
    centre_mm: Vector | None = None
    long_mm: float | None = None
    short_mm: float | None = None
    volume_mm3: float | None = None
    malignancy: Estimate | None = None
    type: str | None = None
    outline: NDArray[np.float32] | None = None
    outlines: Mapping[int, NDArray[np.float32]] = field(default_factory=dict, compare=False)
    place: LungPlace | None = None

    def __post_init__(self) -> None:
        slices = [b.slice for b in self.boxes]
        if not slices or slices != sorted(set(slices)):
            raise ValueError(f"a nodule needs one box per slice, slices increasing, not {slices}")

    @property
    def box(self) -> Box:
        """The box with the highest score; the first of equals."""
        return max(self.boxes, key=lambda b: b.score)

    @property
    def score(self) -> float:
        return self.box.score

    @property
    def slice_first(self) -> int:
        return self.boxes[0].slice

    @property
    def slice_last(self) -> int:
        return self.boxes[-1].slice


class Half(StrEnum):
    """One of two images side by side on a split screen of an ultrasound machine."""

    LEFT = "left"
    RIGHT = "right"


SPLITS = (
    Message("a split screen with several B-mode images; choose one of them"),
    Message("a split screen with two images side by side; choose one of them"),
)
"""Why a split screen is refused, by its header and by its look; each half can be analysed alone."""


class Call(StrEnum):
    """The answer for one breast ultrasound image; the words of `breast.csv`."""

    BENIGN = "benign"
    MALIGNANT = "malignant"
    UNCERTAIN = "uncertain"
    NO_LESION = "no_lesion"
    OUT_OF_SCOPE = "out_of_scope"


@dataclass(frozen=True)
class BreastFinding:
    """What Hybrid-MT-ESTAN says of one image or frame.

    frame: 0-based.
    size: (rows, columns) of the source image.
    probability: calibrated probability of malignancy with its 95 % interval; None where no score is given.
    mask: (rows, columns) uint8, 0 or 255, of the source's size; None where out of scope.
    lesion_px: pixels in the mask. lesions: separate pieces of the mask.
    long_mm, short_mm: axes of the largest lesion; None where the image is not calibrated. area_mm2: of the mask.
    long_px, short_px: the same axes in pixels of the source; None where there is no lesion.
    depth_to_width: how deep the largest lesion is over how wide; above 1 it is taller than wide ("not parallel" in
        BI-RADS). In millimetres where the image is calibrated, else in pixels taken as square.
    reason: why a call is uncertain or out of scope, one line.
    """

    frame: int
    size: tuple[int, int]
    call: Call
    probability: Estimate | None = None
    mask: NDArray[np.uint8] | None = None
    lesion_px: int | None = None
    long_mm: float | None = None
    short_mm: float | None = None
    reason: str = ""
    lesions: int | None = None
    long_px: float | None = None
    short_px: float | None = None
    area_mm2: float | None = None
    depth_to_width: float | None = None

    @property
    def taller_than_wide(self) -> bool | None:
        """None where nothing was measured."""
        return None if self.depth_to_width is None else self.depth_to_width > 1


@dataclass(frozen=True)
class UsedCompanion:
    """A further model that had a part in a result. role: what it did ("outline")."""

    role: str
    model: str
    model_version: str
    weights_sha256: str


@dataclass(frozen=True)
class ScoreMap:
    """Which parts of an image a score depends on. No proof: neither that the score is right nor of where disease is.

    frame: 0-based. values: (rows, columns) float32 of the source's size: by how much the logit of malignancy falls when
    what lies there is covered; above 0 the spot speaks for malignancy, below 0 against it.
    method: how it was made, one line.
    """

    frame: int
    values: NDArray[np.float32]
    method: str

    @property
    def strongest(self) -> float:
        """The largest change either way."""
        return float(np.abs(self.values).max())


@dataclass(frozen=True)
class Provenance:
    """Where a result came from (design, property 6). companions: the further models that had a part in it."""

    application: str
    model: str
    model_version: str
    weights_sha256: str
    threshold: float
    device: str
    preprocessing: str
    series_uid: str = ""
    sop_uids: tuple[str, ...] = ()
    companions: tuple[UsedCompanion, ...] = ()


@dataclass(frozen=True)
class Result:
    """Everything one model said of one case.

    nodules: by falling score; at or above the threshold of the job.
    breast: by frame.
    candidates: nodules below the threshold kept for the confidence slider, by falling score, numbered on.
    payload: what a task without fields of its own here found, of the type that its `TaskSpec` names; lines: the same
        for people, one line each.
    warnings: what the reader should know, one line each ("only part of the lungs is covered").
    maps: what the scores depend on, from a job that asked for it (`Job.explain`), whose result has nothing else; the
        window adds them to the result that they explain.
    """

    case_id: str
    task: Task
    provenance: Provenance
    nodules: tuple[Nodule, ...] = ()
    candidates: tuple[Nodule, ...] = ()
    breast: tuple[BreastFinding, ...] = ()
    lines: tuple[str, ...] = ()
    payload: Any = None
    warnings: tuple[str, ...] = field(default=())
    seconds_infer: float = 0.0
    maps: tuple[ScoreMap, ...] = ()


def half_of(result: Result) -> Half | None:
    """The half of a split screen that a result is for; None where it is for all of the image."""
    try:
        return Half(json.loads(result.provenance.preprocessing)["half"])
    except (ValueError, KeyError, TypeError):
        return None
