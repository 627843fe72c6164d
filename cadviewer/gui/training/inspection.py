"""What the trainer recognises in a folder and can be told, asked of its own process: the window imports no trainer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from PySide6.QtCore import QObject, QProcess, Signal
from shiboken6 import isValid

from cadviewer import messages, paths
from cadviewer.gui.i18n.language import tr, translate
from cadviewer.gui.training.run import spoken

PARTS = ("train", "tune", "test", "unused")
"""Of a data set, in the order in which they are told."""
KINDS = ("benign", "malignant", "normal", "unlabelled", "nodule", "without a label")
"""Of images, as sets label them; a set may have others."""


class Question(QObject):
    """One question at a time to the trainer: a new one replaces one that is still under way."""

    answered = Signal(dict)
    """What `cadviewer-train inspect` or `settings` said, with --json."""
    refused = Signal(str)
    """Why there is no answer, one line."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._process: QProcess | None = None

    def ask(self, *words: str) -> None:
        """Start asking, as on the command line; the answer comes as a signal."""
        self.cancel()
        process = QProcess(self)
        self._process = process
        # A method of this object and no lambda: it is let go of when this object is destroyed, before its process is,
        # whose end would otherwise call into what is gone.
        process.finished.connect(self._answer)
        program, *rest = paths.program()
        process.start(program, [*rest, "--train", "--json-errors", *words, "--json"])

    def cancel(self) -> None:
        """Forget a question that is under way."""
        process, self._process = self._process, None
        if process is not None and isValid(process):  # a dialog that is destroyed may hide after its children are gone
            process.finished.disconnect()
            process.kill()
            process.waitForFinished(1000)
            process.deleteLater()

    def _answer(self) -> None:
        process, self._process = self._process, None
        if process is None or not isValid(process):
            return
        lines = bytes(process.readAllStandardOutput().data()).decode("utf-8", "replace").strip().splitlines()
        error = bytes(process.readAllStandardError().data()).decode("utf-8", "replace").strip().splitlines()
        process.deleteLater()
        try:
            answer = json.loads(lines[-1]) if lines else None
        except ValueError:
            answer = None
        if isinstance(answer, dict):
            self.answered.emit(answer)
        else:
            said = translate(spoken(error[-1])) if error else tr("the trainer gave no answer")
            self.refused.emit(said)


def describe(answer: Mapping[str, Any]) -> str:
    """The answer as the dialog shows it."""
    labels = ", ".join(f"{count} {tr(name)}" for name, count in answer.get("labels", {}).items())
    parts = sorted(answer.get("split", {}).items(), key=lambda part: PARTS.index(part[0]) if part[0] in PARTS else 9)
    split = ", ".join(f"{tr(name)} {count}" for name, count in parts)
    patients = answer.get("patients")
    of = tr("patients unknown") if patients is None else tr("{patients} patients", patients=patients)
    lines = [
        tr(
            "{layout}: {images} images, {of}",
            layout=answer.get("layout") or tr("unknown layout"),
            images=answer.get("images", 0),
            of=of,
        )
    ]
    if labels:
        lines.append(labels)
    if split:
        by_patient = answer.get("by_patient", False)
        lines.append(tr("split by patient: {split}", split=split) if by_patient else tr("split: {split}", split=split))
    lines += [tr("Warning: {text}", text=translate(messages.from_json(w))) for w in answer.get("warnings", [])]
    if answer.get("refused"):
        reason = translate(messages.from_json(answer["refused"]))
        lines.append("⚠ " + tr("Cannot train on this folder: {reason}", reason=reason))
    return "\n".join(lines)
