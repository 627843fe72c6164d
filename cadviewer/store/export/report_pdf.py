"""The report of a case as PDF (`store.reporting`)."""

from __future__ import annotations

from functools import partial

from cadviewer.store.export import Format
from cadviewer.store.reporting import writing

FORMAT = Format(
    "a report of each case as PDF with key images",
    folder="report-pdf",
    write_case=partial(writing.write_case, {"report-pdf": ".pdf"}),
    suffix=".pdf",
    label="PDF report",
    write_file=partial(writing.write_file, "report-pdf"),
)
