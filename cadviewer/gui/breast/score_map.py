"""On request: what the score of an ultrasound frame depends on, computed by the worker and laid over the image."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, QRectF, Signal
from PySide6.QtGui import QImage, QPainter

from cadviewer.findings import ScoreMap, Task
from cadviewer.gui.canvas.viewport import Kind, Viewport
from cadviewer.gui.cases.case import Case
from cadviewer.gui.engine.requests import JobRequests
from cadviewer.inference.protocol import Cancelled, ExplainJob, Failed, Finished, JobEvent, Progressed, SharedArray
from cadviewer.messages import Message

FOR, AGAINST = (230, 120, 0), (0, 130, 230)
"""Colours (red, green, blue) of what speaks for malignancy and against it; told apart by colour-blind readers."""

WEAK = 0.1
"""Change of the logit below which no spot matters: about two hundredths of the probability."""


Key = tuple[str, int | None, int]
"""Case, request of the analysis, frame."""


@dataclass
class ScoreMapState:
    """What is known of one frame: computing (done of total), failed with a reason, or a map."""

    done: int = 0
    total: int = 0
    reason: str = ""
    map: ScoreMap | None = None

    @property
    def running(self) -> bool:
        return self.map is None and not self.reason


class ScoreMaps(QObject):
    """Asks the engine for maps, which become part of the result that they explain.

    Signals: changed(Case); made(Case): its result has another map.
    """

    changed = Signal(object)
    made = Signal(object)

    def __init__(self, requests: JobRequests, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._requests = requests
        self._kept: dict[Key, ScoreMapState] = {}
        self._asked: dict[int, Key] = {}  # by request
        self.on = False

    def of(self, case: Case | None, frame: int) -> ScoreMapState | None:
        """What is known of a frame of the result on screen; None when nobody asked, or it is not to be shown."""
        if case is None or not self.on:
            return None
        made = _map_of(case, frame)
        return ScoreMapState(map=made) if made is not None else self._kept.get((case.case_id, case.request_id, frame))

    def toggle(self, case: Case, frame: int) -> None:
        """Show it, asking for it where it is not there yet, or hide it again."""
        self.on = not self.on
        if self.on:
            self.ask(case, frame)
        else:
            self.leave()
        self.changed.emit(case)

    def ask(self, case: Case, frame: int) -> None:
        """Have the map of a frame computed, unless it is or is being. One at a time: an earlier one is cancelled."""
        key = (case.case_id, case.request_id, frame)
        finding = next((f for f in case.result.breast if f.frame == frame), None) if case.result is not None else None
        if finding is None or finding.probability is None or key in self._kept or case.result is None:
            return
        if _map_of(case, frame) is not None:
            return
        if not self._requests.can_ask(case):
            return
        self.leave()
        self._kept[key] = ScoreMapState()
        model, half = case.result.provenance.model, case.half

        def job(request: int, pixels: SharedArray) -> ExplainJob:
            return ExplainJob(case.case_id, request, Task.BREAST, model, case.series, pixels, frame=frame, half=half)

        self._asked[self._requests.ask(case, job, self._take)] = key

    def leave(self) -> None:
        """Nobody waits for what is being computed."""
        for request, key in self._asked.items():
            self._kept.pop(key, None)
            self._requests.leave(request)
        self._asked.clear()

    def _take(self, case: Case, event: JobEvent) -> None:
        key = self._asked[event.request_id]
        state = self._kept[key]
        match event:
            case Progressed(done=done, total=total):
                state.done, state.total = done, total
            case Finished(result=result):
                state.map = next((m for m in result.maps if m.frame == key[2]), None)
                state.reason = "" if state.map is not None else Message("the model gave no map")
                self._keep(case, key, state.map)
            case Failed(reason=reason):
                state.reason = reason or Message("unknown error")
            case Cancelled():  # not by `leave`, which forgets what it cancels: asking again would go round for ever
                state.reason = "stopped"
        if isinstance(event, Finished | Failed | Cancelled):
            del self._asked[event.request_id]
        self.changed.emit(case)

    def _keep(self, case: Case, key: Key, made: ScoreMap | None) -> None:
        """With the result, so that it is there again when the case is."""
        if made is not None and case.request_id == key[1] and case.result is not None:
            case.result = replace(case.result, maps=(*case.result.maps, made))
            self.made.emit(case)


def _map_of(case: Case, frame: int) -> ScoreMap | None:
    return next((m for m in case.result.maps if m.frame == frame), None) if case.result is not None else None


def colours(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    """(rows, columns, 4) RGBA, not premultiplied: the stronger a spot speaks, the more opaque.

    Scaled to the strongest spot of the image; nothing is coloured where no spot matters (`WEAK`).
    """
    rgba = np.zeros((*values.shape, 4), np.uint8)
    strongest = float(np.abs(values).max())
    if strongest < WEAK:
        return rgba
    rgba[..., :3] = np.where((values > 0)[..., None], FOR, AGAINST)
    rgba[..., 3] = (np.clip(np.abs(values) / strongest, 0, 1) * 255).astype(np.uint8)
    return rgba


class ScoreMapLayer:
    """The map of the frame on screen, below the outline. opacity: 0…1 of the strongest spot."""

    kind = Kind.MARK

    def __init__(self) -> None:
        self.case: Case | None = None
        self.opacity = 0.5
        self._map: ScoreMap | None = None
        self._image: QImage | None = None

    def show_map(self, case: Case | None, shown: ScoreMap | None) -> None:
        """Lay this map over the case, or none."""
        self.case = case
        if shown is not self._map:
            self._map, self._image = shown, None

    def paint(self, painter: QPainter, viewport: Viewport) -> None:
        shown = self._map
        if shown is None or self.case is None or viewport.stack is not self.case.stack or shown.frame != viewport.index:
            return
        if self._image is None:
            rgba = np.ascontiguousarray(colours(shown.values))
            rows, columns = rgba.shape[:2]
            self._image = QImage(rgba.data, columns, rows, 4 * columns, QImage.Format.Format_RGBA8888).copy()
        painter.save()
        painter.setTransform(viewport.transform(), True)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.setOpacity(self.opacity)
        rows, columns = shown.values.shape
        painter.drawImage(QRectF(0, 0, columns, rows), self._image)
        painter.restore()
