"""`cadviewer-train gate`: what the gate of the breast model lets in and refuses, without any model or score.

Real images should pass; split screens and colour made of them, and pictures of other things, should not. The gate's
limits were set on BUS-BRA's folds 1 to 4 and on the external sets: what is measured there is not new to it.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from cadviewer import atomic
from cadviewer.models.gate import input_gate
from trainers.breast.evaluation import sets, volume_of
from trainers.breast.figures import intervals
from trainers.data.ultrasound.augmentation import Gray, paint_calipers, paint_text
from trainers.data.ultrasound.cases import UltrasoundCase
from trainers.metrics import bootstrap

Pixels = NDArray[np.uint8]
Make = Callable[[Gray, Gray, np.random.Generator], Pixels]
"""From an image, another one and a generator to what a reader might open instead."""


@dataclass(frozen=True)
class Answer:
    """What the gate says of one picture. kind: what was done to it. reason: "" where it passes.

    known: whether it is taken for breast ultrasound unasked, without a header.
    """

    set: str
    kind: str
    name: str
    patient: str
    reason: str
    known: bool


def beside(first: Gray, other: Gray, gutter: int = 0) -> Gray:
    """Two images side by side as machines show them: equally high, with black between them or not."""
    height = first.shape[0]
    wide = max(1, round(other.shape[1] * height / other.shape[0]))
    way = cv2.INTER_AREA if other.shape[0] > height else cv2.INTER_LINEAR
    scaled = np.asarray(cv2.resize(other, (wide, height), interpolation=way), np.uint8)
    return np.hstack([first, np.zeros((height, gutter), np.uint8), scaled])


def screen(gray: Gray, factor: float = 2.0, quality: int = 80) -> Gray:
    """As a screen shot: enlarged, and saved as JPEG."""
    large = cv2.resize(gray, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
    _, packed = cv2.imencode(".jpg", large, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(packed, cv2.IMREAD_GRAYSCALE), np.uint8)


def doppler(gray: Gray, other: Gray, generator: np.random.Generator) -> Pixels:
    """Flow in red and blue in vessels within a box of a sixth to two thirds of each side."""
    rows, columns = gray.shape
    high, wide = (int(s * generator.uniform(1 / 6, 2 / 3)) for s in (rows, columns))
    top, left = int(generator.integers(0, rows - high)), int(generator.integers(0, columns - wide))
    noise = generator.normal(0, 1, (high, wide)).astype(np.float32)
    smooth = np.asarray(cv2.GaussianBlur(noise, (0, 0), max(3.0, min(high, wide) / 10)), np.float32)
    flow = smooth / np.abs(smooth).max()
    speed = np.clip(np.abs(flow) * 255, 0, 255)
    low = np.zeros_like(speed)
    towards, away = np.dstack([speed, speed * 0.3, low]), np.dstack([low, speed * 0.4, speed])
    colours = np.where((flow > 0)[..., None], towards, away)
    picture = np.repeat(gray[..., None], 3, 2)
    part = picture[top : top + high, left : left + wide]
    vessels = np.abs(flow) > 0.35
    part[vessels] = colours[vessels].astype(np.uint8)
    return picture


def marked(gray: Gray, other: Gray, generator: np.random.Generator) -> Pixels:
    """Two pairs of calipers, one across the other, and two lines of letters, anywhere."""
    picture = gray.copy()
    rows, columns = gray.shape
    y, x = int(rows * generator.uniform(0.3, 0.7)), int(columns * generator.uniform(0.3, 0.7))
    high, wide = int(rows * generator.uniform(0.05, 0.25)), int(columns * generator.uniform(0.05, 0.25))
    paint_calipers(picture, (x - wide, y), (x + wide, y), generator)
    paint_calipers(picture, (x, y - high), (x, y + high), generator)
    for place in (0.12, 0.92):
        paint_text(picture, (int(generator.integers(0, columns // 2)), max(9, int(place * rows))), generator)
    return picture


MADE: Mapping[str, tuple[str, Make]] = {
    "as it is": ("", lambda gray, other, generator: gray),
    "as a screen shot (JPEG)": ("", lambda gray, other, generator: screen(gray)),
    "calipers and letters painted in": ("", marked),
    "two, a gutter of 4 to 20 pixels": (
        "split",
        lambda gray, other, generator: beside(gray, other, int(generator.integers(4, 21))),
    ),
    "two without a gutter": ("split", lambda gray, other, generator: beside(gray, other)),
    "two without a gutter, screen shot (JPEG)": (
        "split",
        lambda gray, other, generator: screen(beside(gray, other)),
    ),
    "colour flow painted in": ("colour", doppler),
    "turned on its side": ("speckle", lambda gray, other, generator: np.ascontiguousarray(gray.T)),
}
"""Kind → (word of the reason that is due, "" where it should pass; how it is made)."""

SAME = "two of one patient without a gutter"


def ask(name: str, kind: str, case: UltrasoundCase, pixels: Pixels) -> Answer:
    """What the gate says of a picture without a header."""
    series = replace(volume_of(case, pixels[..., 0] if pixels.ndim == 3 else pixels).series, channels=1)
    known = pixels.ndim == 2 and input_gate.looks_like_bmode(pixels)
    return Answer(name, kind, case.name, case.patient, input_gate.frame_problem(pixels, series), known)


def answers(name: str, cases: Sequence[UltrasoundCase], seed: int) -> Iterator[Answer]:
    """Every picture of a set and what is made of it; pairs with another patient's image, and with the same one's."""
    generator = np.random.default_rng(seed)
    for number, case in enumerate(cases):
        gray = case.gray()
        strangers = [c for c in cases if c.patient != case.patient] or [case]
        other = strangers[int(generator.integers(0, len(strangers)))].gray()
        for kind, (_, make) in MADE.items():
            yield ask(name, kind, case, make(gray, other, generator))
        own = next((c for c in cases[number + 1 :] if c.patient == case.patient), None)
        if own is not None:
            yield ask(name, SAME, case, beside(gray, own.gray()))


def others(folder: Path, limit: int) -> Iterator[Answer]:
    """Pictures that are no ultrasound at all, evenly chosen from a folder."""
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in (".png", ".jpg", ".jpeg", ".bmp"))
    for k in range(min(limit, len(paths))):
        path = paths[k * len(paths) // min(limit, len(paths))]
        case = UltrasoundCase(path.stem, path, (), None, path.stem)
        yield ask(folder.name, "no ultrasound", case, case.gray())


def figures(given: Sequence[Answer], rounds: int = 500) -> dict[str, dict[str, Any]]:
    """By "set: kind": pictures, and the shares refused, refused for the reason that is due, and known unasked."""
    found: dict[str, dict[str, Any]] = {}
    for name, kind in dict.fromkeys((a.set, a.kind) for a in given):
        part = [a for a in given if (a.set, a.kind) == (name, kind)]
        word = "split" if kind == SAME else MADE[kind][0] if kind in MADE else ""
        values = {
            "refused": np.array([bool(a.reason) for a in part]),
            "for the reason that is due": np.array([bool(word) and word in a.reason for a in part]),
            "known unasked": np.array([a.known for a in part]),
        }
        shares = {k: (lambda i, v=v: float(v[i].mean())) for k, v in values.items() if word or "due" not in k}
        made = intervals(shares, [a.patient for a in part], rounds)
        found[f"{name}: {kind}"] = {"pictures": len(part), "patients": len({a.patient for a in part}), **made}
    return found


def table(found: Mapping[str, Mapping[str, Any]]) -> str:
    """As Markdown."""
    heads = ("refused", "for the reason that is due", "known unasked")
    lines = [f"| pictures | n | {' | '.join(heads)} |", "|---" * (len(heads) + 2) + "|"]
    for name, group in found.items():
        cells = [bootstrap.text((*group[h],)) if h in group else "" for h in heads]
        lines.append(f"| {name} | {group['pictures']} | {' | '.join(cells)} |")
    return "\n".join(lines)


def run(
    data: Path, out: Path, *, split: str, seed: int, limit: int, other: Sequence[Path]
) -> dict[str, dict[str, Any]]:
    """Ask the gate and write `gate.md` and `gate.csv` (one row per picture) into `out`.

    split: as for `evaluate`. limit: at most so many images per set, evenly chosen; 0 for all
        (of `other`, whose pictures count as a patient each, 300 per folder).
    """
    given: list[Answer] = []
    for name, cases in sets(data, split).items():
        chosen = [cases[k * len(cases) // limit] for k in range(limit)] if 0 < limit < len(cases) else cases
        given.extend(answers(name, chosen, seed))
    for folder in other:
        given.extend(others(folder, limit or 300))
    found = figures(given)
    out.mkdir(parents=True, exist_ok=True)
    atomic.write_text(out / "gate.md", table(found) + "\n")
    with atomic.text(out / "gate.csv") as stream:
        writer = csv.writer(stream)
        writer.writerow(["set", "kind", "name", "patient", "reason", "known"])
        writer.writerows((a.set, a.kind, a.name, a.patient, a.reason, int(a.known)) for a in given)
    return found
