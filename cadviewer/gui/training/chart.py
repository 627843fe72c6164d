"""The two curves of a training run: the loss of its steps, and the figures on the tune fold."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QVBoxLayout, QWidget

from cadviewer.gui.i18n.language import tr
from cadviewer.gui.training.run import RunState
from cadviewer.gui.widgets import style

LINES = (("#56b4e9", "o", "●"), ("#f0a63a", "s", "■"), ("#3fc8a0", "t", "▼"), ("#cc79a7", "d", "◆"))
"""Colour (Okabe and Ito), sign of each figure and the same sign as text: colour is not the only difference."""


FIGURES = {
    "auc": "AUC",
    "balanced_accuracy": "balanced acc.",
    "dice": "Dice",
    "dice_off": "Dice, box off",
    "top1": "top 1",
    "sens1": "sens. at 1",
    "mean_sens": "mean sens.",
    "ap50": "AP .5",
}
"""What is written of a figure that a trainer tells."""


class Chart(QWidget):
    """Loss above, figures below, over the number of steps."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._loss, self._figures = self._plot(), self._plot()
        self._figures.setXLink(self._loss)
        self._loss_line = self._loss.plot()
        self._alone = self._loss.plot(pen=None, symbol="o", symbolSize=6, symbolPen=None)
        self._lines: dict[str, pg.PlotDataItem] = {}
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._loss)
        layout.addWidget(self._figures)
        self._state = RunState()
        self.use_theme()

    def use_theme(self) -> None:
        """Draw everything in the colours of the theme."""
        for plot in (self._loss, self._figures):
            plot.setBackground(style.colour("panel"))
            for side in ("left", "bottom"):
                plot.getAxis(side).setPen(style.colour("faint"))
                plot.getAxis(side).setTextPen(style.colour("dim"))
        self._loss.setTitle(tr("Loss"), color=style.colour("dim").name(), size="10pt")
        self._loss_line.setPen(pg.mkPen(_shade("#56b4e9"), width=2))
        self._alone.setSymbolBrush(_shade("#56b4e9"))
        for line, (colour, _, _) in zip(self._lines.values(), LINES, strict=False):
            line.setPen(pg.mkPen(_shade(colour), width=2))
            line.setSymbolBrush(_shade(colour))
        self.show_run(self._state)

    @staticmethod
    def _plot() -> pg.PlotWidget:
        plot = pg.PlotWidget()
        plot.showGrid(x=True, y=True, alpha=0.15)
        plot.setMouseEnabled(x=False, y=False)
        plot.hideButtons()
        plot.setMenuEnabled(False)
        plot.setMinimumHeight(110)
        return plot

    def curves(self) -> dict[str, list[tuple[float, float]]]:
        """The points of every curve as they are drawn, by name."""
        lines = {"loss": self._loss_line, "alone": self._alone, **self._lines}
        return {name: _points(line) for name, line in lines.items()}

    def show_run(self, state: RunState) -> None:
        """Draw what the run has said so far."""
        self._state = state
        steps, losses = [s for s, _ in state.losses], [v for _, v in state.losses]
        joined = _joined(steps, state.parts)
        self._loss_line.setData(steps, losses, connect=joined)
        lonely = [k for k in range(len(steps)) if not joined[k] and (k == 0 or not joined[k - 1])]
        self._alone.setData([steps[k] for k in lonely], [losses[k] for k in lonely])  # which no stroke shows
        names = figure_names(state)
        self._figures.setTitle(_legend(state, names), color=style.colour("dim").name(), size="10pt")
        for name in [n for n in self._lines if n not in names]:
            self._figures.removeItem(self._lines.pop(name))
        for name in names:
            if name not in self._lines:
                colour, sign, _ = LINES[len(self._lines) % len(LINES)]
                self._lines[name] = self._figures.plot(
                    pen=pg.mkPen(_shade(colour), width=2),
                    symbol=sign,
                    symbolSize=7,
                    symbolBrush=_shade(colour),
                    symbolPen=None,
                )
            points = [(t.step, t.figures[name]) for t in state.tune if name in t.figures]
            at = [p[0] for p in points]
            self._lines[name].setData(at, [p[1] for p in points], connect=_joined(at, state.parts))


def _joined(steps: Sequence[float], parts: Sequence[int]) -> NDArray[np.int32]:
    """(n,) whether a point is joined to the next one: not over the place where a run was gone on with."""
    joined = [
        int(k + 1 < len(steps) and not any(step <= part < steps[k + 1] for part in parts))
        for k, step in enumerate(steps)
    ]
    return np.array(joined, np.int32)


def _points(line: pg.PlotDataItem) -> list[tuple[float, float]]:
    x, y = line.getData()
    return [] if x is None else list(zip(x, y, strict=True))


def _shade(colour: str) -> QColor:
    """A line's colour, seen on the panel of every theme."""
    return style.on_panel(QColor(colour), 3.0)


def _legend(state: RunState, names: list[str]) -> str:
    """Sign, name and last value of each figure; a legend inside the plot would hide the curves of a small window."""
    if not names:
        return tr("On the tune fold")
    parts = []
    for (colour, _, sign), name in zip(LINES, names, strict=False):
        last = next(t.figures[name] for t in reversed(state.tune) if name in t.figures)
        title = tr(FIGURES[name]) if name in FIGURES else name.removeprefix("tune_").replace("_", " ")
        parts.append(f'<span style="color:{_shade(colour).name()}">{sign}</span> {title} {last:.3f}')
    return tr("On the tune fold") + "<br>" + " &nbsp; ".join(parts)


def figure_names(state: RunState) -> list[str]:
    """Figures on the tune fold that lie in 0…1, so that one axis serves them all; four at most."""
    names: dict[str, None] = {}
    for look in state.tune:
        for key, value in look.figures.items():
            if not key.startswith("loss") and isinstance(value, int | float) and 0 <= value <= 1:
                names[key] = None
    return list(names)[: len(LINES)]
