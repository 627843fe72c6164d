"""What the user can set, as plain data. Without Qt and without knowing where it is kept.

Only what differs from the defaults is stored (JSON), so that a better default reaches everybody who did not choose.
Each field of `Settings` carries a label, a help line and its choices or limits: a dialog can be drawn from them. Keys
of another version of the program are kept as they are.
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
    choices: tuple[str, ...] = (),
    low: float | None = None,
    high: float | None = None,
) -> Any:
    """A field of `Settings` with what a dialog needs to draw it."""
    return field(
        default=default, metadata={"label": label, "help": help_text, "choices": choices, "low": low, "high": high}
    )


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

    theme: str = _option("dark", "Theme", "Colours of the window.", choices=("dark", "light", "system"))
    language: str = _option("", "Language", "Language of the window; empty for the system's.")
    device: str = _option("auto", "Device", "Where models run: auto, cpu, cuda or cuda:N.")
    nodule_model: str = _option("", "Nodule model", "Name of a model card; empty for the default.")
    breast_model: str = _option("", "Breast model", "Name of a model card; empty for the default.")
    nodule_threshold: float | None = _option(
        None, "Nodule threshold", "Findings scored lower are hidden; empty for the model's own.", low=0, high=1
    )
    analyse_on_open: bool = _option(True, "Analyse on opening", "Run the model as soon as a case is open.")
    vertical_drag: str = _option(
        "down_brighter",
        "Vertical window/level drag",
        "Whether dragging down or up makes the image brighter (IHE: down).",
        choices=("down_brighter", "up_brighter"),
    )
    wheel: str = _option(
        "down_next", "Mouse wheel", "Whether turning down shows the next slice.", choices=("down_next", "up_next")
    )
    interpolate: bool = _option(True, "Smooth zoom", "Interpolate between pixels when zoomed in.")
    annotations: str = _option("all", "Annotations", "What is drawn over an image.", choices=("all", "marks", "none"))
    cine_rate: float = _option(10.0, "Cine speed", "Images per second.", low=1, high=60)
    presets: tuple[Preset, ...] = _option((), "Window presets", "Windows of the keys 1 to 9; empty for the usual ones.")
    shortcuts: tuple[tuple[str, str], ...] = _option((), "Shortcuts", "Pairs of an action's name and its keys.")
    recent: tuple[str, ...] = _option((), "Recent", "Files and folders opened last, newest first.")
    last_folder: str = _option("", "Last folder", "Where the file dialog opens.")
    window_geometry: str = _option("", "Window place", "Size and place of the window, base64.")
    window_state: str = _option("", "Window panels", "Panels of the window, base64.")
    batch_out: str = _option("", "Batch folder", "Where the last batch wrote its results.")
    batch_jobs: int = _option(2, "Readers", "Files read ahead while the model runs.", low=1, high=64)

    def __post_init__(self) -> None:
        for option in fields(self):
            _check(option, getattr(self, option.name))

    def with_recent(self, path: str) -> Settings:
        """The same with a path put first among the recent ones."""
        return replace(self, recent=(path, *(p for p in self.recent if p != path))[:RECENT])


def _check(option: Field[Any], value: Any) -> None:
    """Raises ValueError naming the option for a value outside its choices or limits."""
    choices, low, high = (option.metadata[key] for key in ("choices", "low", "high"))
    if choices and value not in choices:
        raise ValueError(f"{option.name} must be one of {', '.join(choices)}, not {value!r}")
    if value is not None and low is not None and not low <= value <= high:
        raise ValueError(f"{option.name} must lie in {low}…{high}, not {value!r}")


@dataclass(frozen=True)
class Loaded:
    """Settings as read. unknown: keys of another version, kept on saving. problems: what the user should be told."""

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
            content = json.loads(self.path.read_text(encoding="utf-8"))
            if not isinstance(content, dict):
                raise ValueError("not an object")
        except FileNotFoundError:
            return Loaded(Settings())
        except OSError as error:
            return Loaded(Settings(), problems=(f"The settings cannot be read ({error.strerror}); defaults are used.",))
        except ValueError:
            return Loaded(Settings(), problems=(self._keep_aside(),))
        return _from_json(content)

    def change(self, **changes: Any) -> Settings:
        """Store new values of some fields, leaving what others changed meanwhile; returns the settings as stored.

        Raises SettingsError for a value that is not allowed or a disk that does not take it; TypeError for a field
        that does not exist.
        """
        return self._update(lambda settings: replace(settings, **changes))

    def add_recent(self, path: str) -> Settings:
        """Remember a path as opened last. Raises SettingsError."""
        return self._update(lambda settings: settings.with_recent(path))

    def _update(self, change: typing.Callable[[Settings], Settings]) -> Settings:
        try:
            with atomic.locked(self._lock):
                loaded = self.load()
                settings = change(loaded.settings)
                content = dict(loaded.unknown) | to_json(settings)
                atomic.write_text(self.path, json.dumps(content, indent=2, ensure_ascii=False, sort_keys=True) + "\n")
        except (OSError, ValueError) as error:
            raise SettingsError(f"The settings were not saved: {error}") from error
        return settings

    def _keep_aside(self) -> str:
        try:
            kept = atomic.set_aside(self.path)
        except OSError as error:
            return f"The settings are damaged and cannot be kept aside ({error.strerror}); defaults are used."
        return f"The settings were damaged; they are kept as {kept.name}, and defaults are used."


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
            problems.append(f"The setting {name} has a value that is not allowed; its default is used.")
    return Loaded(settings, unknown, tuple(problems))


def _typed(name: str, hint: Any, value: Any) -> Any:
    """A JSON value as the type of its field. Raises ValueError, TypeError or KeyError."""
    if name == "presets":
        return tuple(Preset(str(v["name"]), float(v["width"]), float(v["centre"])) for v in value)
    if name == "shortcuts":
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
