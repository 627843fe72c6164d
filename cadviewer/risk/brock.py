"""The Brock (PanCan) models of the probability that a nodule is cancer: the full models 2a and 2b.

Source: McWilliams et al., "Probability of Cancer in Pulmonary Nodules Detected on First Screening CT", NEJM
2013;369:910–919. The coefficients of 2b (with spiculation) are those of table 2 of Eur Radiol 2019;29:5367–5377
(PMC6717521), there uncentred (intercept 0.2761), here centred as published: the two forms agree. Those of 2a (without
spiculation) are as listed by medicalalgorithms.com; its remark that 4 mm is subtracted from the size is wrong and not
followed: (4/10)^−½ = 1.58113883 is what centres the size on 4 mm. The parsimonious models are not offered: no readable
source of their coefficients was found.

Made from people who smoke or smoked, 50 to 75 years old, at their first screening CT; it says nothing about a nodule
that has grown. The size is the longest diameter.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from cadviewer.risk.words import Assessment, NoduleType, Rule, yes

SOURCE = "NEJM 2013;369:910–919"
RULE_2A = Rule("Brock (PanCan)", "full model without spiculation (2a)", SOURCE)
RULE_2B = Rule("Brock (PanCan)", "full model with spiculation (2b)", SOURCE)

AGES = (50, 75)
"""Ages that the model was made from."""


@dataclass(frozen=True)
class Inputs:
    """What the models ask; None is not known. age: years. diameter_mm: the longest. count: nodules on the whole scan.

    spiculation: None chooses the model that does without it.
    """

    age: float | None = None
    female: bool | None = None
    family_history: bool | None = None
    emphysema: bool | None = None
    diameter_mm: float | None = None
    type: NoduleType | None = None
    upper_lobe: bool | None = None
    count: int | None = None
    spiculation: bool | None = None


@dataclass(frozen=True)
class _Model:
    constant: float
    age: float
    female: float
    family_history: float
    emphysema: float
    size: float
    part_solid: float
    non_solid: float
    upper_lobe: float
    count: float
    spiculation: float = 0.0


_2A = _Model(-6.8071, 0.0321, 0.5635, 0.3013, 0.3462, -5.6693, 0.3395, -0.3055, 0.7116, -0.0803)
_2B = _Model(-6.7892, 0.0287, 0.6011, 0.2961, 0.2953, -5.3854, 0.3770, -0.1276, 0.6581, -0.0824, 0.7729)


def probability(inputs: Inputs) -> float:
    """Probability in 0…1 that the nodule is cancer; with spiculation known by model 2b, else by 2a.

    Raises ValueError when anything else is not known or cannot be, or for a nodule in an airway.
    """
    if _missing(inputs):
        raise ValueError(f"not known: {', '.join(_missing(inputs))}")
    assert inputs.age is not None
    assert inputs.diameter_mm is not None
    assert inputs.count is not None
    if not (inputs.diameter_mm > 0 and inputs.count >= 1 and inputs.age > 0):
        raise ValueError("age and diameter are positive, and there is at least one nodule")
    model = _2A if inputs.spiculation is None else _2B
    x = (
        model.constant
        + model.age * (inputs.age - 62)
        + model.female * bool(inputs.female)
        + model.family_history * bool(inputs.family_history)
        + model.emphysema * bool(inputs.emphysema)
        + model.size * ((inputs.diameter_mm / 10) ** -0.5 - 1.58113883)
        + model.part_solid * (inputs.type is NoduleType.PART_SOLID)
        + model.non_solid * (inputs.type is NoduleType.NON_SOLID)
        + model.upper_lobe * bool(inputs.upper_lobe)
        + model.count * (inputs.count - 4)
        + model.spiculation * bool(inputs.spiculation)
    )
    return 1 / (1 + math.exp(-x))


def assess(inputs: Inputs) -> Assessment:
    """The probability as "20.1 %", or what is missing. Raises ValueError for values that cannot be."""
    rule = RULE_2A if inputs.spiculation is None else RULE_2B
    missing = _missing(inputs)
    if missing:
        return Assessment(rule, used=_used(inputs), missing=missing)
    notes = []
    if inputs.age is not None and not AGES[0] <= inputs.age <= AGES[1]:
        notes.append(f"the model was made from people of {AGES[0]} to {AGES[1]} years")
    if inputs.spiculation is None:
        notes.append("spiculation not determined: the model without it")
    text = f"{probability(inputs) * 100:.1f} %"
    return Assessment(rule, text, "", _used(inputs), notes=tuple(notes))


def _missing(inputs: Inputs) -> tuple[str, ...]:
    needed = {
        "age": inputs.age,
        "sex": inputs.female,
        "family history of lung cancer": inputs.family_history,
        "emphysema": inputs.emphysema,
        "longest diameter": inputs.diameter_mm,
        "nodule type": inputs.type,
        "upper lobe": inputs.upper_lobe,
        "number of nodules": inputs.count,
    }
    missing = [name for name, value in needed.items() if value is None]
    if inputs.type in (NoduleType.AIRWAY_CENTRAL, NoduleType.AIRWAY_SUBSEGMENTAL):
        missing.append("a term of the model for a nodule in an airway")
    return tuple(missing)


def _used(inputs: Inputs) -> tuple[tuple[str, str], ...]:
    pairs = [
        ("age", None if inputs.age is None else f"{inputs.age:g}"),
        ("sex", None if inputs.female is None else "female" if inputs.female else "male"),
        ("family history of lung cancer", _known(inputs.family_history)),
        ("emphysema", _known(inputs.emphysema)),
        ("longest diameter", None if inputs.diameter_mm is None else f"{inputs.diameter_mm:.1f} mm"),
        ("type", None if inputs.type is None else inputs.type.value),
        ("upper lobe", _known(inputs.upper_lobe)),
        ("nodules", None if inputs.count is None else str(inputs.count)),
        ("spiculation", _known(inputs.spiculation)),
    ]
    return tuple((name, value) for name, value in pairs if value is not None)


def _known(value: bool | None) -> str | None:
    return None if value is None else yes(value)
