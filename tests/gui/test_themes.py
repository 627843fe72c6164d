"""Every theme can be read, and the window changes its colours while it is open."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from gui_desk import Desk
from PySide6.QtGui import QColor, QIcon
from PySide6.QtWidgets import QApplication, QToolButton

from cadviewer.gui.widgets import style
from cadviewer.gui.widgets.notifications import Notification


@pytest.fixture(autouse=True)
def _back_to_dark(qapp: QApplication) -> Iterator[None]:
    style.apply(qapp, "dark")
    yield
    style.apply(qapp, "dark")


@pytest.mark.parametrize("theme", style.THEMES)
def test_text_stands_out_from_what_is_behind_it(qapp: QApplication, theme: str) -> None:
    style.apply(qapp, theme)
    least = 7.0 if theme == "contrast" else 4.5
    for text in ("text", "dim"):
        for behind in ("base", "panel", "raised", "accent_dark"):
            assert style.contrast(style.colour(text), style.colour(behind)) >= least, (text, behind)
    for behind in ("panel", "notice"):
        assert style.contrast(style.colour("warning"), style.colour(behind)) >= least
    assert style.contrast(style.colour("on_accent"), style.colour("accent")) >= least
    for part in ("accent", "faint"):  # frames, marks, what is disabled
        assert style.contrast(style.colour(part), style.colour("panel")) >= 2.7, part


@pytest.mark.parametrize("theme", style.THEMES)
def test_marks_of_findings_can_be_read_in_panels(qapp: QApplication, theme: str) -> None:
    style.apply(qapp, theme)
    for mark in (style.OPEN, style.ACCEPTED, style.REJECTED, style.UNSURE, style.MASK):
        assert style.contrast(style.on_panel(mark), style.colour("panel")) >= 4.5
        assert style.contrast(mark, QColor("black")) >= 4.5  # on the image they stay as they are


def _matrices() -> dict[str, list[list[float]]]:
    """Linear RGB as seen without one kind of cone (Viénot, Brettel and Mollon 1999, Color Res Appl 24: 243)."""
    return {
        "protan": [[0.11238, 0.88762, 0.0], [0.11238, 0.88762, 0.0], [0.00401, -0.00401, 1.0]],
        "deutan": [[0.29275, 0.70725, 0.0], [0.29275, 0.70725, 0.0], [-0.02234, 0.02234, 1.0]],
    }


@pytest.mark.parametrize("kind", ["protan", "deutan"])
def test_answers_differ_for_colour_blind_readers_or_by_their_line(kind: str) -> None:
    from cadviewer.gui.nodules.boxes import LOOKS

    def seen(c: QColor) -> QColor:
        linear = [
            v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in (c.redF(), c.greenF(), c.blueF())
        ]
        out = [min(max(sum(a * b for a, b in zip(row, linear, strict=True)), 0), 1) for row in _matrices()[kind]]
        return QColor.fromRgbF(*(12.92 * v if v <= 0.0031308 else 1.055 * v ** (1 / 2.4) - 0.055 for v in out))

    looks = list(LOOKS.values())
    for k, (one, line) in enumerate(looks):
        for other, other_line in looks[k + 1 :]:
            a, b = seen(one), seen(other)
            far = abs(a.redF() - b.redF()) + abs(a.greenF() - b.greenF()) + abs(a.blueF() - b.blueF())
            assert far > 0.25 or line != other_line


def _ink(icon: QIcon) -> QColor:
    """The colour of the darkest or lightest full pixel of an icon: its one colour."""
    image = icon.pixmap(20, 20).toImage()
    inks = [image.pixelColor(x, y) for x in range(image.width()) for y in range(image.height())]
    return max(inks, key=lambda c: c.alpha())


def test_another_theme_is_there_at_once_icons_and_messages_too(read_ct: Desk) -> None:
    window = read_ct.window
    window.workspace.notifications.say(Notification("x", "Something"))
    window.preferences.change(theme="light")
    assert _ink(window.actions_["fit"].icon()).name() == style.LIGHT["text"]
    button = next(b for b in window.findChildren(QToolButton) if b.property("action") == "accept")
    assert _ink(button.icon()).name() == style.LIGHT["text"]
    assert window.grab().toImage().pixelColor(window.width() // 2, 8).name() == style.LIGHT["panel"]
    assert window.workspace.notifications.texts() == ["Something"]
    window.preferences.change(theme="contrast")
    assert _ink(window.actions_["fit"].icon()).name() == style.CONTRAST["text"]
    assert window.preferences.now.theme == "contrast"


def test_the_theme_of_the_system_is_one_of_them(desk: Desk) -> None:
    desk.window.preferences.change(theme="system")
    assert style.colour("panel").name() in (style.DARK["panel"], style.LIGHT["panel"])
