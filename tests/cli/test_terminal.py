"""Standard output of any kind, seen from inside."""

from __future__ import annotations

import io
import sys

import pytest

from cadviewer import terminal


def test_a_pipe_that_breaks_elsewhere_is_not_taken_for_standard_output(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    with pytest.raises(BrokenPipeError), terminal.speaking():
        raise BrokenPipeError


def test_a_start_without_standard_output_speaks_to_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    with terminal.speaking():
        print("to nobody")  # noqa: T201


def test_what_a_command_raises_is_let_through() -> None:
    with pytest.raises(SystemExit, match="2"), terminal.speaking():
        raise SystemExit(2)
