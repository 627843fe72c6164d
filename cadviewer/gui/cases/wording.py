"""The words and signs of the window in one place: the list, the boxes and the copied text agree. No Qt."""

from __future__ import annotations

from datetime import datetime

from cadviewer import translations
from cadviewer.findings import BreastFinding, Estimate, Nodule, Result
from cadviewer.gui.cases.case import Case, Status
from cadviewer.gui.i18n import language
from cadviewer.gui.i18n.language import tr, translate
from cadviewer.imaging.series import Series
from cadviewer.store.reading import Origin
from cadviewer.store.reporting.phrases import Phrases
from cadviewer.store.session import Answer
from cadviewer.store.words import ANSWERS as ANSWERS
from cadviewer.store.words import CALLS as CALLS
from cadviewer.store.words import FRAME_ANSWERS as FRAME_ANSWERS
from cadviewer.store.words import IMPRESSIONS as IMPRESSIONS
from cadviewer.store.words import RESEARCH as RESEARCH

SIGNS = {None: "", Answer.ACCEPTED: "✓", Answer.REJECTED: "✕", Answer.UNSURE: "?"}


def _phrases() -> Phrases:
    return Phrases(translations.spoken())


def size(long_mm: float | None, short_mm: float | None = None) -> str:
    """See `Phrases.size`."""
    return _phrases().size(long_mm, short_mm)


def images(series: Series, first: int, last: int | None = None) -> str:
    """See `Phrases.images`."""
    return _phrases().images(series, first, last)


def slices(nodule: Nodule, series: Series) -> str:
    """On which images of its series a finding is."""
    return images(series, nodule.slice_first, nodule.slice_last)


def estimate(value: Estimate) -> str:
    """See `Phrases.estimate`."""
    return _phrases().estimate(value)


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
    parts.append(_phrases().place(nodule.place, brief=True))
    return " · ".join(part for part in parts if part)


def impression(malignancy: Estimate) -> str:
    """See `Phrases.impression`."""
    return _phrases().impression(malignancy)


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


def lung_place(nodule: Nodule) -> str:
    """See `Phrases.place`."""
    return _phrases().place(nodule.place)


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


def breast_caution(finding: BreastFinding, threshold: float) -> str:
    """See `Phrases.breast_caution`."""
    return _phrases().breast_caution(finding, threshold)


def breast_size(finding: BreastFinding) -> str:
    """See `Phrases.breast_size`."""
    return _phrases().breast_size(finding)


def breast_count(finding: BreastFinding) -> str:
    """See `Phrases.breast_count`."""
    return _phrases().breast_count(finding)


def made(when: str) -> str:
    """ "Kept result of 2026-11-26 16:53": when a result was made (UTC, ISO 8601) that was not made now, local time."""
    local = datetime.fromisoformat(when).astimezone()
    return tr("Kept result of {when}", when=f"{local:%Y-%m-%d %H:%M}")


def provenance(result: Result) -> str:
    """See `Phrases.provenance`."""
    return _phrases().provenance(result.provenance)
