"""How the window looks: colours, palette, style sheet, icons. Overlay colours are safe for colour-blind readers.

Text of every theme stands out from what is behind it by at least 4.5 : 1, in the theme of high contrast 7 : 1 (WCAG
2.2, 1.4.3 and 1.4.6). Images are on black in every theme.
"""

from __future__ import annotations

from functools import lru_cache
from string import Template

from PySide6.QtCore import QByteArray, QSize, Qt
from PySide6.QtGui import QAction, QColor, QIcon, QPainter, QPalette, QPixmap
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QAbstractButton, QApplication

from cadviewer import paths

DARK = {
    "base": "#101318",
    "panel": "#181c22",
    "raised": "#242a32",
    "line": "#2e353f",
    "text": "#dde3ea",
    "dim": "#a9b4c0",
    "faint": "#667280",
    "accent": "#4aa3df",
    "accent_dark": "#1f4560",
    "on_accent": "#0b1016",
    "edge": "1px",
    "rim": "transparent",
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
    "dim": "#4c5661",
    "faint": "#7d8792",
    "accent": "#1b78b8",
    "accent_dark": "#cfe6f6",
    "on_accent": "#ffffff",
    "edge": "1px",
    "rim": "transparent",
    "warning": "#8a5a00",
    "warning_line": "#c99a3f",
    "notice": "#fdf3dc",
}
CONTRAST = {
    "base": "#000000",
    "panel": "#000000",
    "raised": "#141414",
    "line": "#b4b4b4",
    "text": "#ffffff",
    "dim": "#ececec",
    "faint": "#9a9a9a",
    "accent": "#ffd83d",
    "accent_dark": "#4a3f00",
    "on_accent": "#000000",
    "edge": "2px",
    "rim": "#b4b4b4",
    "warning": "#ffc04d",
    "warning_line": "#ffc04d",
    "notice": "#1c1400",
}
# edge: width of the frame of what has the keys; rim: frame of the panels, where their colour is not enough
THEMES = {"dark": DARK, "light": LIGHT, "contrast": CONTRAST}

# Okabe and Ito's set, which the colour-blind tell apart; each state also has its own line and its own sign.
OPEN = QColor("#f0a63a")
ACCEPTED = QColor("#3fc8a0")
REJECTED = QColor("#a8b0b9")
UNSURE = QColor("#f0e442")
MASK = QColor("#56b4e9")
ANNOTATION = QColor("#e39ac4")

_colours = DARK
_theme = "dark"
_following: list[bool] = []  # whether the style is there and changes of the system's colours are listened to
_drawn: dict[int, tuple[str, str]] = {}
"""Name and tint of the icons by their cache key, so that those in use can be drawn again in other colours."""


def colour(name: str) -> QColor:
    """A colour of the theme in use."""
    return QColor(_colours[name])


def contrast(one: QColor, other: QColor) -> float:
    """Contrast ratio of two opaque colours, 1 to 21 (WCAG 2.2, definition of contrast ratio)."""

    def luminance(c: QColor) -> float:
        parts = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in (c.redF(), c.greenF(), c.blueF())]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def on_panel(overlay: QColor, ratio: float = 4.5) -> QColor:
    """An overlay colour for a panel: as it is on a dark one, as much darker as it takes to be read on a light one."""
    return QColor.fromRgb(_shade(overlay.rgb(), _colours["panel"], ratio))


@lru_cache(maxsize=256)
def _shade(overlay: int, panel: str, ratio: float) -> int:
    shade, behind = QColor.fromRgb(overlay), QColor(panel)
    if behind.lightness() < 128:
        return overlay
    while contrast(shade, behind) < ratio and shade.lightness() > 4:
        shade = shade.darker(108)
    return shade.rgb()


def colours_of(app: QApplication, theme: str) -> dict[str, str]:
    """The colours of a theme; of "system" those that the system has now."""
    if theme != "system":
        return THEMES[theme]
    app.styleHints().unsetColorScheme()
    return LIGHT if app.styleHints().colorScheme() == Qt.ColorScheme.Light else DARK


def apply(app: QApplication, theme: str = "dark") -> None:
    """Fusion in the colours of a theme: "dark", "light", "contrast" or "system", which follows the system's."""
    global _colours, _theme
    _theme = theme
    hints = app.styleHints()
    _colours = colours_of(app, theme)
    if theme != "system":
        hints.setColorScheme(Qt.ColorScheme.Light if theme == "light" else Qt.ColorScheme.Dark)
    if not _following:  # once: widgets hold on to the style they were drawn with
        app.setStyle("Fusion")
        hints.colorSchemeChanged.connect(_system_changed)
        _following.append(True)
    app.setPalette(_palette())
    sheet = (paths.resources() / "style" / "window.qss").read_text(encoding="utf-8")
    app.setStyleSheet(Template(sheet).substitute(_colours))
    _draw_again(app)


def _system_changed() -> None:
    app = QApplication.instance()
    if _theme == "system" and isinstance(app, QApplication):
        apply(app, "system")


def _draw_again(app: QApplication) -> None:
    """The icons in use in the colours of the theme."""
    old = dict(_drawn)
    icon.cache_clear()
    _drawn.clear()
    for widget in app.allWidgets():
        holders: list[QAction | QAbstractButton] = [*widget.actions()]
        if isinstance(widget, QAbstractButton):
            holders.append(widget)
        for holder in holders:
            drawn = old.get(holder.icon().cacheKey())
            if drawn is not None:
                holder.setIcon(icon(*drawn))


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
    palette.setColor(QPalette.ColorRole.HighlightedText, colour("on_accent"))
    for role in (QPalette.ColorRole.Text, QPalette.ColorRole.WindowText, QPalette.ColorRole.ButtonText):
        palette.setColor(QPalette.ColorGroup.Disabled, role, colour("faint"))
    return palette


@lru_cache(maxsize=256)
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
    _drawn[result.cacheKey()] = (name, tint)
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
