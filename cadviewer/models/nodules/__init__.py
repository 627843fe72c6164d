"""From a chest CT to nodules. No torch."""

from cadviewer.findings import TaskSpec

SPEC = TaskSpec(
    heading="Lung nodules",
    image="CT slice",
    analyse="cadviewer.models.nodules.analysis:analyse",
    export="cadviewer.store.export.nodules:PART",
    panel="cadviewer.gui.nodules.panel:NodulesPanel",
    trainer="trainers.nodules",
    model_setting="nodule_model",
    threshold_setting="nodule_threshold",
)
