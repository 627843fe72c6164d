"""From breast ultrasound to a mask and a score. No torch."""

from cadviewer.findings import TaskSpec

SPEC = TaskSpec(
    heading="Breast ultrasound",
    image="Breast ultrasound",
    analyse="cadviewer.models.breast.analysis:analyse",
    export="cadviewer.store.export.breast:PART",
    panel="cadviewer.gui.breast.panel:BreastPanel",
    layer="cadviewer.gui.breast.mask:MaskOutline",
    trainer="trainers.breast",
    per_image=True,
    gate="cadviewer.models.gate.input_gate:check_ultrasound",
    check_card="cadviewer.models.breast.card:check_classes",
    model_setting="breast_model",
)
