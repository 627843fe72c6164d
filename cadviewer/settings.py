"""What the user can set, as plain data. Without Qt and without knowing where it is kept.

Only what differs from the defaults is stored (JSON), so that a better default reaches everybody who did not choose.
Each field of `Settings` carries a label, a help line, its choices or limits and the page of the settings dialog that it
is on: the dialog is drawn from them. Keys of another version of the program are kept as they are.
"""

from __future__ import annotations

import json
import typing
from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from cadviewer import atomic

FILE = "settings.json"
"""Name of the file in `paths.user_config()`."""

RECENT = 20
"""How many recent files are remembered."""


class SettingsError(Exception):
    """Settings could not be saved, or a value is not allowed; one line says why."""


def _option(
    default: Any,
    label: str,
    help_text: str,
    *,
    choices: Mapping[str, str] | None = None,
    low: float | None = None,
    high: float | None = None,
    page: str = "",
    restart: bool = False,
) -> Any:
    """A field of `Settings` with what a dialog needs to draw it.

    choices: values and their labels. page: of the dialog; "" for what is only remembered. restart: a change has its
    effect when the program is started again.
    """
    about = {"label": label, "help": help_text, "choices": choices or {}, "low": low, "high": high}
    return field(default=default, metadata=about | {"page": page, "restart": restart})


_DRAGS = {"window": "Window/level", "scroll": "Scroll images", "pan": "Pan", "zoom": "Zoom"}


@dataclass(frozen=True)
class Preset:
    """A display window under a number key, in Hounsfield units."""

    name: str
    width: float
    centre: float

    def __post_init__(self) -> None:
        if not self.width > 0:
            raise ValueError(f"the width of a window must be positive, not {self.width}")


@dataclass(frozen=True)
class Settings:
    """Everything that is remembered between two starts."""

    theme: str = _option(
        "dark",
        "Theme",
        "Colours of the window; images stay on black.",
        choices={"dark": "Dark", "light": "Light", "contrast": "High contrast", "system": "As the system"},
        page="look",
    )
    language: str = _option("", "Language", "Language of the window.", page="look", restart=True)
    scale: float = _option(
        1.0,
        "Enlarge everything",
        "Times the size that the system asks for, where that is too small to read.",
        low=1,
        high=3,
        page="look",
        restart=True,
    )
    annotations: str = _option(
        "all",
        "Drawn over an image",
        "What is drawn at first; a key changes it while reading.",
        choices={"all": "Everything", "text": "Text without marks", "none": "The image alone"},
        page="viewing",
    )
    finding_marks: str = _option(
        "both",
        "Findings on an image",
        "How they are drawn; a key changes it while reading, and hides them.",
        choices={"both": "Box and outline", "outline": "Outline", "corners": "Corners"},
        page="viewing",
    )
    reading: str = _option(
        "concurrent",
        "Findings of the model",
        "For cases opened from now on: shown at once, or only when you say that your own first read is done.",
        choices={"concurrent": "Shown while reading", "second": "Hidden until the first read is done"},
        page="viewing",
    )
    after_answer: str = _option(
        "next",
        "After an answer",
        "What is selected when a finding has been answered; an answer given again changes nothing and moves nothing.",
        choices={"next": "The next finding without an answer", "stay": "The same finding"},
        page="viewing",
    )
    save_candidates: bool = _option(
        False,
        "Save findings below the threshold",
        "A saved reading holds them too; it is much larger then.",
        page="viewing",
    )
    interpolate: bool = _option(True, "Smooth zoom", "Interpolate between pixels when zoomed in.", page="viewing")
    cine_rate: float = _option(10.0, "Cine speed", "Images per second.", low=1, high=60, page="viewing")
    mouse_left: str = _option(
        "window",
        "Left drag at first",
        "The tool that is active after a start; keys and the tool bar change it.",
        choices={"select": "Select"} | _DRAGS | {"distance": "Distance"},
        page="mouse",
    )
    mouse_middle: str = _option(
        "pan", "Middle drag", "What a drag with the middle button does.", choices=_DRAGS, page="mouse"
    )
    mouse_right: str = _option(
        "zoom",
        "Right drag",
        "What a drag with the right button does; a click opens the menu.",
        choices=_DRAGS,
        page="mouse",
    )
    vertical_drag: str = _option(
        "down_brighter",
        "Vertical window/level drag",
        "Whether dragging down or up makes the image brighter (IHE: down).",
        choices={"down_brighter": "Down is brighter", "up_brighter": "Up is brighter"},
        page="mouse",
    )
    wheel_does: str = _option(
        "scroll",
        "Mouse wheel",
        "What the wheel does; with Ctrl it does the other.",
        choices={"scroll": "Scroll images", "zoom": "Zoom at the cursor"},
        page="mouse",
    )
    slice_order: str = _option(
        "head_first",
        "Axial slices",
        "Which way turning the wheel down, the key of the next image and the bar go.",
        choices={"head_first": "From head to feet", "feet_first": "From feet to head"},
        page="viewing",
    )
    wheel: str = _option(
        "down_next",
        "Turning the wheel down",
        "Whether turning down shows the next slice.",
        choices={"down_next": "Next image", "up_next": "Previous image"},
        page="mouse",
    )
    nodule_model: str = _option("", "Nodule model", "For chest CT, from the next analysis on.", page="models")
    nodule_threshold: float | None = _option(
        None,
        "Nodule threshold",
        "Findings scored lower are hidden; otherwise the model's own.",
        low=0,
        high=1,
        page="models",
    )
    breast_model: str = _option("", "Breast model", "For breast ultrasound, from the next analysis on.", page="models")
    analyse_on_open: bool = _option(
        True, "Analyse on opening", "Run the model as soon as a case is open.", page="models"
    )
    device: str = _option("auto", "Device", "Where models run.", page="models", restart=True)
    batch_jobs: int = _option(
        2,
        "Files read at a time",
        "When a folder is annotated: files read while the model runs.",
        low=1,
        high=64,
        page="models",
    )
    presets: tuple[tuple[int, Preset | None], ...] = _option(
        (),
        "Window presets",
        "Pairs of a number and its window, of those that are not the usual ones; the first nine have keys.",
        page="presets",
    )
    shortcuts: tuple[tuple[str, str], ...] = _option(
        (),
        "Shortcuts",
        "Pairs of an action's name and one of its keys, instead of its usual ones; no key takes them all away.",
        page="keys",
    )
    recent: tuple[str, ...] = _option((), "Recent", "Files and folders opened last, newest first.")
    last_folder: str = _option("", "Last folder", "Where the file dialog opens.")
    layouts: tuple[tuple[str, str], ...] = _option(
        (), "Layouts", "Pairs of a modality and the layout its images open in, of those other than one view."
    )
    slabs: tuple[tuple[str, str], ...] = _option(
        (), "Slabs", "Pairs of a modality and the thick slab chosen last, as “MIP 10”, in mm."
    )
    window_geometry: str = _option("", "Window place", "Size and place of the window, base64.")
    window_state: str = _option("", "Window panels", "Widths of the panels of the window, base64.")
    versions_address: str = _option(
        "", "Address of versions", "Asked for a newer version when the user says so, as PyPI's JSON; empty for none."
    )
    batch_out: str = _option("", "Batch folder", "Where the last batch wrote its results.")

    def __post_init__(self) -> None:
        for option in fields(self):
            _check(option, getattr(self, option.name))

    def with_recent(self, path: str) -> Settings:
        """The same with a path put first among the recent ones."""
        return replace(self, recent=(path, *(p for p in self.recent if p != path))[:RECENT])

    @property
    def keys(self) -> dict[str, tuple[str, ...]]:
        """`shortcuts` by the name of the action: its keys, none where it has lost them all."""
        keys: dict[str, tuple[str, ...]] = {}
        for name, key in self.shortcuts:
            keys[name] = (*keys.get(name, ()), key) if key else keys.get(name, ())
        return keys


def _check(option: Field[Any], value: Any) -> None:
    """Raises ValueError naming the option for a value outside its choices or limits."""
    choices, low, high = (option.metadata[key] for key in ("choices", "low", "high"))
    if choices and value not in choices:
        raise ValueError(f"{option.name} must be one of {', '.join(choices)}, not {value!r}")
    if value is not None and low is not None and not low <= value <= high:
        raise ValueError(f"{option.name} must lie in {low}…{high}, not {value!r}")


def label_of(name: str, value: str) -> str:
    """What a dialog calls a value of an option with choices. Raises KeyError."""
    option = Settings.__dataclass_fields__[name]
    return str(option.metadata["choices"][value])


@dataclass(frozen=True)
class Loaded:
    """Settings as read.

    unknown: keys and values of another version, kept on saving. problems: what the user should be told.
    """

    settings: Settings
    unknown: Mapping[str, Any] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


class SettingsFile:
    """The stored settings of one user; several windows may change them at the same time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = path.with_name(path.name + ".lock")

    def load(self) -> Loaded:
        """Read them. A damaged file is kept aside, a value that is not allowed gives way to its default; both are said.

        Never raises for what is in the file, nor for a folder that cannot be read: the defaults are then used.
        """
        try:
            return self._read()
        except OSError as error:
            return Loaded(
                Settings(), problems=(f"The settings cannot be read ({error.strerror or error}); defaults are used.",)
            )

    def _read(self) -> Loaded:
        """As `load`, but raises OSError for a file that cannot be read or, damaged, be set aside: it must stay."""
        try:
            content = json.loads(self.path.read_text(encoding="utf-8"))
            if not isinstance(content, dict):
                raise ValueError("not an object")
        except FileNotFoundError:
            return Loaded(Settings())
        except ValueError:
            kept = atomic.set_aside(self.path)
            return Loaded(
                Settings(),
                problems=(f"The settings were damaged; they are kept as {kept.name}, and defaults are used.",),
            )
        return _from_json(content)

    def change(self, **changes: Any) -> Settings:
        """Store new values of some fields, leaving what others changed meanwhile; returns the settings as stored.

        Raises SettingsError for a value that is not allowed or a disk that does not take it; TypeError for a field
        that does not exist.
        """
        return self._update(lambda settings: replace(settings, **changes), frozenset(changes))

    def add_recent(self, path: str) -> Settings:
        """Remember a path as opened last. Raises SettingsError."""
        return self._update(lambda settings: settings.with_recent(path))

    def _update(self, change: typing.Callable[[Settings], Settings], changed: frozenset[str] = frozenset()) -> Settings:
        try:
            with atomic.locked(self._lock):
                loaded = self._read()
                settings = change(loaded.settings)
                content = {k: v for k, v in loaded.unknown.items() if k not in changed} | to_json(settings)
                atomic.write_text(self.path, json.dumps(content, indent=2, ensure_ascii=False, sort_keys=True) + "\n")
        except (OSError, ValueError) as error:
            raise SettingsError(f"The settings were not saved: {error}") from error
        return settings


def to_json(settings: Settings) -> dict[str, Any]:
    """The fields that differ from the defaults, as JSON values."""
    default = Settings()
    return {
        option.name: _plain(value)
        for option in fields(settings)
        if (value := getattr(settings, option.name)) != getattr(default, option.name)
    }


def _plain(value: Any) -> Any:
    if isinstance(value, Preset):
        return {"name": value.name, "width": value.width, "centre": value.centre}
    return [_plain(v) for v in value] if isinstance(value, tuple) else value


def _from_json(content: Mapping[str, Any]) -> Loaded:
    settings, unknown, problems = Settings(), {}, []
    hints = typing.get_type_hints(Settings)
    for name, value in content.items():
        if name not in hints:
            unknown[name] = value
            continue
        try:
            settings = replace(settings, **{name: _typed(name, hints[name], value)})
        except (ValueError, TypeError, KeyError):
            unknown[name] = value  # perhaps of a newer version: it stays in the file until another is chosen
            problems.append(f"The setting {name} has a value that is not allowed; its default is used.")
    return Loaded(settings, unknown, tuple(problems))


def _number(value: Any) -> int:
    """Of a preset. Raises TypeError or ValueError."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError("presets")
    if value < 1:
        raise ValueError("presets are numbered from 1")
    return value


def _preset(value: Any) -> Preset | None:
    """A window, None for none under this number. Raises TypeError, ValueError or KeyError."""
    return None if value is None else Preset(str(value["name"]), float(value["width"]), float(value["centre"]))


def _typed(name: str, hint: Any, value: Any) -> Any:
    """A JSON value as the type of its field. Raises ValueError, TypeError or KeyError."""
    if name == "presets":
        whole = all(isinstance(v, Mapping) for v in value)  # as it was stored once: one after the other
        return tuple((_number(k), _preset(v)) for k, v in (enumerate(value, start=1) if whole else value))
    if name in ("shortcuts", "layouts", "slabs"):
        pairs = tuple((action, keys) for action, keys in value)
        if not all(isinstance(v, str) for pair in pairs for v in pair):
            raise TypeError(name)
        return pairs
    if typing.get_origin(hint) is tuple:
        if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
            raise TypeError(name)
        return tuple(value)
    kinds = typing.get_args(hint) or (hint,)
    if float in kinds and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        raise TypeError(name)
    return value
