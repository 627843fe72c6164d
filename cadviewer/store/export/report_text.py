"""The report of a case as plain text (`store.reporting`)."""

from __future__ import annotations

from functools import partial

from cadviewer.store.export import Format
from cadviewer.store.reporting import writing

FORMAT = Format(
    "a report of each case as plain text",
    folder="report-text",
    write_case=partial(writing.write_case, {"report-text": ".txt"}),
    suffix=".txt",
    label="Text report",
    write_file=partial(writing.write_file, "report-text"),
)
