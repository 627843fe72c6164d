"""How the window looks: colours, palette, style sheet, icons. Overlay colours are safe for colour-blind readers."""

from __future__ import annotations

from functools import lru_cache
from string import Template

from PySide6.QtCore import QByteArray, QSize, Qt
from PySide6.QtGui import QColor, QIcon, QPainter, QPalette, QPixmap
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QApplication

from cadviewer import paths

DARK = {
    "base": "#101318",
    "panel": "#181c22",
    "raised": "#242a32",
    "line": "#2e353f",
    "text": "#dde3ea",
    "dim": "#95a0ad",
    "faint": "#5b6673",
    "accent": "#4aa3df",
    "accent_dark": "#1f4560",
    "warning": "#f2b552",
    "warning_line": "#6d5527",
    "notice": "#2b2517",
}
LIGHT = {
    "base": "#e4e7eb",
    "panel": "#f4f6f8",
    "raised": "#ffffff",
    "line": "#c6ccd3",
    "text": "#1b2026",
    "dim": "#55606c",
    "faint": "#98a2ad",
    "accent": "#1d7fc0",
    "accent_dark": "#cfe6f6",
    "warning": "#8a5a00",
    "warning_line": "#c99a3f",
    "notice": "#fdf3dc",
}

# Okabe and Ito's set, which the colour-blind tell apart; each state also has its own line and its own sign.
OPEN = QColor("#f0a63a")
ACCEPTED = QColor("#3fc8a0")
REJECTED = QColor("#a8b0b9")
UNSURE = QColor("#f0e442")
MASK = QColor("#56b4e9")

_colours = DARK


def colour(name: str) -> QColor:
    """A colour of the theme in use."""
    return QColor(_colours[name])


def apply(app: QApplication, theme: str = "dark") -> None:
    """Fusion in the colours of a theme: "dark", "light" or "system"."""
    global _colours
    hints = app.styleHints()
    if theme == "system":
        dark = hints.colorScheme() != Qt.ColorScheme.Light
    else:
        dark = theme != "light"
        hints.setColorScheme(Qt.ColorScheme.Dark if dark else Qt.ColorScheme.Light)
    _colours = DARK if dark else LIGHT
    app.setStyle("Fusion")
    app.setPalette(_palette())
    sheet = (paths.resources() / "style" / "window.qss").read_text(encoding="utf-8")
    app.setStyleSheet(Template(sheet).substitute(_colours))
    icon.cache_clear()


def _palette() -> QPalette:
    palette = QPalette()
    roles = {
        QPalette.ColorRole.Window: "base",
        QPalette.ColorRole.Base: "panel",
        QPalette.ColorRole.AlternateBase: "raised",
        QPalette.ColorRole.Button: "raised",
        QPalette.ColorRole.WindowText: "text",
        QPalette.ColorRole.Text: "text",
        QPalette.ColorRole.ButtonText: "text",
        QPalette.ColorRole.ToolTipBase: "raised",
        QPalette.ColorRole.ToolTipText: "text",
        QPalette.ColorRole.PlaceholderText: "faint",
        QPalette.ColorRole.Highlight: "accent",
        QPalette.ColorRole.Link: "accent",
    }
    for role, name in roles.items():
        palette.setColor(role, colour(name))
    palette.setColor(QPalette.ColorRole.HighlightedText, QColor("#ffffff"))
    for role in (QPalette.ColorRole.Text, QPalette.ColorRole.WindowText, QPalette.ColorRole.ButtonText):
        palette.setColor(QPalette.ColorGroup.Disabled, role, colour("faint"))
    return palette


@lru_cache(maxsize=128)
def icon(name: str, tint: str = "text") -> QIcon:
    """An icon of `resources/icons` in a colour of the theme, sharp on any screen."""
    source = (paths.resources() / "icons" / f"{name}.svg").read_text(encoding="utf-8")
    result = QIcon()
    for shade, mode in ((tint, QIcon.Mode.Normal), ("faint", QIcon.Mode.Disabled)):
        renderer = QSvgRenderer(QByteArray(source.replace("currentColor", _colours[shade]).encode()))
        for side in (20, 40, 60):
            pixmap = QPixmap(QSize(side, side))
            pixmap.fill(Qt.GlobalColor.transparent)
            painter = QPainter(pixmap)
            renderer.render(painter)
            painter.end()
            result.addPixmap(pixmap, mode)
    return result


def app_icon() -> QIcon:
    """The program's own icon."""
    source = (paths.resources() / "icons" / "cadviewer.svg").read_bytes()
    renderer = QSvgRenderer(QByteArray(source))
    result = QIcon()
    for side in (16, 32, 64, 128, 256):
        pixmap = QPixmap(QSize(side, side))
        pixmap.fill(Qt.GlobalColor.transparent)
        painter = QPainter(pixmap)
        renderer.render(painter)
        painter.end()
        result.addPixmap(pixmap)
    return result
