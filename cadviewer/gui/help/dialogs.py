"""Dialogs that inform: the model card, what was not opened, keys, about. All are shown without stopping the window."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from html import escape
from types import MappingProxyType
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtGui import QFont
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QTextBrowser, QVBoxLayout, QWidget

import cadviewer
from cadviewer.gui.cases import wording
from cadviewer.gui.cases.opener import OpenReport
from cadviewer.gui.i18n.language import tr, translate
from cadviewer.gui.widgets.actions import GROUPS, SPECS
from cadviewer.gui.widgets.shortcuts import Keys, shown
from cadviewer.imaging.series import Window
from cadviewer.models.catalogue import ModelCard
from cadviewer.settings import Settings, label_of


class TextDialog(QDialog):
    """Rich text with a close button."""

    def __init__(self, parent: QWidget | None, title: str, html: str) -> None:
        super().__init__(parent)
        self.setWindowTitle(title)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.text = QTextBrowser()
        self.text.setOpenExternalLinks(True)
        self.text.setHtml(html)
        self.text.setAccessibleName(title)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.reject)
        column = QVBoxLayout(self)
        column.addWidget(self.text)
        column.addWidget(buttons)
        self.resize(680, 560)


def card_html(card: ModelCard) -> str:
    """What a model is, was trained on, can and cannot do, as rich text."""
    rows = [
        (tr("Name"), f"{card.name} {card.version}{' (' + tr('default') + ')' if card.default else ''}"),
        (tr("Task"), tr(card.task.heading)),
        (tr("Role"), tr("{role} (works with another model, never by itself)", role=card.role) if card.role else ""),
        (tr("Works with"), ", ".join(card.companions.values())),
        (tr("Paper"), card.paper),
        (tr("Network"), card.network),
        (tr("Threshold"), f"{card.threshold:.3f}"),
        (tr("Licence"), card.licence),
        (tr("Weights (SHA-256)"), card.weights_sha256),
    ]
    table = "".join(f"<tr><td><b>{k}</b>&nbsp;&nbsp;</td><td>{escape(str(v))}</td></tr>" for k, v in rows if v)
    limits = "".join(f"<li>{escape(limit)}</li>" for limit in card.limits)
    return (
        f"<h3>{escape(card.title or card.name)}</h3><table>{table}</table>"
        f"<h4>{tr('Measured (95 % interval)')}</h4>{_measured(card.measured)}"
        f"<h4>{tr('Training')}</h4>{_nested(card.training)}"
        + (f"<h4>{tr('Limits')}</h4><ul>{limits}</ul>" if limits else "")
    )


def _measured(measured: Mapping[str, Any]) -> str:
    if not measured:
        return f"<p>{tr('Nothing was measured')}.</p>"
    parts = []
    for name, figures in measured.items():
        if not isinstance(figures, Mapping):
            parts.append(f"<p>{escape(str(name))}: {escape(str(figures))}</p>")
            continue
        rows = "".join(
            f"<tr><td>{escape(str(k))}&nbsp;&nbsp;</td><td>{escape(_figure(v))}</td></tr>" for k, v in figures.items()
        )
        parts.append(f"<p><i>{escape(str(name))}</i></p><table>{rows}</table>")
    return "".join(parts)


def _figure(value: Any) -> str:
    if isinstance(value, list | tuple) and len(value) == 3 and all(isinstance(v, int | float) for v in value):
        return f"{value[0]:.3g} ({value[1]:.3g} – {value[2]:.3g})"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _nested(value: Any) -> str:
    if isinstance(value, Mapping):
        return "<ul>" + "".join(f"<li>{escape(str(k))}: {_nested(v)}</li>" for k, v in value.items()) + "</ul>"
    if isinstance(value, list | tuple):
        return (
            escape(", ".join(str(v) for v in value))
            if not any(isinstance(v, Mapping) for v in value)
            else "".join(_nested(v) for v in value)
        )
    return escape(_figure(value))


def not_opened(parent: QWidget | None, report: OpenReport) -> TextDialog:
    """Every file that gave no image, and why."""
    rows = "".join(
        f"<tr><td>{escape(r.source.name)}&nbsp;&nbsp;</td><td>{tr(r.state.value)}&nbsp;&nbsp;</td><td>{escape(translate(r.reason))}</td></tr>"
        for r in report.rejected
    )
    return TextDialog(parent, tr("Files that were not opened"), f"<table cellpadding='3'>{rows}</table>")


def shortcuts(
    parent: QWidget | None, keys: Keys, settings: Settings, presets: Mapping[int, Window] = MappingProxyType({})
) -> TextDialog:
    """Keys and mouse as they are now: those of the user's settings. presets: windows under the number keys."""
    named = {
        f"preset_{number}": f"{tr(w.name)}  {w.width:g} / {w.centre:g}".replace("-", "−")
        for number, w in presets.items()
    }
    empty = {f"preset_{number}" for number in range(1, 10) if presets and number not in presets}
    groups: list[tuple[str, list[tuple[str, str]]]] = [(tr("Mouse"), mouse(settings))]
    for menu in GROUPS:
        specs = [s for s in SPECS if s.menu == menu and keys.of[s.name] and s.name not in empty]
        rows = [(shown(keys.of[s.name]), named.get(s.name, s.plain)) for s in specs]
        if rows:
            groups.append((tr(menu).replace("&", ""), rows))
    parts = []
    for title, rows in groups:
        parts.append(f"<tr><td colspan='2'><h4>{escape(title)}</h4></td></tr>")
        parts += [f"<tr><td><b>{escape(k)}</b>&nbsp;&nbsp;&nbsp;</td><td>{escape(t)}</td></tr>" for k, t in rows]
    return TextDialog(parent, tr("Keys and mouse"), f"<table cellpadding='3'>{''.join(parts)}</table>")


def mouse(settings: Settings) -> list[tuple[str, str]]:
    """What the mouse does, as the settings say."""
    scroll, zoom = tr("Scroll images"), tr("Zoom at the cursor")
    turned, with_ctrl = (scroll, zoom) if settings.wheel_does == "scroll" else (zoom, scroll)
    return [
        (tr("Left drag"), tr("The active tool; boxes of findings are changed by the tool that selects alone")),
        (tr("Middle drag"), tr(label_of("mouse_middle", settings.mouse_middle))),
        (tr("Right drag"), tr(label_of("mouse_right", settings.mouse_right))),
        (tr("Right click"), tr("Menu")),
        (tr("Wheel"), turned),
        (tr("⌘ and wheel") if sys.platform == "darwin" else tr("Ctrl+wheel"), with_ctrl),
        (tr("Shift and move"), tr("The crosshair: the same point in all views")),
        (tr("Double click"), tr("Maximise the image, one of several views first")),
    ]


def about(parent: QWidget | None) -> TextDialog:
    """What this program is, its version, and that it is for research."""
    from PySide6 import __version__ as qt

    dialog = TextDialog(
        parent,
        tr("About cadviewer"),
        f"<h2>cadviewer {cadviewer.__version__}</h2>"
        f"<p>{tr('A viewer with computer-aided detection for chest CT and breast ultrasound.')}</p>"
        f"<p><b>{tr(wording.RESEARCH)}.</b> {tr('It is not a medical device.')}</p>"
        f"<p>{tr('Apache-2.0. Made with Qt for Python {version} (LGPL).', version=qt)}</p>",
    )
    dialog.text.setFont(QFont(dialog.text.font()))
    dialog.resize(460, 300)
    return dialog
