"""What the command line can ask for, and what a command ends with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cadviewer import HU_OF_8_BITS

DONE, TROUBLED, USAGE = 0, 1, 2


@dataclass(frozen=True)
class WindowArgs:
    """Open the viewer. screenshot: save a picture of the window there and quit; size: (width, height) of the window in
    pixels, None for the usual one; demo: open the built-in demo study."""

    paths: tuple[Path, ...] = ()
    screenshot: Path | None = None
    size: tuple[int, int] | None = None
    demo: bool = False


@dataclass(frozen=True)
class AnnotateArgs:
    """`cadviewer annotate`: see `batch.Options`. existing: "keep out", "resume" or "overwrite".

    quiet_for: seconds after which what arrives is complete, where the inputs are watched; None where they are not.
    """

    inputs: tuple[Path, ...]
    out: Path
    task: str = "auto"
    model: str = ""
    device: str = "auto"
    threshold: float | None = None
    spacing_mm: float | None = None
    window: tuple[float, float] = HU_OF_8_BITS
    formats: tuple[str, ...] = ("csv", "json", "summary")
    existing: str = "keep out"
    jobs: int = 2
    quiet_for: float | None = None


@dataclass(frozen=True)
class ModelsArgs:
    """`cadviewer models`. show: name of the card to show whole, "" for all, one line each."""

    show: str = ""


@dataclass(frozen=True)
class DemoArgs:
    """`cadviewer demo`: write the demo study and its results into the folder `out`."""

    out: Path
    device: str = "auto"


@dataclass(frozen=True)
class DoctorArgs:
    """`cadviewer doctor`: what a report of a fault needs. self_test: analyse the demo study too."""

    self_test: bool = True


Args = WindowArgs | AnnotateArgs | ModelsArgs | DemoArgs | DoctorArgs
