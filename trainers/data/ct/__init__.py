"""Layouts of labelled CT slices, and the import of LUNA16's scans."""

from trainers.tasks import TrainerSpec

SPEC = TrainerSpec(
    name="luna16",
    summary="LUNA16 scans and annotations → labelled slices for nodules (an import)",
    run="trainers.data.ct.luna16:run",
)
