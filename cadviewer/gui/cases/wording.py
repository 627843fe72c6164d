"""The words and signs of the window in one place: the list, the boxes and the copied text agree. No Qt."""

from __future__ import annotations

from datetime import datetime

from cadviewer.findings import BreastFinding, Call, Estimate, Nodule, Result
from cadviewer.gui.cases.case import Case, Status
from cadviewer.gui.i18n import language
from cadviewer.gui.i18n.language import tr, translate
from cadviewer.imaging.series import Series
from cadviewer.store.breast_form import FRAME_FIELDS
from cadviewer.store.reading import Origin
from cadviewer.store.session import Answer

RESEARCH = "For research use only — not for diagnosis"
"""The short form of `cadviewer.NOTICE`, for where room is short and for ever visible."""

SIGNS = {None: "", Answer.ACCEPTED: "✓", Answer.REJECTED: "✕", Answer.UNSURE: "?"}
ANSWERS = {None: "not read", Answer.ACCEPTED: "accepted", Answer.REJECTED: "rejected", Answer.UNSURE: "unsure"}

FRAME_ANSWERS = {
    None: "not read",
    Answer.ACCEPTED: "the reader agrees",
    Answer.REJECTED: "the reader disagrees",
    Answer.UNSURE: "the reader is unsure",
}

CALLS = {
    Call.BENIGN: "Probably benign",
    Call.MALIGNANT: "Suspicious for malignancy",
    Call.UNCERTAIN: "Uncertain",
    Call.NO_LESION: "No lesion outlined",
    Call.OUT_OF_SCOPE: "Out of scope",
}

IMPRESSIONS = (
    "highly unlikely malignant",
    "moderately unlikely malignant",
    "indeterminate",
    "moderately suspicious",
    "highly suspicious",
)
"""LIDC-IDRI's five ratings of malignancy, 1 to 5."""


def size(long_mm: float | None, short_mm: float | None = None) -> str:
    """ "22.4 × 18.0 mm", "22.4 mm", or "" when not measured."""
    if long_mm is None:
        return ""
    return f"{long_mm:.1f} mm" if short_mm is None else f"{long_mm:.1f} × {short_mm:.1f} mm"


def images(series: Series, first: int, last: int | None = None) -> str:
    """ "no. 52–60": what the file calls images, by their Instance Number (DICOM PS3.3 C.7.6.1).

    Images without such numbers are counted: axial slices from the head, others as they come.
    """
    last = first if last is None else last
    numbers = series.image_numbers
    if numbers is not None:
        a, b = min(numbers[first : last + 1]), max(numbers[first : last + 1])
        return tr("no. {number}", number=a) if a == b else tr("no. {first}–{last}", first=a, last=b)
    count = len(series.slices)
    if series.geometry.towards_head:
        a, b = count - last, count - first
        if a == b:
            return tr("image {first} from the head", first=a)
        return tr("images {first}–{last} from the head", first=a, last=b)
    a, b = first + 1, last + 1
    return tr("image {first}", first=a) if a == b else tr("images {first}–{last}", first=a, last=b)


def slices(nodule: Nodule, series: Series) -> str:
    """On which images of its series a finding is."""
    return images(series, nodule.slice_first, nodule.slice_last)


def estimate(value: Estimate) -> str:
    """ "62 % (41–78 %)"."""
    value_, low, high = (v * 100 for v in (value.value, value.low, value.high))
    return tr("{value:.0f} % (95 % interval {low:.0f}–{high:.0f} %)", value=value_, low=low, high=high)


def score(nodule: Nodule, origin: Origin, also: Nodule | None = None) -> str:
    """ "score 0.92", "added by the reader", or "found by the reader and the model, score 0.92"."""
    if also is not None:
        return tr("found by the reader and the model, score {score:.2f}", score=also.score)
    return tr("added by the reader") if origin is Origin.READER else tr("score {score:.2f}", score=nodule.score)


def measures(nodule: Nodule, volumetric: bool = True) -> str:
    """ "22.4 × 18.0 mm · 4210 mm³ · solid? · readers' impression 4 of 5 …": what is known of a finding, else "".

    volumetric: the slices are a volume, so that a missing volume was too small for their thickness.
    """
    parts = [size(nodule.long_mm, nodule.short_mm)]
    if nodule.volume_mm3 is not None:
        parts.append(f"{nodule.volume_mm3:.0f} mm³")
    elif volumetric and nodule.long_mm is not None:
        parts.append(tr("volume not measurable at this slice thickness"))
    parts.append(likely_type(nodule))
    if nodule.malignancy is not None:
        parts.append(impression(nodule.malignancy))
    return " · ".join(part for part in parts if part)


def impression(malignancy: Estimate) -> str:
    """ "readers' impression 4 of 5, moderately suspicious (3–5)": what LIDC's readers would say of a nodule.

    In brackets the classes of the middle four fifths of these readers. An estimate without classes, of an older own
    model, is a probability.
    """
    if malignancy.grade is None or malignancy.spread is None:
        return tr("malignancy suspicion {estimate}", estimate=estimate(malignancy))
    low, high = malignancy.spread
    return tr(
        "readers' impression {grade} of {count}, {words} ({range})",
        grade=malignancy.grade,
        count=len(malignancy.classes),
        words=tr(IMPRESSIONS[malignancy.grade - 1]),
        range=f"{low}–{high}" if low != high else str(low),
    )


def outline_maker(case: Case, nodule: Nodule) -> str:
    """Which made the outline of what the reader drew: a model or the density alone; "" for a model's own finding."""
    if case.origin(nodule.number) is Origin.MODEL:
        return ""
    by = case.outlined_by(nodule.number)
    if by is not None:
        return tr("Outline by {model}", model=f"{by.model} {by.model_version}")
    if nodule.outline is None:
        return tr("The network is outlining it…") if case.drawn_by(nodule.number) in case.outlining else ""
    if case.drawn_by(nodule.number) in case.outlining:
        return tr("Outline by density; the network is working on another…")
    return tr("Outline by density")


def likely_type(nodule: Nodule) -> str:
    """ "solid?": the model's opinion, which a reader may correct; "" where it has none."""
    return f"{tr(nodule.type)}?" if nodule.type else ""


def place(nodule: Nodule) -> str:
    """ "L 103.1  P 20.4  H −190.2 mm": LPS with the letters of the directions, "" when unknown."""
    if nodule.centre_mm is None:
        return ""
    pairs = zip(("LR", "PA", "HF"), nodule.centre_mm, strict=True)
    return "  ".join(f"{letters[0] if v >= 0 else letters[1]} {abs(v):.1f}" for letters, v in pairs) + " mm"


def state(case: Case) -> tuple[str, str]:
    """Headline and explanation of the state a case is in."""
    status = case.status
    if case.concealed and status in (Status.FINDINGS, Status.NOTHING):
        return tr("Analysed: hidden until the first read is done"), ""
    if status is Status.FINDINGS and case.result is not None and not case.result.breast:
        count = len(case.findings())
        if case.result.lines:
            return tr("Analysed"), ""
        own = _own(case)
        found = language.count(
            count - own, "{n} finding at or above {cut:.2f}", "{n} findings at or above {cut:.2f}", cut=case.cut
        )
        return found + (tr(", {n} added", n=own) if own else ""), ""
    if status is Status.NOTHING:
        if case.result is not None and case.result.breast:
            return tr("Analysed: no lesion outlined"), ""
        return tr("Analysed: nothing at or above {cut:.2f}", cut=case.cut), tr("This does not exclude disease.")
    if status is Status.RUNNING and not case.started:
        return tr("Waiting for the model…"), ""
    if status is Status.NOT_ANALYSED:
        return tr(status.value), tr("Stopped by the user.") if case.stopped else sentence(case.question)
    return tr(status.value), sentence(case.reason)


def _own(case: Case) -> int:
    """How many of the shown findings the reader alone found: they have no score."""
    return sum(
        case.origin(nodule.number) is Origin.READER and case.also(nodule.number) is None for nodule in case.findings()
    )


def sentence(text: str) -> str:
    """A reason as a sentence: "no CT" as "No CT.", in the user's language where it is known."""
    text = translate(text)
    return text[:1].upper() + text[1:].rstrip(".") + "." if text else ""


def as_text(case: Case) -> str:
    """The findings as plain text for a report: no patient, no path."""
    if case.result is None:
        return "\n".join(line for line in state(case) if line)
    lines = list(case.result.lines)
    if not lines:
        lines = _breast_lines(case) if case.result.breast else _nodule_lines(case)
    lines += [tr("Warning: {text}", text=translate(w)) for w in case.result.warnings]
    lines += [tr("Read with {what}", what=line) for line in [provenance(case.result)]]
    return "\n".join([*lines, RESEARCH])


def _nodule_lines(case: Case) -> list[str]:
    shown, own = case.findings(), _own(case)
    if not shown:
        return [tr("No finding at or above a score of {cut:.2f}.", cut=case.cut)]
    lines = [
        language.count(
            len(shown) - own,
            "{n} finding at or above a score of {cut:.2f}",
            "{n} findings at or above a score of {cut:.2f}",
            cut=case.cut,
        )
        + (tr(", {n} added", n=own) if own else "")
        + ":"
    ]
    for nodule in shown:
        parts = [
            f"{case.name(nodule.number)}. {score(nodule, case.origin(nodule.number), case.also(nodule.number))}",
            size(nodule.long_mm, nodule.short_mm),
            slices(nodule, case.series),
        ]
        if nodule.malignancy is not None:
            parts.append(impression(nodule.malignancy))
        values = case.values(nodule)
        kind = values.get("type", likely_type(nodule))
        parts += [kind, place(nodule), tr(ANSWERS[case.answer(nodule)]), values.get("note", "")]
        lines.append(", ".join(part for part in parts if part))
    return lines


def _breast_lines(case: Case) -> list[str]:
    assert case.result is not None
    lines = []
    for finding in case.result.breast:
        name = tr("Frame {frame}: ", frame=finding.frame + 1) if len(case.result.breast) > 1 else ""
        parts = [name + tr(CALLS[finding.call])]
        if finding.probability is not None:
            parts.append(tr("probability of malignancy {estimate}", estimate=estimate(finding.probability)))
        parts += [breast_caution(finding, case.result.provenance.threshold).rstrip(".")]
        parts += [breast_size(finding), breast_count(finding), translate(finding.reason)]
        parts.append(tr(FRAME_ANSWERS[case.frame_answer(finding.frame)]))
        entered = case.frame_values(finding.frame)
        parts += [f"{tr(f.label)}: {tr(entered[name])}" for name, f in FRAME_FIELDS.items() if name in entered]
        lines.append(", ".join(part for part in parts if part))
    return lines


def breast_caution(finding: BreastFinding, threshold: float) -> str:
    """What to mind about the score of a breast image; "" for nothing."""
    if finding.probability is None:
        return ""
    if finding.call is Call.NO_LESION:
        return tr("Nothing is outlined: the score is of the whole image, and does not exclude a lesion.")
    if finding.call is not Call.UNCERTAIN and finding.probability.low < threshold <= finding.probability.high:
        return tr("The interval reaches from benign to malignant: the score alone decides nothing.")
    return ""


def breast_size(finding: BreastFinding) -> str:
    """ "14.2 × 9.8 mm, 109 mm², taller than wide (depth/width 1.21)"; in pixels where the image is not calibrated.

    "" where nothing was outlined.
    """
    if not finding.lesion_px:
        return ""
    parts = [tr("{lesion_px} pixels (not calibrated)", lesion_px=finding.lesion_px)]
    if finding.long_mm is not None:
        parts = [size(finding.long_mm, finding.short_mm)]
        parts += [f"{finding.area_mm2:.0f} mm²"] if finding.area_mm2 is not None else []
    elif finding.long_px is not None and finding.short_px is not None:
        parts = [
            f"{finding.long_px:.0f} × {finding.short_px:.0f} px",
            tr("{lesion_px} px² (not calibrated)", lesion_px=finding.lesion_px),
        ]
    if finding.depth_to_width is not None:
        shape = tr("taller than wide") if finding.taller_than_wide else tr("not taller than wide")
        parts.append(
            tr("{shape} (depth/width {depth_to_width:.2f})", shape=shape, depth_to_width=finding.depth_to_width)
        )
    return ", ".join(parts)


def breast_count(finding: BreastFinding) -> str:
    """What to know where several lesions are outlined; "" for one or none."""
    if finding.lesions is None or finding.lesions < 2:
        return ""
    return tr(
        "{lesions} separate lesions are outlined; axes and shape are those of the largest", lesions=finding.lesions
    )


def made(when: str) -> str:
    """ "Kept result of 2026-11-26 16:53": when a result was made (UTC, ISO 8601) that was not made now, local time."""
    local = datetime.fromisoformat(when).astimezone()
    return tr("Kept result of {when}", when=f"{local:%Y-%m-%d %H:%M}")


def provenance(result: Result) -> str:
    """One line: application, model, weights, threshold, device."""
    p = result.provenance
    parts = [
        p.application,
        tr("model {name} (weights {hash})", name=f"{p.model} {p.model_version}", hash=p.weights_sha256[:12]),
        *(
            tr(
                "{role} by {name} ({hash})",
                role=c.role,
                name=f"{c.model} {c.model_version}",
                hash=c.weights_sha256[:12],
            )
            for c in p.companions
        ),
        tr("threshold {threshold:.2f}", threshold=p.threshold),
        tr("on {device}", device=p.device),
    ]
    return ", ".join(parts)
