"""summary.html: a run at a glance, one page without any other file, made of the rows of its cases alone.

A resumed run has all of it too. It shows paths as the tables do, and nothing of what is in the headers of images.
"""

from __future__ import annotations

import functools
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import quote

from cadviewer import NOTICE, atomic, paths
from cadviewer.store.case_report import CaseState
from cadviewer.store.export import FORMATS, Format, Run, load
from cadviewer.store.export.histogram import Histogram, counts, shares, spread
from cadviewer.store.export.parts import of_all
from cadviewer.store.export.tables import COLUMNS

TABLE = "summary.html"
GENERATOR = "cadviewer batch summary"
"""What the page says it was made by: how it is known as ours."""

Record = Mapping[str, str]
"""A row of a table by column."""


@dataclass(frozen=True)
class Line:
    """One case in the list. files: (what it is, link) of what was written of it."""

    case: str
    source: str
    task: str
    state: str
    findings: str
    score: str
    seconds: str
    reason: str
    files: tuple[tuple[str, str], ...]


def is_ours(path: Path) -> bool:
    """Whether a file is such a page of this program, by how it begins."""
    try:
        with path.open("rb") as stream:
            return f'content="{GENERATOR}'.encode() in stream.read(400)
    except OSError:
        return False


def page(run: Run, folder: Path) -> str:
    """The page as text, with links to the files that are in the results folder."""
    cases = [_record("cases", row) for case in run.cases for row in case["cases"]]
    cases.sort(key=lambda c: (c["source"], c["series_uid"], c["case"]))
    found = {name: [_record(name, row) for case in run.cases for row in case.get(name, ())] for name in _tables()}
    states = Counter(c["state"] for c in cases)
    done = [c for c in cases if c["state"] == CaseState.DONE]
    made: str = _template().render(
        generator=GENERATOR,
        notice=NOTICE,
        total=len(cases),
        states=[(state.value, states[state.value]) for state in CaseState],
        with_findings=sum(c["findings"] not in ("", "0") for c in done),
        plots=_plots(done, found, run.options),
        reasons=_reasons(cases),
        times=[(what, *_times(cases, column)) for what, column in _SECONDS.items()],
        options=_options(run.options),
        lines=_lines(run, cases, _files(folder)),
    )
    return made


_SECONDS = {"reading": "seconds_load", "computing": "seconds_infer"}


def _plots(
    done: Sequence[Record], found: Mapping[str, Sequence[Record]], options: Mapping[str, Any]
) -> list[Histogram]:
    per_case = counts("Findings per case", [int(c["findings"]) for c in done if c["findings"]])
    scores = shares("Scores of nodules", _numbers(found.get("nodules", ()), "score"), options.get("--threshold"))
    malignant = shares("Probability of malignancy", _numbers(found.get("breast", ()), "probability_malignant"))
    times = [spread(f"Seconds of {what} a case", _numbers(done, column)) for what, column in _SECONDS.items()]
    return [plot for plot in (per_case, scores, malignant, *times) if plot is not None]


def _reasons(cases: Iterable[Record]) -> list[tuple[str, str, int]]:
    """(state, why, how often) of what was not done. Reasons that differ in their numbers alone are one."""
    alike: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for case in cases:
        if case["state"] != CaseState.DONE:
            alike[case["state"], re.sub(r"\d+(\.\d+)?", "…", case["reason"])].append(case["reason"])
    rows = [(state, why[0] if len(set(why)) == 1 else key, len(why)) for (state, key), why in alike.items()]
    return sorted(rows, key=lambda row: (list(CaseState).index(CaseState(row[0])), -row[2], row[1]))


def _times(cases: Iterable[Record], column: str) -> tuple[float, float, float]:
    """(median, longest, sum) in seconds; zeros where nothing was timed."""
    seconds = _numbers(cases, column)
    return (median(seconds), max(seconds), sum(seconds)) if seconds else (0.0, 0.0, 0.0)


def _options(options: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What the results depend on, without the hash that stands for the inputs."""
    unset = {"--threshold": "the model's own"}
    shown = ((name, value) for name, value in options.items() if name != "inputs")
    return [(n.lstrip("-"), unset.get(n, "not given") if value is None else str(value)) for n, value in shown]


def _lines(run: Run, cases: Sequence[Record], files: Mapping[str, list[tuple[str, str]]]) -> list[Line]:
    rows = {case["cases"][0][0]: case for case in run.cases}
    return [
        Line(
            c["case"],
            c["source"],
            c["task"],
            c["state"],
            c["findings"],
            _worst(rows[c["case"]]),
            " + ".join(f"{float(c[column]):.1f}" for column in _SECONDS.values() if c[column]),
            c["reason"],
            tuple(files.get(c["case"], ())),
        )
        for c in cases
    ]


def _worst(rows: Mapping[str, Sequence[Sequence[str]]]) -> str:
    """The highest score of a nodule or probability of an image, with the call where there is one."""
    best: tuple[float, str] | None = None
    for name in _tables():
        for row in (_record(name, cells) for cells in rows.get(name, ())):
            value = row.get("probability_malignant", row.get("score", ""))
            if value and (best is None or float(value) > best[0]):
                best = float(value), row.get("call", "").replace("_", " ")
    return "" if best is None else f"{best[0]:.2f} {best[1]}".strip()


def _files(folder: Path) -> dict[str, list[tuple[str, str]]]:
    """What was written of each case, by any format: (what it is called, link)."""
    found: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
    for name in dict.fromkeys(("masks", *(own for form in FORMATS if (own := load(form).folder)))):
        place, of_case = folder / name, defaultdict[str, list[Path]](list)
        for path in sorted(place.iterdir()) if place.is_dir() else ():
            of_case[path.name.partition(".")[0].partition("-")[0]].append(path)
        for case, written in of_case.items():
            found[case] += zip(_called(name, written), (f"{name}/{quote(p.name)}" for p in written), strict=True)
    return found


def _called(name: str, paths: Sequence[Path]) -> list[str]:
    """What a case's files in a folder are called: by the folder, and where they are several by suffix or number."""
    if len(paths) == 1:
        return [name]
    if len({path.suffix for path in paths}) == len(paths):
        return [f"{name} ({path.suffix[1:]})" for path in paths]
    return [f"{name} {number}" for number in range(1, len(paths) + 1)]


def _tables() -> list[str]:
    return list(dict.fromkeys(name for part in of_all() for name in part.columns))


def _record(table: str, row: Sequence[str]) -> Record:
    return dict(zip(COLUMNS[table], row, strict=True))


def _numbers(rows: Iterable[Record], column: str) -> list[float]:
    return [float(row[column]) for row in rows if row.get(column)]


@functools.cache
def _template() -> Any:
    import jinja2  # only where a page is made

    places = jinja2.FileSystemLoader(paths.resources() / "summary")
    made = jinja2.Environment(
        loader=places, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return made.get_template("summary.html")


def _write_tables(run: Run, folder: Path) -> None:
    atomic.write_text(folder / TABLE, page(run, folder))


FORMAT = Format(
    "summary.html: the run at a glance, with plots and links",
    write_tables=_write_tables,
    tables=(TABLE,),
    is_ours=is_ours,
)
