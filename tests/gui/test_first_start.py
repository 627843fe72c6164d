"""The page of the first start, and the question for a newer version."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator

import pytest
from gui_desk import Desk
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFileDialog

import cadviewer
from cadviewer.gui.help.new_version import NewVersionDialog, is_newer
from cadviewer.gui.settings.preferences import Preferences

DEMO_CASES = 5
"""A chest CT and four ultrasound images."""


def test_the_first_start_says_what_the_program_is_and_offers_the_demo(desk: Desk) -> None:
    welcome = desk.window.workspace.welcome
    assert welcome.isVisible()
    assert "not a medical device" in welcome.text()
    assert "research use only" in welcome.text()
    assert welcome.buttons["open_files"].toolTip().endswith("(Ctrl+O)")
    desk.bot.mouseClick(welcome.buttons["open_demo"], Qt.MouseButton.LeftButton)
    desk.bot.waitUntil(lambda: len(desk.window.cases) == DEMO_CASES and not welcome.isVisible())


def test_a_button_of_the_page_asks_once_and_a_click_beside_it_as_well(desk: Desk) -> None:
    welcome = desk.window.workspace.welcome
    desk.bot.mouseClick(welcome.buttons["open_folder"], Qt.MouseButton.LeftButton)
    (dialog,) = desk.window.findChildren(QFileDialog)
    assert dialog.fileMode() is QFileDialog.FileMode.Directory
    dialog.close()
    desk.bot.mouseClick(welcome, Qt.MouseButton.LeftButton, pos=welcome.rect().topLeft())
    asked = [d for d in desk.window.findChildren(QFileDialog) if d.isVisible()]
    assert [d.fileMode() for d in asked] == [QFileDialog.FileMode.ExistingFiles]
    asked[0].close()


def test_later_starts_are_short(desk: Desk) -> None:
    preferences = Preferences()
    preferences.add_recent("/data/study")
    preferences.close()  # written
    window = type(desk.window)(desk.engine, desk.bridge, Preferences())
    welcome = window.workspace.welcome
    assert "Drop a study here" in welcome.text()
    assert "medical device" not in welcome.text()
    assert not welcome.buttons["open_demo"].isVisibleTo(welcome)
    window.shut()
    window.cases.close()


class _Page(http.server.BaseHTTPRequestHandler):
    answer: bytes | None = b""
    asked: list[str] = []  # noqa: RUF012

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_response(404 if self.answer is None else 200)
        self.send_header("Content-Length", str(len(self.answer or b"")))
        self.end_headers()
        self.wfile.write(self.answer or b"")

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def page() -> Iterator[str]:
    """The address of a page on this machine that answers what a test says."""
    _Page.asked = []
    server = http.server.HTTPServer(("127.0.0.1", 0), _Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/cadviewer/json"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (json.dumps({"info": {"version": "99.1"}}).encode(), "There is a newer one: 99.1."),
        (json.dumps({"info": {"version": cadviewer.__version__}}).encode(), "There is no newer one."),
        (b"<html>welcome</html>", "did not say which version"),
        (json.dumps({"info": {"version": "<script>"}}).encode(), "did not say which version"),
        (None, "could not be asked"),
    ],
)
def test_a_new_version_is_asked_for_and_said(desk: Desk, page: str, answer: bytes | None, said: str) -> None:
    _Page.answer = answer
    desk.window.preferences.change(versions_address=page)
    assert _Page.asked == []  # never by itself
    desk.window.actions_["new_version"].trigger()
    (dialog,) = desk.window.findChildren(NewVersionDialog)
    desk.bot.waitUntil(lambda: said in dialog.text.toPlainText())
    assert set(_Page.asked) == {"/cadviewer/json"}  # Qt may say it again on another connection


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("", "nowhere to ask"),
        ("file:///etc/passwd", "is no address of a web page"),
        ("http://127.0.0.1:9/x", "could not be asked"),
    ],
)
def test_without_an_answer_it_is_said_why(desk: Desk, address: str, said: str) -> None:
    desk.window.preferences.change(versions_address=address)
    desk.window.actions_["new_version"].trigger()
    (dialog,) = desk.window.findChildren(NewVersionDialog)
    desk.bot.waitUntil(lambda: said in dialog.text.toPlainText())


@pytest.mark.parametrize(
    ("one", "other", "newer"),
    [("0.2.0", "0.1.9", True), ("0.10", "0.9", True), ("1.0", "1.0.0", False), ("0.1.0", "0.1.0rc1", False)],
)
def test_versions_are_compared_by_their_numbers(one: str, other: str, newer: bool) -> None:
    assert is_newer(one, other) is newer
