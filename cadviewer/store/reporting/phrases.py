"""How findings are worded in one language: the same in the window, in its copied text and in reports."""

from __future__ import annotations

import math
from dataclasses import dataclass

from cadviewer.findings import BreastFinding, Call, Estimate, LungPlace, Provenance, Side, Third
from cadviewer.imaging.series import Series
from cadviewer.risk.form import Field, Kind
from cadviewer.risk.words import Assessment, rounded
from cadviewer.store.areas import REGIONS
from cadviewer.store.comparison import Change
from cadviewer.store.marks import Measure, MeasureKind
from cadviewer.store.words import IMPRESSIONS, MEASURES
from cadviewer.translations import Words

_SIDES = {Side.RIGHT: "right lung", Side.LEFT: "left lung"}
_THIRDS = {
    Third.UPPER: "upper third of its height",
    Third.MIDDLE: "middle third of its height",
    Third.LOWER: "lower third of its height",
}
AGES = {"Y": "{n} y", "M": "{n} months", "W": "{n} weeks", "D": "{n} days"}
"""By the last letter of an age in DICOM (PS3.5, value representation AS)."""
PLACES = (*_SIDES.values(), *_THIRDS.values())
"""Where a nodule lies, in words that are translated where they are shown."""


@dataclass(frozen=True)
class Phrases:
    """Sentences and parts of them; they hold what files and readers say as it is, so HTML has to escape them."""

    words: Words

    def size(self, long_mm: float | None, short_mm: float | None = None) -> str:
        """ "22.4 × 18.0 mm", "22.4 mm", or "" when not measured."""
        if long_mm is None:
            return ""
        long = rounded(long_mm, 1)  # as the rules round: 5.25 is 5.3
        return f"{long:.1f} mm" if short_mm is None else f"{long:.1f} × {rounded(short_mm, 1):.1f} mm"

    def images(self, series: Series, first: int, last: int | None = None) -> str:
        """ "no. 52–60": what the file calls images, by their Instance Number (DICOM PS3.3 C.7.6.1).

        Images without such numbers are counted: axial slices from the head, others as they come.
        """
        tr = self.words.tr
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

    def estimate(self, value: Estimate) -> str:
        """ "62 % (41–78 %)"."""
        value_, low, high = (v * 100 for v in (value.value, value.low, value.high))
        return self.words.tr("{value:.0f} % (95 % interval {low:.0f}–{high:.0f} %)", value=value_, low=low, high=high)

    def impression(self, malignancy: Estimate) -> str:
        """ "readers' impression 4 of 5, moderately suspicious (3–5)": what LIDC's readers would say of a nodule.

        In brackets the classes of the middle four fifths of these readers. An estimate without classes, of an older own
        model, is a probability.
        """
        tr = self.words.tr
        if malignancy.grade is None or malignancy.spread is None:
            return tr("malignancy suspicion {estimate}", estimate=self.estimate(malignancy))
        low, high = malignancy.spread
        return tr(
            "readers' impression {grade} of {count}, {words} ({range})",
            grade=malignancy.grade,
            count=len(malignancy.classes),
            words=tr(IMPRESSIONS[malignancy.grade - 1]),
            range=f"{low}–{high}" if low != high else str(low),
        )

    def age(self, text: str) -> str:
        """ "077Y" as "77 y"; what is written otherwise as it is."""
        number, unit = text[:-1], text[-1:].upper()
        if unit not in AGES or not number.isdecimal():
            return text
        return self.words.tr(AGES[unit], n=int(number))

    def place(self, place: LungPlace | None, brief: bool = False) -> str:
        """ "right lung, upper third of its height, 4 mm from the edge of the lung; lobe: reader", "" where nothing is
        known. brief: side and third alone."""
        if place is None:
            return ""
        tr = self.words.tr
        parts = [tr(_SIDES[place.side])] if place.side is not None else []
        parts += [tr(_THIRDS[place.third])] if place.third is not None else []
        if brief:
            return ", ".join(parts)
        if place.edge_mm is not None:
            parts.append(
                tr("{mm:.0f} mm from the edge of the lung", mm=place.edge_mm)
                if place.edge_mm >= 1
                else tr("at the edge of the lung")
            )
        return f"{', '.join(parts)}; {tr('lobe: reader')}" if parts else ""

    def change(self, change: Change) -> str:
        """ "grown since 2023-01-31, mean diameter +1.2 mm, volume +25 %, doubling time 300 days".

        A match that is not sure is said to be one, with the reason, and no fact.
        """
        tr = self.words.tr
        parts = [tr(change.state.value)]
        if change.prior_date is not None:
            parts = [tr("{what} since {date}", what=parts[0], date=change.prior_date.isoformat())]
        if change.delta_mm is not None:
            parts.append(tr("mean diameter {delta} mm", delta=_signed(change.delta_mm, 1)))
        if change.delta_volume_percent is not None:
            parts.append(tr("volume {delta} %", delta=_signed(change.delta_volume_percent, 0)))
        if change.doubling_days is not None:
            parts.append(tr("doubling time {days:.0f} days", days=change.doubling_days))
        text = ", ".join(parts)
        if change.sure:
            return text
        return tr("not sure whether it is the same nodule ({doubt}): {what}", doubt=change.doubt, what=text)

    def entry(self, field: Field, value: str) -> str:
        """ "Spiculation: yes": what the reader entered in a field of a form."""
        shown = value if field.kind is Kind.TEXT else self.words.tr(value)
        return f"{self.words.tr(field.label)}: {shown}{' ' + self.words.tr(field.unit) if field.unit else ''}"

    def measure(self, measure: Measure, pixel_mm: tuple[float, float] | None = None) -> str:
        """ "Distance: 12.3 mm", "Ellipse: mean −600.0 HU, area 45.0 mm²", with the reader's text.

        pixel_mm: (row, column), None where nobody knows.
        """
        tr = self.words.tr
        parts = [measure.label] if measure.label else []
        if measure.kind is MeasureKind.BIDIRECTIONAL and measure.value is not None and len(measure.points) >= 4:
            long, short = sorted((_length(measure, 0, pixel_mm), _length(measure, 2, pixel_mm)), reverse=True)
            parts.append(f"{long:.1f} × {short:.1f} {measure.unit}")
        elif measure.value is not None:
            value = f"{measure.value:.1f} {measure.unit}".replace("-", "−").replace(" °", "°").rstrip()
            parts.append(tr("mean {value}", value=value) if measure.kind in REGIONS else value)
        if measure.area is not None:
            parts.append(tr("area {area}", area=f"{measure.area:.1f} {measure.area_unit}"))
        name = tr(MEASURES[measure.kind])
        return f"{name}: {', '.join(parts)}" if parts else name

    def breast_caution(self, finding: BreastFinding, threshold: float) -> str:
        """What to mind about the score of a breast image; "" for nothing."""
        tr = self.words.tr
        if finding.probability is None:
            return ""
        if finding.call is Call.NO_LESION:
            return tr("Nothing is outlined: the score is of the whole image, and does not exclude a lesion.")
        if finding.call is not Call.UNCERTAIN and finding.probability.low < threshold <= finding.probability.high:
            return tr("The interval reaches from benign to malignant: the score alone decides nothing.")
        return ""

    def breast_size(self, finding: BreastFinding) -> str:
        """ "14.2 × 9.8 mm, 109 mm², taller than wide (depth/width 1.21)"; in pixels where the image is not calibrated.

        "" where nothing was outlined.
        """
        if not finding.lesion_px:
            return ""
        tr = self.words.tr
        parts = [tr("{lesion_px} pixels (not calibrated)", lesion_px=finding.lesion_px)]
        if finding.long_mm is not None:
            parts = [self.size(finding.long_mm, finding.short_mm)]
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

    def breast_count(self, finding: BreastFinding) -> str:
        """What to know where several lesions are outlined; "" for one or none."""
        if finding.lesions is None or finding.lesions < 2:
            return ""
        return self.words.tr(
            "{lesions} separate lesions are outlined; axes and shape are those of the largest", lesions=finding.lesions
        )

    def provenance(self, p: Provenance) -> str:
        """One line: application, model, weights, threshold, device."""
        tr = self.words.tr
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

    def lack(self, text: str) -> str:
        """What a rule lacks, as far as it is one of the usual things."""
        tr = self.words.tr
        head, _, rest = text.partition(": ")
        if rest and head.startswith("finding "):
            finding = tr("Finding {number}", number=head.removeprefix("finding "))
            return f"{finding}: {', '.join(tr(part) for part in rest.split(', '))}"
        unread, _, rest = text.partition(" ")
        if unread.isdigit() and rest in ("finding not read yet", "findings not read yet"):
            return self.words.count(int(unread), "{n} finding not read yet", "{n} findings not read yet")
        return tr(text)

    def inputs(self, answer: Assessment) -> str:
        """What a rule's answer rests on, in its own words."""
        return ", ".join(f"{name} {value}" for name, value in answer.used)

    def category(self, answer: Assessment) -> str:
        """ "Lung-RADS v2022: 4A", or what is missing for it. Categories are in the rule's own words, in English."""
        if answer.category is not None:
            return f"{answer.rule.title}: {answer.category}"
        lacking = ", ".join(map(self.lack, answer.missing))
        return f"{answer.rule.title}: {self.words.tr('Not determined.')} {self.words.tr('Missing:')} {lacking}"


def date(text: str) -> str:
    """20240131 as 2024-01-31; what is written otherwise as it is."""
    return f"{text[:4]}-{text[4:6]}-{text[6:8]}" if len(text) == 8 and text.isdigit() else text


def _length(measure: Measure, first: int, pixel_mm: tuple[float, float] | None) -> float:
    """Between one of the points of a measure and the next, in its unit."""
    if measure.unit == "mm" and len(measure.patient_mm) > first + 1:
        return math.dist(measure.patient_mm[first], measure.patient_mm[first + 1])
    row, column = pixel_mm if pixel_mm is not None and measure.unit == "mm" else (1.0, 1.0)
    (x0, y0), (x1, y1) = measure.points[first], measure.points[first + 1]
    return math.hypot((x1 - x0) * column, (y1 - y0) * row)


def _signed(value: float, digits: int) -> str:
    return f"{value:+.{digits}f}".replace("-", "−")
