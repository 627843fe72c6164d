"""What a card of a breast model must say before its score is shown. No torch."""

from __future__ import annotations

from cadviewer.messages import Message
from cadviewer.models.catalogue import CardError, ModelCard


def check_classes(card: ModelCard) -> None:
    """Raises CardError for a model that never saw, or was not calibrated on, both benign and malignant lesions."""
    seen = card.training.get("seen")
    lacking = [kind for kind in ("benign", "malignant") if seen is not None and not seen.get(kind)]
    if lacking:
        raise CardError(
            Message(
                "{card}: it never saw a {lacking} lesion and cannot tell the two apart",
                card=card.name,
                lacking=lacking[0],
            )
        )
    if not card.calibration.get("cuts"):  # which need both; older cards do not say what was seen
        raise CardError(Message("{card}: it was not calibrated on benign and malignant lesions", card=card.name))
