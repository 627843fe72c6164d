"""A case that cannot be read gives way to the last good one: on screen, with its findings and its journal."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from gui_desk import Desk, nodule
from gui_images import write_ct

from cadviewer.imaging import files
from cadviewer.imaging.series import Series
from cadviewer.store.session import Answer, Session, case_key


@pytest.fixture
def vanishing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A CT whose last slice goes away between the scan and the reading, as on a drive that is pulled out."""
    folder_of_ct = write_ct(tmp_path / "vanishing", value=-300)
    scan = files.scan

    def scan_and_pull(*args: Any, **options: Any) -> Iterator[Any]:
        for found in scan(*args, **options):
            if isinstance(found, Series) and found.source == folder_of_ct:
                found.slices[-1].file.unlink(missing_ok=True)
            yield found

    monkeypatch.setattr(files, "scan", scan_and_pull)
    return folder_of_ct


def _opened(desk: Desk) -> list[Any]:
    seen: list[Any] = []
    desk.window.opener.opened.connect(seen.append)
    return seen


def test_a_series_that_fails_after_its_first_image_was_shown_gives_way_to_the_case_before(
    read_ct: Desk, vanishing: Path
) -> None:
    before, stack, seen = read_ct.case, read_ct.viewport.stack, _opened(read_ct)
    read_ct.window.review_controller.choose(2)
    said = read_ct.refuse(vanishing)
    assert [case is before for case in seen] == [False, True]  # its first image was on screen
    assert "vanishing" in said
    assert "image 12 of 12" in said
    assert read_ct.case is before
    assert read_ct.viewport.stack is stack
    assert before.selected == 2
    assert before.result is not None
    read_ct.wait_kept(lambda: read_ct.window.review_controller.answer(Answer.ACCEPTED))
    assert before.answer(before.finding(2)) is Answer.ACCEPTED
    assert list(Session(case_key(before.series)).decisions().values()) == [Answer.ACCEPTED]


@pytest.fixture
def slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A CT that takes 2 s to read after its first image."""
    folder_of_ct = write_ct(tmp_path / "slow", value=-500)
    read = files.read

    def read_slowly(series: Series, **options: Any) -> Any:
        on_slice = options.pop("on_slice")

        def wait(k: int) -> None:
            on_slice(k)
            for _ in range(20 if series.source == folder_of_ct else 0):
                on_slice(k)  # which raises when the reading was given up
                time.sleep(0.01)

        return read(series, on_slice=wait, **options)

    monkeypatch.setattr(files, "read", read_slowly)
    return folder_of_ct


@pytest.mark.parametrize("cancelled", [False, True])
def test_the_last_good_case_outlives_one_that_was_given_up_for_one_that_fails(
    read_ct: Desk, slow: Path, vanishing: Path, cancelled: bool
) -> None:
    before, stack = read_ct.case, read_ct.viewport.stack
    read_ct.window.open_paths([slow])
    read_ct.bot.waitUntil(lambda: read_ct.case.series.source == slow)
    assert not read_ct.case.stack.complete
    if cancelled:
        assert read_ct.window.opener.cancel()
    else:
        read_ct.refuse(vanishing)
    assert read_ct.case is before
    assert read_ct.viewport.stack is stack
    assert before.stack is stack


def test_the_last_good_case_is_read_again_where_its_pixels_had_to_make_room(read_ct: Desk, vanishing: Path) -> None:
    before = read_ct.case
    read_ct.window.cases._keep_bytes = 1
    read_ct.finish(nodule(1, 0.9, 2, 4))  # its job is over: its pixels may go
    read_ct.refuse(vanishing)
    read_ct.bot.waitUntil(lambda: read_ct.case is before and before.stack is not None and before.stack.complete)
    assert read_ct.viewport.stack is before.stack


def test_a_series_that_fails_with_nothing_before_it_leaves_an_empty_window(desk: Desk, vanishing: Path) -> None:
    seen = _opened(desk)
    desk.refuse(vanishing)
    desk.bot.waitUntil(lambda: desk.case is None)
    assert len(seen) == 1
    desk.open(write_ct(vanishing.parent / "next"))  # and the window goes on
    assert len(desk.viewport.stack) == 12
