"""Training and evaluation of the network that outlines nodules."""

from trainers.tasks import TrainerSpec

SPEC = TrainerSpec(
    name="outline",
    summary="outlines of nodules within the boxes of the SSD (its companion)",
    run="trainers.outline.trainer:run",
    settings="trainers.outline.settings:OutlineSettings",
    presets="trainers.outline.settings:PRESETS",
    options="trainers.options:OUTLINE",
    inspect="trainers.outline.inspection:inspect",
    model="nodules-outline",
    evaluate="trainers.outline.evaluation:evaluate",
)
