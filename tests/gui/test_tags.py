"""The tag browser over the real window."""

from __future__ import annotations

import logging
from pathlib import Path

import labelled
import pytest
from gui_desk import Desk
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication

from cadviewer.gui.viewing.tag_browser import TagBrowser
from cadviewer.phantoms import files as phantom_files

CTRL = Qt.KeyboardModifier.ControlModifier


def browse(desk: Desk) -> TagBrowser:
    desk.bot.keyClick(desk.window, Qt.Key.Key_I, CTRL)
    browser = desk.window.findChild(TagBrowser)
    assert browser is not None
    return browser


def names(browser: TagBrowser) -> list[str]:
    return [str(browser.found.index(k, 1).data()).strip() for k in range(browser.found.rowCount())]


def value(browser: TagBrowser, name: str) -> str:
    return str(browser.found.index(names(browser).index(name), 3).data())


def test_ctrl_i_shows_the_header_of_the_image_on_screen_and_follows_it(ct: Desk) -> None:
    ct.viewport.go_to(3)
    browser = browse(ct)
    ct.bot.waitUntil(lambda: browser.found.rowCount() > 20, timeout=10_000)
    assert value(browser, "Instance Number") == "9"  # numbered against the slices
    ct.viewport.go_to(5)
    ct.bot.waitUntil(lambda: browser.found.rowCount() > 20 and value(browser, "Instance Number") == "7", timeout=10_000)
    browser.close()


def test_the_search_keeps_rows_that_hold_every_word(ct: Desk) -> None:
    browser = browse(ct)
    ct.bot.waitUntil(lambda: browser.found.rowCount() > 20, timeout=10_000)
    every = browser.found.rowCount()
    ct.bot.keyClicks(browser.search, "patient name")
    assert names(browser) == ["Patient's Name"]
    browser.search.setText("0028,0030")
    assert names(browser) == ["Pixel Spacing"]
    browser.search.setText("no such element")
    assert browser.found.rowCount() == 0
    browser.search.clear()
    assert browser.found.rowCount() == every
    browser.close()


def test_nothing_of_the_header_is_logged(ct: Desk, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        browser = browse(ct)
        ct.bot.waitUntil(lambda: browser.found.rowCount() > 20, timeout=10_000)
        browser.close()
    assert "Doe" not in caplog.text


def test_selected_rows_are_copied_as_text(ct: Desk) -> None:
    browser = browse(ct)
    ct.bot.waitUntil(lambda: browser.found.rowCount() > 20, timeout=10_000)
    browser.search.setText("modality")
    browser.view.selectRow(0)
    browser._copy()
    assert QApplication.clipboard().text() == "0008,0060\tModality\tCS\tCT"
    browser.close()


def test_a_file_that_is_not_dicom_has_no_tags_and_says_so(desk: Desk, tmp_path: Path) -> None:
    desk.open(phantom_files.write_mhd(labelled.volume(labelled.geometry(labelled.AXIAL)), tmp_path / "x.mhd"))
    browser = browse(desk)
    assert "not a DICOM file" in browser.head.text()
    browser.close()


def test_a_file_that_is_gone_is_said(ct: Desk) -> None:
    ct.case.series.slices[ct.viewport.index].file.unlink()
    browser = browse(ct)
    ct.bot.waitUntil(lambda: "Reading" not in browser.head.text(), timeout=10_000)
    assert "No such file" in browser.head.text()
    browser.close()
