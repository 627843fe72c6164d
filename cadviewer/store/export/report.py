"""The report of a case as HTML (`store.reporting`)."""

from __future__ import annotations

from functools import partial

from cadviewer.store.export import Format
from cadviewer.store.reporting import writing

FORMAT = Format(
    "a report of each case as HTML with key images, and as text",
    folder="report",
    write_case=partial(writing.write_case, {"report": ".html", "report-text": ".txt"}),
    suffix=".html",
    label="HTML report",
    write_file=partial(writing.write_file, "report"),
)
