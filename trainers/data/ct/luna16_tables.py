"""The tables that come with LUNA16, checked row by row: nodules, irrelevant findings, malignancy, patients.

`annotations.csv` (1,186 nodules of at least 3 mm that three of four readers marked) and `annotations_excluded.csv` have
the columns seriesuid, coordX, coordY, coordZ (LPS mm) and diameter_mm; in the second a diameter below 0 is unknown.
"""

from __future__ import annotations

import csv
import gzip
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from cadviewer.imaging.geometry import Vector
from trainers.config import ConfigError
from trainers.metrics.froc import UNKNOWN_DIAMETER_MM

COORDINATES = ("coordX", "coordY", "coordZ")
SERIES_NAMES = ("series_uid", "seriesuid", "Series UID", "SeriesInstanceUID")
PATIENT_NAMES = ("patient_id", "Patient Id", "PatientID", "patientid")


@dataclass(frozen=True)
class Annotation:
    """One finding: its 1-based row in the table, LPS centre in mm, diameter in mm, and readers' ratings where known.

    malignant, ratings: as written in `annotations_with_malignancy.csv` ("True", "[4, 2, 4, 2]"), or "".
    """

    row: int
    series_uid: str
    centre: Vector
    diameter_mm: float
    malignant: str = ""
    ratings: str = ""


def read_annotations(path: Path, malignancy: Path | None = None) -> dict[str, tuple[Annotation, ...]]:
    """Series UID → its nodules. Raises ConfigError naming file and line for what is no nodule."""
    rated = _read_ratings(malignancy) if malignancy else {}
    found: dict[str, list[Annotation]] = defaultdict(list)
    for row, uid, centre, diameter, _ in _findings(path):
        if diameter <= 0:
            raise ConfigError(f"{path}, line {row + 1}: a diameter of {diameter:g} mm")
        malignant, ratings = rated.get(_key(uid, centre), ("", ""))
        found[uid].append(Annotation(row, uid, centre, diameter, malignant, ratings))
    if not found:
        raise ConfigError(f"{path}: holds no annotation")
    return {uid: tuple(items) for uid, items in found.items()}


def read_excluded(path: Path) -> dict[str, tuple[Annotation, ...]]:
    """Series UID → irrelevant findings, 10 mm where the size is unknown (as the organisers' script takes it)."""
    found: dict[str, list[Annotation]] = defaultdict(list)
    for row, uid, centre, diameter, _ in _findings(path):
        found[uid].append(Annotation(row, uid, centre, diameter if diameter > 0 else UNKNOWN_DIAMETER_MM))
    return {uid: tuple(items) for uid, items in found.items()}


def read_patients(path: Path) -> dict[str, str]:
    """Series UID → patient, from any table (.csv or .csv.gz) that has a column of each.

    Raises ConfigError when it has not, or gives one series to two patients.
    """
    found: dict[str, str] = {}
    for row in _rows(path):
        uid = next((row[n] for n in SERIES_NAMES if n in row), None)
        patient = next((row[n] for n in PATIENT_NAMES if n in row), None)
        if uid is None or patient is None:
            raise ConfigError(f"{path}: needs a column series_uid and a column patient_id")
        if uid and patient and found.setdefault(uid, patient) != patient:
            raise ConfigError(f"{path}: series {uid} belongs to two patients")
    return found


def _read_ratings(path: Path) -> dict[tuple[str, ...], tuple[str, str]]:
    found = {}
    for _, uid, centre, _, columns in _findings(path):
        malignant, ratings = columns.get("mal_bool"), columns.get("mal_details")
        if malignant is None or ratings is None:
            raise ConfigError(f"{path}: needs the columns mal_bool and mal_details")
        found[_key(uid, centre)] = (malignant, ratings)
    return found


def _key(uid: str, centre: Vector) -> tuple[str, ...]:
    """Two tables write the same nodule with different numbers of digits."""
    return (uid, *(f"{c + 0.0:.2f}" for c in centre))


def _findings(path: Path) -> Iterator[tuple[int, str, Vector, float, Mapping[str, str]]]:
    """(1-based row, series, centre, diameter, all columns) of every row."""
    for number, row in enumerate(_rows(path), start=1):
        try:
            uid = row["seriesuid"].strip()
            x, y, z = (float(row[c]) for c in COORDINATES)
            diameter = float(row["diameter_mm"])
        except KeyError as error:
            raise ConfigError(f"{path}: needs a column {error.args[0]}") from error
        except (TypeError, ValueError, AttributeError) as error:
            raise ConfigError(f"{path}, line {number + 1}: not a finding ({error})") from error
        if not uid or not all(map(math.isfinite, (x, y, z, diameter))):
            raise ConfigError(f"{path}, line {number + 1}: not a finding (empty or not a number)")
        yield number, uid, (x, y, z), diameter, row


def _rows(path: Path) -> Iterator[dict[str, str]]:
    try:
        with (
            gzip.open(path, "rt", encoding="utf-8-sig", newline="")
            if path.suffix == ".gz"
            else path.open(encoding="utf-8-sig", newline="") as stream
        ):
            yield from csv.DictReader(stream)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{path}: not a readable table ({error})") from error
