"""What the user set is kept, whatever happens to the file."""

from __future__ import annotations

import json
import multiprocessing
from dataclasses import fields
from pathlib import Path

import pytest

from cadviewer.settings import RECENT, Preset, Settings, SettingsError, SettingsFile, to_json


@pytest.fixture
def file(tmp_path: Path) -> SettingsFile:
    return SettingsFile(tmp_path / "config" / "settings.json")


def test_a_first_start_has_the_defaults_and_no_complaint(file: SettingsFile) -> None:
    loaded = file.load()
    assert loaded.settings == Settings()
    assert loaded.problems == ()
    assert not file.path.exists()


def test_only_what_differs_from_the_defaults_is_stored(file: SettingsFile) -> None:
    file.change(theme="light", nodule_threshold=0.25)
    assert json.loads(file.path.read_text()) == {"theme": "light", "nodule_threshold": 0.25}
    file.change(theme="dark")
    assert json.loads(file.path.read_text()) == {"nodule_threshold": 0.25}


def test_every_kind_of_value_comes_back_as_it_was(file: SettingsFile) -> None:
    changed = file.change(
        presets=((2, Preset("Mine", 10, -5)), (4, None)),
        layouts=(("CT", "four"),),
        shortcuts=(("accept", "Return"),),
        recent=("/a", "/b ö"),
        batch_jobs=4,
        analyse_on_open=False,
        vertical_drag="up_brighter",
    )
    assert file.load().settings == changed
    assert file.load().problems == ()


def test_a_damaged_file_is_kept_aside_and_said(file: SettingsFile) -> None:
    file.path.parent.mkdir()
    file.path.write_text('{"theme": "li')
    loaded = file.load()
    assert loaded.settings == Settings()
    assert "settings.damaged-1.json" in loaded.problems[0]
    file.change(theme="system")
    assert (file.path.parent / "settings.damaged-1.json").read_text() == '{"theme": "li'
    assert file.load().settings.theme == "system"


@pytest.mark.parametrize(
    "wrong",
    [
        {"theme": "pink"},
        {"batch_jobs": 0},
        {"batch_jobs": True},
        {"recent": "x"},
        {"presets": [{"name": "a"}]},
        {"presets": [[0, None]]},
        {"presets": [["2", None]]},
        {"layouts": [["CT", 4]]},
        {"nodule_threshold": 2},
        {"shortcuts": ["xyz"]},
        {"analyse_on_open": 1},
    ],
)
def test_a_value_that_is_not_allowed_gives_way_to_its_default_and_is_named(
    file: SettingsFile, wrong: dict[str, object]
) -> None:
    file.path.parent.mkdir()
    file.path.write_text(json.dumps(wrong | {"language": "de"}))
    loaded = file.load()
    assert loaded.settings == Settings(language="de")
    assert next(iter(wrong)) in loaded.problems[0]


def test_presets_of_before_are_those_of_the_first_numbers(file: SettingsFile) -> None:
    file.path.parent.mkdir()
    file.path.write_text(json.dumps({"presets": [{"name": "A", "width": 1, "centre": 2}]}))
    assert file.load().settings.presets == ((1, Preset("A", 1, 2)),)


def test_keys_of_another_version_survive_a_change(file: SettingsFile) -> None:
    file.path.parent.mkdir()
    file.path.write_text('{"hanging_protocol": {"a": 1}, "theme": "light"}')
    file.change(language="fr")
    assert json.loads(file.path.read_text()) == {"hanging_protocol": {"a": 1}, "theme": "light", "language": "fr"}


def test_a_change_that_is_not_allowed_is_refused_and_leaves_the_file(file: SettingsFile) -> None:
    file.change(theme="light")
    before = file.path.read_bytes()
    with pytest.raises(SettingsError, match="cine_rate"):
        file.change(cine_rate=0)
    assert file.path.read_bytes() == before


def test_a_value_of_a_newer_version_stays_in_the_file_until_another_is_chosen(file: SettingsFile) -> None:
    file.path.parent.mkdir()
    file.path.write_text('{"theme": "sepia"}')
    file.change(cine_rate=20)
    assert json.loads(file.path.read_text()) == {"theme": "sepia", "cine_rate": 20}
    file.change(theme="dark")
    assert json.loads(file.path.read_text()) == {"cine_rate": 20}


def test_a_file_that_cannot_be_read_is_never_written_over(file: SettingsFile, monkeypatch: pytest.MonkeyPatch) -> None:
    file.change(theme="light")
    read = Path.read_text

    def refuse(path: Path, *args: object, **more: object) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_text", refuse)
    assert "Permission denied" in file.load().problems[0]
    with pytest.raises(SettingsError, match="Permission denied"):
        file.change(cine_rate=20)
    monkeypatch.setattr(Path, "read_text", read)
    assert json.loads(file.path.read_text()) == {"theme": "light"}


def test_keys_are_stored_one_by_one_and_may_be_none(file: SettingsFile) -> None:
    file.change(shortcuts=(("accept", ","), ("accept", "Ctrl+,"), ("reject", "")))
    assert file.load().settings.keys == {"accept": (",", "Ctrl+,"), "reject": ()}


def test_recent_files_are_unique_newest_first_and_limited(file: SettingsFile) -> None:
    for number in range(RECENT + 5):
        file.add_recent(f"/{number}")
    settings = file.add_recent("/20")
    assert settings.recent[:3] == ("/20", "/24", "/23")
    assert len(settings.recent) == RECENT


def _add(path: Path, names: list[str]) -> None:
    for name in names:
        SettingsFile(path).add_recent(name)


def test_two_windows_do_not_lose_each_others_changes(file: SettingsFile) -> None:
    context = multiprocessing.get_context("spawn")
    names = [[f"/{k}/{n}" for n in range(8)] for k in range(2)]
    processes = [context.Process(target=_add, args=(file.path, part)) for part in names]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    assert sorted(file.load().settings.recent) == sorted(names[0] + names[1])


def test_every_setting_says_what_it_is() -> None:
    for option in fields(Settings):
        assert option.metadata["label"], option.name
        assert option.metadata["help"].endswith("."), option.name
    assert to_json(Settings()) == {}
