"""The report of a case as DICOM: its PDF, encapsulated (`store.reporting`)."""

from __future__ import annotations

from functools import partial

from cadviewer.store.export import Format
from cadviewer.store.reporting import writing

FORMAT = Format(
    "a report of each case as DICOM (Encapsulated PDF)",
    folder="report-dicom",
    write_case=partial(writing.write_case, {"report-dicom": ".dcm"}),
    suffix=".dcm",
    label="DICOM report (encapsulated PDF)",
    write_file=partial(writing.write_file, "report-dicom"),
)
