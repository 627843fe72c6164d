"""What every runtime's network does with a batch: compute it in parts, and with less memory where that gets short."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from cadviewer.models.runtime import Note


class BatchedForward:
    """Base of a `models.runtime.ReadyForward`.

    When memory gets short it halves its batch, down to single images, and then leaves its device if it has another;
    each step is told to `note`. `device`, `why` and `batch_size` always say what is used now.
    """

    device: str
    why: str

    def __init__(self, batch_size: int, *, note: Note, between: Callable[[], None]) -> None:
        """`between`: called before each part of a batch; whatever it raises ends the run."""
        self.batch_size = batch_size
        self.note = note
        self._between = between

    def __call__(self, batch: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        """See `Forward`. Raises MemoryError when one image is too much even for the CPU."""
        parts: list[tuple[NDArray[np.float32], ...]] = []
        begin = 0
        while begin < len(batch):
            self._between()  # which may run another case with this very network
            part = batch[begin : begin + self.batch_size]
            try:
                parts.append(self._compute(part))
                begin += len(part)
            except (RuntimeError, MemoryError) as error:  # libraries say it as RuntimeError too
                if not self._is_out_of_memory(error):
                    raise
                self._make_room(len(part), error)
        return parts[0] if len(parts) == 1 else tuple(np.concatenate(each) for each in zip(*parts, strict=True))

    def _compute(self, batch: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        """Outputs of a part, which may be kept."""
        raise NotImplementedError

    def _is_out_of_memory(self, error: Exception) -> bool:
        raise NotImplementedError

    def _leave_device(self) -> bool:
        """Go on elsewhere, where there is more memory; False where there is nothing else."""
        return False

    def _make_room(self, size: int, error: Exception) -> None:
        """Use less memory from now on, or raise MemoryError."""
        if size > 1:
            self.batch_size = size // 2
            self.note(f"out of memory on {self.device}: going on with batches of {self.batch_size} instead of {size}")
            return
        left = self.device
        if not self._leave_device():
            raise MemoryError("not enough memory for this model") from error
        self.note(f"out of memory on {left}: going on with the CPU")
