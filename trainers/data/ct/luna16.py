"""LUNA16 as it is downloaded (`.mhd` scans and `annotations.csv`) → labelled 2-D slices, scan by scan.

    cadviewer-train luna16 --data LUNA16 --out slices --set mode=default|paper …

`--data` holds scans anywhere below it (`subset0` … `subset9`) and the tables; other places are settings. What comes out
has the layout of `luna16-slices`, so `cadviewer-train nodules --data slices` trains on it:

- `images/NAME_KKKK.png`: slice K (0-based) of a scan, 8-bit gray, `window` HU as 0…255. NAME names the scan.
- `index.csv`: a row per box, and one with role `negative` per slice without any. The columns of `luna16-slices`
  (`cx, cy` are pixel indices: + 0.5 for edge coordinates) and: `width, height` of the box (a circle is no square in
  `paper` mode, and boxes are cut at the image's edge), `slice` and `slices` of the scan, `previous` and `next`: the
  images of `neighbours` slices on either side, the nearest first (the last slice again at the end of a scan), so that a
  reader can stack them for 2.5-D input, `slice_mm`, `neighbour_mm`, `pixel_mm`, `subset`, and `inside`: which share of
  the box the lung mask left.
- `role`: `labelled`; `grazed`: a nodule of which this slice only takes the rim; `excluded`: an irrelevant finding
  (when there is an annotations_excluded.csv); `negative`. Only the first is a box to learn; under the second and third
  nothing is to be learned, nor is a mark there a false alarm.
- `fold`: by `split`: `patient` crc32(patient_id) % 10, of which the trainer uses 3–9, tunes on 2 and tests on 1 (0
  takes no part, x are the patients of other validation sets); `subset`: the official subset; `image`: at random, as
  the paper did (slices of one nodule on both sides: figures from such a split mean little).
- `problems.csv`: annotated scans that are not there, scans that gave nothing and why.
- `scans/*.json`: what is finished; a run killed at any time goes on with `--resume`.

Modes: `default` (every slice that a nodule crosses, plus `negatives` slices without any, lung-masked, 1.0 mm per pixel)
and `paper` (the central slice of each nodule and its two neighbours, the whole image at 430 × 418, 80:20 by image;
which neighbours, which window and which box the paper does not say).

LUNA16 is CC BY 4.0 (Setio et al. 2017), LIDC-IDRI CC BY 3.0 (Armato et al. 2011).
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2

from cadviewer import HU_OF_8_BITS, atomic
from cadviewer.imaging import lungs
from cadviewer.imaging.geometry import Geometry
from cadviewer.imaging.series import InputError, Volume
from cadviewer.models.nodules.slices import NEIGHBOUR_MM
from cadviewer.training_events import STOP, Scan, append
from trainers import config, run_folder
from trainers.config import ConfigError
from trainers.data.ct import luna16_rows as labels
from trainers.data.ct import luna16_scan as scan
from trainers.data.ct import luna16_tables as tables
from trainers.data.ct.luna16_scan import FindLungs, LabelledRow, Lungs, Wanted
from trainers.data.ct.luna16_tables import Annotation

PROBLEM_COLUMNS = ("series_uid", "annotation_row", "problem")
VERSION = 2
"""Of what a scan is turned into; another version does not go on with an older run."""


@dataclass(frozen=True)
class Luna16Settings:
    """Settings of an import.

    mode: "default" or "paper". split: "patient", "subset", "image" or "" (image in paper mode, else patient).
    pixel_mm: of the images (default mode). window: HU shown as 0…255. masked: lung-masked; None: by mode.
    neighbours: how many slices before and after each one are written too; neighbour_mm: how far apart they are (see
    `models.nodules.slices.neighbours`; 0: the very next ones).
    negatives: slices without a finding per scan (default mode), spread over the lungs, none within 5 mm of a nodule.
    least_chord_mm: a nodule that crosses a slice in a smaller circle is not to be learned there.
    tune_share: in an image split, the share of the training images set aside for tuning (0: exactly 80:20).
    annotations, excluded, malignancy, patients: tables; "": looked for below the data folder; "none": without (not for
    annotations). seed: of the choice of negatives and the split by image.
    """

    mode: str = "default"
    split: str = ""
    pixel_mm: float = 1.0
    window: tuple[float, ...] = HU_OF_8_BITS
    masked: bool | None = None
    neighbours: int = 1
    neighbour_mm: float = NEIGHBOUR_MM
    negatives: int = 12
    least_chord_mm: float = 2.0
    tune_share: float = 0.1
    annotations: str = ""
    excluded: str = ""
    malignancy: str = ""
    patients: str = ""
    seed: int = 0

    def __post_init__(self) -> None:
        if self.mode not in ("default", "paper"):
            raise ConfigError(f"mode: {self.mode!r} is neither default nor paper")
        if self.split not in ("", "patient", "subset", "image"):
            raise ConfigError(f"split: {self.split!r} is none of patient, subset, image")
        if len(self.window) != 2 or not self.window[0] < self.window[1]:
            raise ConfigError(f"window: needs a low and a higher value in HU, not {self.window}")
        if not (self.pixel_mm > 0 and self.negatives >= 0 and 0 <= self.tune_share < 1):
            raise ConfigError("pixel_mm must be positive, negatives not negative, tune_share in 0…1")
        if self.neighbours < 0 or not 0 <= self.neighbour_mm < 100:
            raise ConfigError("neighbours must not be negative, neighbour_mm in 0…100")

    @property
    def by(self) -> str:
        """The split, settled."""
        return self.split or ("image" if self.mode == "paper" else "patient")

    @property
    def wanted(self) -> Wanted:
        """What concerns a single scan."""
        paper = self.mode == "paper"
        return Wanted(
            paper=paper,
            pixel_mm=self.pixel_mm,
            window=(self.window[0], self.window[1]),
            masked=(not paper) if self.masked is None else self.masked,
            neighbours=self.neighbours,
            neighbour_mm=self.neighbour_mm,
            negatives=0 if paper else self.negatives,
            least_chord_mm=self.least_chord_mm,
        )


@dataclass(frozen=True)
class Source:
    """The tables of a data folder and its scans by series UID."""

    scans: Mapping[str, Path]
    nodules: Mapping[str, tuple[Annotation, ...]]
    excluded: Mapping[str, tuple[Annotation, ...]]
    patients: Mapping[str, str]


@dataclass(frozen=True)
class Step:
    """One scan is finished: how many of how many, boxes and slices so far, and why it failed if it did."""

    scan: int
    scans: int
    boxes: int
    problem: str = ""


def run(file: Path | None, data: Path, out: Path, assignments: Sequence[str], resume: bool) -> None:
    """`cadviewer-train luna16`. Raises ConfigError for wrong settings or data, ValueError when scans failed."""
    settings = config.merge(Luna16Settings, {"paper": {"mode": "paper"}}, file=file, assignments=assignments)
    started = time.monotonic()
    with run_folder.recorded(out, asdict(settings), data):

        def tell(step: Step) -> None:
            seconds = round(time.monotonic() - started, 1)
            progress = round(step.scan / step.scans, 4)
            append(out, Scan(**asdict(step), progress=progress, seconds=seconds))
            sys.stderr.write(f"\r{step.scan}/{step.scans} scans, {step.boxes} boxes, {seconds:.0f} s ")
            sys.stderr.flush()
            if (out / STOP).exists():
                raise run_folder.TrainingStopped

        failed = import_scans(settings, data, out, resume=resume, on_scan=tell)
        sys.stderr.write("\n")
        if failed:
            raise ValueError(f"{failed} scans gave nothing: see {out / 'problems.csv'}")


def import_scans(
    settings: Luna16Settings,
    data: Path,
    out: Path,
    *,
    resume: bool = False,
    on_scan: Callable[[Step], None] = lambda step: None,
    find_lungs: FindLungs | None = None,
) -> int:
    """Import every scan below `data` into `out`; how many of them failed (each with its reason in problems.csv).

    One scan is in memory at a time. on_scan is called after each; what it raises ends the run, which can be resumed.
    find_lungs: instead of `imaging.lungs.find_lungs`, for tests.
    Raises ConfigError when there is nothing to import, or `out` holds an import that is not to be gone on with.
    """
    source = find(settings, data)
    _claim(settings, source, out, resume)
    with atomic.locked(out / "lock", wait=0):
        problems = _known_problems(source)
        failed = boxes = 0
        for number, uid in enumerate(sorted(source.scans), start=1):
            problem = ""
            try:
                done = _finished(out, uid)
                found = _import_one(uid, source, settings, out, find_lungs) if done is None else done
                boxes += sum(row["role"] == "labelled" for row in found)
            except InputError as error:
                problem, failed = str(error), failed + 1
                problems.append({"series_uid": uid, "annotation_row": "", "problem": problem})
            on_scan(Step(number, len(source.scans), boxes, problem))
        every = [row for uid in sorted(source.scans) for row in _finished(out, uid) or ()]
        folded = labels.folded(every, settings.by, tune_share=settings.tune_share, seed=settings.seed)
        atomic.write_text(out / "problems.csv", labels.table(PROBLEM_COLUMNS, problems))
        atomic.write_text(out / "index.csv", labels.table(labels.COLUMNS, folded))
    return failed


def _known_problems(source: Source) -> list[LabelledRow]:
    """What is wrong before any scan is read."""
    missing = [
        {"series_uid": uid, "annotation_row": str(a.row), "problem": "this scan is not there"}
        for uid, items in sorted(source.nodules.items())
        for a in items
        if uid not in source.scans
    ]
    nameless = [
        {
            "series_uid": uid,
            "annotation_row": "",
            "problem": "patient unknown: the series counts as a patient of its own",
        }
        for uid in sorted(source.scans)
        if uid not in source.patients
    ]
    return missing + nameless


def find(settings: Luna16Settings, data: Path) -> Source:
    """Scans and tables below a folder. Raises ConfigError when they are not there or contradict each other."""
    scans = _scans(data)
    annotations = _path(settings.annotations, data, "annotations.csv")
    if annotations is None:
        raise ConfigError(f"{data}: no annotations.csv below it; name it with --set annotations=FILE")
    malignancy = _path(settings.malignancy, data, "annotations_with_malignancy.csv")
    excluded = _path(settings.excluded, data, "annotations_excluded.csv")
    patients = _path(settings.patients, data, "rois.csv.gz", "LIDC-IDRI_MetaData.csv", "patients.csv")
    source = Source(
        scans=scans,
        nodules=tables.read_annotations(annotations, malignancy),
        excluded=tables.read_excluded(excluded) if excluded else {},
        patients=tables.read_patients(patients) if patients else {},
    )
    if not scans:
        raise ConfigError(f"{data}: no .mhd or .mha scan below it")
    if not set(scans) & set(source.nodules):
        raise ConfigError(
            f"{annotations}: names none of the {len(scans)} scans below {data} (files are named by series UID)"
        )
    if settings.by == "subset":
        for uid, path in scans.items():
            if not _subset(path):
                raise ConfigError(f"{path}: split=subset needs scans in folders subset0 … subset9 ({uid})")
    return source


def _scans(data: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in sorted(p for p in data.rglob("*") if p.suffix.lower() in (".mhd", ".mha")):
        # The official lung segmentations have the names of the scans.
        if any(part.lower().startswith("seg-lungs") for part in path.relative_to(data).parts):
            continue
        if path.stem in found:
            raise ConfigError(f"{path}: the same series as {found[path.stem]}")
        found[path.stem] = path
    return found


def _path(given: str, data: Path, *names: str) -> Path | None:
    if given.lower() == "none":
        return None
    if given:
        path = Path(given)
        if not path.is_file():
            raise ConfigError(f"{path}: no such file")
        return path
    return next((hit for name in names for hit in sorted(data.rglob(name))), None)


def _subset(path: Path) -> str:
    """The number of the official subset whose folder holds a scan, or ""."""
    hits = (re.fullmatch(r"subset(\d+)", part.lower()) for part in reversed(path.parts[:-1]))
    return next((hit.group(1) for hit in hits if hit), "")


def _claim(settings: Luna16Settings, source: Source, out: Path, resume: bool) -> None:
    """Make `out` the place of this import, or find that it is. What only concerns the index may have changed."""
    about = {**asdict(settings), "version": VERSION}
    for key in ("split", "tune_share", "annotations", "excluded", "malignancy", "patients"):
        about.pop(key)
    text = json.dumps(
        [sorted((u, [asdict(a) for a in t.get(u, ())]) for u in t) for t in (source.nodules, source.excluded)]
    )
    about["tables"] = hashlib.sha256(text.encode()).hexdigest()
    about = json.loads(json.dumps(about))
    marker = out / "import.json"
    if marker.is_file():
        if not resume:
            raise ConfigError(f"{out}: holds an import; --resume goes on with it, or choose another --out")
        before = json.loads(marker.read_text(encoding="utf-8"))
        changed = sorted(k for k in {*before, *about} if before.get(k) != about.get(k))
        if changed:
            raise ConfigError(
                f"{out}: holds an import with other settings ({', '.join(changed)}); choose another --out"
            )
    atomic.write_text(marker, json.dumps(about, indent=2) + "\n")


def name_of(uid: str) -> str:
    """Twelve hexadecimal digits that stand for a series in file names."""
    return hashlib.sha256(uid.encode()).hexdigest()[:12]


def _finished(out: Path, uid: str) -> list[LabelledRow] | None:
    """The rows of a scan that an earlier run finished."""
    try:
        text = (out / "scans" / f"{name_of(uid)}.json").read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    rows: list[LabelledRow] = json.loads(text)["rows"]
    return rows


def _import_one(
    uid: str, source: Source, settings: Luna16Settings, out: Path, find_lungs: FindLungs | None
) -> list[LabelledRow]:
    """Read a scan, write its images, then the marker that says they are all there. Raises InputError."""
    wanted = settings.wanted
    made: list[LabelledRow] = []
    if source.nodules.get(uid) or wanted.negatives:  # else nothing is wanted from it, and it need not be read
        volume = scan.read_scan(source.scans[uid])
        geometry = volume.geometry
        inside = _lungs(volume, find_lungs) if wanted.masked else None
        made = _label(uid, source, geometry, wanted, inside, zlib.crc32(uid.encode()) ^ settings.seed)
        size, name = scan.size_of(geometry, wanted), name_of(uid)
        for k in sorted({int(k) for row in made for s in ("previous", "slice", "next") for k in row[s].split()}):
            mask = None if inside is None else inside.on_slice(k, (size[1], size[0]))
            image = scan.render(volume.pixels[k], size, wanted.window, mask)
            atomic.write_bytes(out / "images" / _image(name, k), cv2.imencode(".png", image)[1].tobytes())
        for row in made:
            row["image"] = _image(name, row["slice"])
            for side in ("previous", "next"):
                row[side] = " ".join(_image(name, k) for k in row[side].split())
    atomic.write_text(out / "scans" / f"{name_of(uid)}.json", json.dumps({"series_uid": uid, "rows": made}) + "\n")
    return made


def _label(
    uid: str, source: Source, geometry: Geometry, wanted: Wanted, inside: Lungs | None, seed: int
) -> list[LabelledRow]:
    common = {
        "series_uid": uid,
        "patient_id": source.patients.get(uid, uid),
        "subset": _subset(source.scans[uid]),
    }
    nodules, excluded = source.nodules.get(uid, ()), source.excluded.get(uid, ())
    return [
        row
        for k, found in labels.samples(geometry, nodules, excluded, wanted, inside, seed)
        for row in labels.rows_of(k, found, geometry, wanted, inside, common)
    ]


def _image(name: str, k: int | str) -> str:
    return f"{name}_{int(k):04d}.png"


def _lungs(volume: Volume, find_lungs: FindLungs | None) -> Lungs:
    found = (find_lungs or lungs.find_lungs)(volume.pixels, volume.geometry)
    if not found.found:
        raise InputError("no lungs were found, so it cannot be lung-masked")
    return found
