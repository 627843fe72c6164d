"""One life of the worker process: how it is begun and ended, and why it is gone. No torch, no Qt."""

from __future__ import annotations

import importlib
import logging
import signal
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import Any

from cadviewer.inference.worker_messages import WorkerOptions
from cadviewer.inference.worker_process import run_worker
from cadviewer.messages import Message

END_SECONDS = 2.0
"""How long a process has to end after it was asked to, and again after it was killed."""
WINDOWS_CRASH = 0xC0000000
"""Exit status from which on Windows says what error ended a process (MS-ERREF, NTSTATUS values)."""
STOPPED = Message("stopped by the user")

log = logging.getLogger("cadviewer.inference")


class CannotBegin(Exception):
    """Why the system gives no process, in one line."""


@dataclass
class Life:
    """A worker process with its two pipes.

    ready: it can compute. reason: why it said that it cannot. stopped: by the user. ended: by the engine, since it did
    not end by itself.
    """

    process: SpawnProcess
    commands: Connection
    events: Connection
    ready: bool = False
    reason: str = ""
    stopped: bool = False
    ended: bool = False

    @classmethod
    def begin(cls, context: SpawnContext, worker: str, options: WorkerOptions) -> Life:
        """Start a process. Raises CannotBegin."""
        # OpenCV changes sys.path while it is imported, and a process spawned meanwhile takes that along and finds none
        # of its modules. Importing it here waits for another thread that is at it (a reader, at the first file).
        importlib.import_module("cv2")
        commands_out, commands_in = _pipe(context)
        events_out, events_in = _pipe(context)
        process = context.Process(
            target=run_worker,
            args=(worker, commands_out, events_in, options),
            name="cadviewer worker",
            daemon=True,
        )
        try:
            process.start()
        except OSError as error:  # no memory or no handles left
            for end in (commands_out, commands_in, events_out, events_in):
                end.close()
            raise CannotBegin(
                Message("the inference process could not start: {strerror}", strerror=error.strerror)
            ) from error
        commands_out.close()  # so that each side notices when the other is gone
        events_in.close()
        return cls(process, commands_in, events_out)

    def close(self) -> None:
        """Let go of the pipes, which by itself ends a process that still listens."""
        self.commands.close()
        self.events.close()

    def end(self) -> bool:
        """Ask the process to end, then kill it; whether it is gone. One that has ended keeps its exit status.

        Even a killed one takes its time where others use the machine, or for ever inside a driver: that is logged, and
        left to the system.
        """
        for end in (self.process.terminate, self.process.kill):
            if self.process.is_alive():
                end()
                self.process.join(END_SECONDS)
        if self.process.is_alive():
            log.error("the inference process cannot be ended")
        return not self.process.is_alive()

    def why_gone(self) -> str:
        """One line for the user."""
        if self.stopped:
            return STOPPED
        if self.reason:
            return Message("the inference process could not start: {reason}", reason=self.reason)
        if self.ended:
            return Message("the inference process closed its connection and did not end; it was ended")
        code = self.process.exitcode
        if code is not None and code >= WINDOWS_CRASH:
            return Message("the inference process crashed ({name})", name=f"0x{code:08X}")
        if code is not None and code < 0:
            name = next((s.name for s in signal.Signals if s.value == -code), f"signal {-code}")
            if name == "SIGKILL":
                return Message("the inference process was ended by the system (SIGKILL), probably for want of memory")
            return Message("the inference process crashed ({name})", name=name)
        return Message("the inference process ended by itself (status {code})", code=code)


def _pipe(context: SpawnContext) -> tuple[Any, Any]:
    """(reader, writer). Windows gives another class than other systems, with the same methods."""
    return context.Pipe(duplex=False)
