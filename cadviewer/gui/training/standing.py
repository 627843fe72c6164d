"""How a training run stands, in words. No Qt."""

from __future__ import annotations

from cadviewer.gui.i18n.language import tr, translate
from cadviewer.gui.training.run import RunState

STATES = {
    "starting": "starting: the program is being loaded",
    "running": "running",
    "done": "done",
    "stopped": "stopped",
    "failed": "failed",
    "lost": "ended without a word",
}
STAGES = {
    "reading": "starting: reading the images",
    "finishing": "finishing: calibrating and writing the weights",
}
"""What a run does when it does not train."""


def status(state: RunState) -> str:
    """How a run stands, in words."""
    if state.state == "new":
        return tr("Training runs on its own: this dialog and the viewer may be closed meanwhile.")
    if state.stopping and state.active:
        return tr("Stopping after this step; Stop once more ends it at once.")
    parts = [tr(STAGES[state.stage]) if state.active and state.stage in STAGES else tr(STATES[state.state])]
    if state.losses:
        parts.append(
            tr(
                "epoch {epoch}, step {step}, loss {loss:.3f}",
                epoch=state.epoch + 1,
                step=state.losses[-1][0],
                loss=state.losses[-1][1],
            )
        )
    if state.state == "running" and state.stage == "training" and state.progress > 0.01:
        parts.append(tr("about {time} left", time=_duration(state.seconds * (1 - state.progress) / state.progress)))
    if state.reason and state.state in ("failed", "lost"):
        parts.append(translate(state.reason))
    if state.state in ("stopped", "failed", "lost") and not state.stopping:
        parts.append(
            tr("Resume goes on from the last whole epoch.")
            if state.resumable
            else tr("It ended before its first epoch was whole: there is nothing to go on from.")
        )
    return " · ".join(parts)


def _duration(seconds: float) -> str:
    """Seconds as a reader says them."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
