"""What a reader can put into a case's journal: decisions, measures, entries, undo. Plain frozen data."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Answer(StrEnum):
    """What the reader says of a finding."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    UNSURE = "unsure"


class MeasureKind(StrEnum):
    """What was measured."""

    DISTANCE = "distance"
    ANGLE = "angle"
    ELLIPSE = "ellipse"
    RECTANGLE = "rectangle"
    POINT = "point"
    BIDIRECTIONAL = "bidirectional"
    FREEHAND = "freehand"
    ARROW = "arrow"
    TEXT = "text"


READER = "reader"
"""Stands for the model in references to findings that the reader drew."""


class RefKind(StrEnum):
    """What a reference means: it never means one of another kind, wherever they lie."""

    MODEL = "model"
    READER = "reader"
    FRAME = "frame"


@dataclass(frozen=True)
class FindingRef:
    """Which finding is meant.

    A model's is known by its place, so that it is found again when the case is analysed another time; the reader's own
    by `key`, a breast image by its frame. model, weights_sha256: what found it. number: as shown then. slice, x0 … y1:
    its best box, edge coordinates; of a frame the image's borders. key: the record that drew it first; "" for what the
    reader did not draw, and in records of versions that did not know keys.
    """

    model: str
    weights_sha256: str
    number: int
    slice: int
    x0: float
    y0: float
    x1: float
    y1: float
    kind: RefKind = RefKind.MODEL
    key: str = ""


@dataclass(frozen=True)
class Decision:
    """Accepted, rejected or unsure; answer None takes an earlier decision back."""

    finding: FindingRef
    answer: Answer | None


@dataclass(frozen=True)
class Measure:
    """A ruler, an angle, a region, an arrow, a text.

    points: (x, y) in edge coordinates on `slice`. value, unit: as shown, None where there was nothing to show;
    unit "mm", "px", "°", "HU" or "". label: the reader's text.
    depths: continuous slice index of each point where they do not all lie on `slice` (drawn on another plane).
    patient_mm: the same points in LPS mm; empty where the image has no known place.
    area, area_unit: of a region, "mm²", or "px²" where nobody knows how large a pixel is; None and "" for all else.
    """

    kind: MeasureKind
    slice: int
    points: tuple[tuple[float, float], ...]
    value: float | None = None
    unit: str = ""
    label: str = ""
    depths: tuple[float, ...] = ()
    patient_mm: tuple[tuple[float, float, float], ...] = ()
    area: float | None = None
    area_unit: str = ""


@dataclass(frozen=True)
class DrawnBox:
    """A drawn finding on another of its slices, edge coordinates."""

    slice: int
    x0: float
    y0: float
    x1: float
    y1: float


@dataclass(frozen=True)
class Drawn:
    """A finding that the reader drew, or a box that he or she changed (`replaces`: as it was named before).

    number: as shown when it was drawn, 0 where it replaces a model's. label: what the window calls it, a letter.
    others: its boxes on other slices. The rest is what was measured in it, None where nothing was: axes in mm, volume
    in mm³, centre in LPS mm, outline on `slice` in edge coordinates.
    """

    slice: int
    x0: float
    y0: float
    x1: float
    y1: float
    label: str = ""
    replaces: FindingRef | None = None
    number: int = 0
    others: tuple[DrawnBox, ...] = ()
    long_mm: float | None = None
    short_mm: float | None = None
    volume_mm3: float | None = None
    centre_mm: tuple[float, float, float] | None = None
    outline: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class DrawnOutline:
    """An outline on one slice: (x, y) in edge coordinates."""

    slice: int
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Outlined:
    """What a model measured of the finding that the record `target` drew; it counts instead of what stands there.

    No step of the reader's: it is neither undone nor redone by itself, and counts as long as its target does.
    model, model_version, weights_sha256: what outlined it. The rest as in `Drawn`.
    """

    target: str
    model: str
    model_version: str
    weights_sha256: str
    outlines: tuple[DrawnOutline, ...]
    long_mm: float | None = None
    short_mm: float | None = None
    volume_mm3: float | None = None


@dataclass(frozen=True)
class KeyImage:
    """The slice was marked as a key image, or no longer is."""

    slice: int
    marked: bool


@dataclass(frozen=True)
class Note:
    """Free text on the case or on a finding."""

    text: str
    finding: FindingRef | None = None


@dataclass(frozen=True)
class Entered:
    """The reader filled in a field of a form, of the case or of a finding; value None takes it back.

    name: one of `risk.form`. The last entry of a name counts.
    """

    name: str
    value: str | None
    finding: FindingRef | None = None


@dataclass(frozen=True)
class Paired:
    """The reader says whether a finding and one of another CT of the patient are one nodule. In the later CT's journal.

    case: key of the other case's journal. finding, other: None for one without a partner: it is new, or gone.
    same: None takes earlier answers on the two back. The last one counts.
    """

    finding: FindingRef | None
    case: str
    other: FindingRef | None
    same: bool | None


@dataclass(frozen=True)
class PixelSize:
    """How large a pixel is, as the reader entered it for an image whose file does not say. The last one counts.

    mm: per pixel; None takes an earlier one back. length_px, length_mm: the drawn length that it was told by.
    """

    mm: float | None
    length_px: float | None = None
    length_mm: float | None = None


@dataclass(frozen=True)
class Deleted:
    """The mark of the record `target` is gone."""

    target: str


@dataclass(frozen=True)
class Undone:
    """The record `target` counts as not made."""

    target: str


@dataclass(frozen=True)
class Redone:
    """The record `target`, undone before, counts again."""

    target: str


Mark = (
    Decision | Measure | Drawn | Outlined | KeyImage | Note | Entered | Paired | PixelSize | Deleted | Undone | Redone
)
