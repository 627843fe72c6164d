"""Training and evaluation of the breast ultrasound models."""

from trainers.tasks import TrainerSpec

SPEC = TrainerSpec(
    name="breast",
    summary="Hybrid-MT-ESTAN for breast ultrasound",
    run="trainers.breast.trainer:run",
    settings="trainers.breast.settings:BreastSettings",
    presets="trainers.breast.settings:PRESETS",
    options="trainers.options:BREAST",
    inspect="trainers.breast.inspection:inspect",
    model="breast",
    evaluate="trainers.breast.evaluation:evaluate",
    figures=(
        ("auc", "AUC"),
        ("balanced_accuracy", "balanced accuracy"),
        ("sensitivity", "sensitivity"),
        ("specificity", "specificity"),
        ("dice", "Dice"),
        ("ece", "ECE"),
    ),
)
