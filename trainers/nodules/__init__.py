"""Training and evaluation of the nodule detector."""

from trainers.tasks import TrainerSpec

SPEC = TrainerSpec(
    name="nodules",
    summary="SSD for pulmonary nodules on axial CT slices",
    run="trainers.nodules.trainer:run",
    settings="trainers.nodules.settings:NoduleSettings",
    presets="trainers.nodules.settings:PRESETS",
    options="trainers.options:NODULES",
    inspect="trainers.nodules.inspection:inspect",
    model="nodules",
    evaluate="trainers.nodules.evaluation:evaluate",
    figures=(
        ("top-1 hit rate, IoU ≥ 0.5", "top-1"),
        ("AP, IoU ≥ 0.5", "AP@.5"),
        ("AP, IoU ≥ 0.1", "AP@.1"),
        ("sensitivity at 1 per slice, centre in box", "sensitivity at 1"),
        ("mean sensitivity at 1/8…8 per slice, centre in box", "mean sensitivity"),
        ("mean sensitivity at 1/8…8 per scan", "CPM"),
    ),
)
