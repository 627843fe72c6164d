"""Reads the convolutions of a TensorFlow Lite file: weights to start a training from, without TensorFlow.

The container is a FlatBuffer (https://flatbuffers.dev/internals): tables whose fields are found through a table of
offsets. Field numbers are those of `tensorflow/lite/schema/schema.fbs` (version 3). A quantised tensor stands for
(value − zero point) · scale, per tensor or per channel of one axis.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trainers.config import ConfigError

CONVOLUTION, DEPTHWISE = 3, 4
"""BuiltinOperator of the schema."""
TYPES = {0: "<f4", 1: "<f2", 2: "<i4", 3: "u1", 4: "<i8", 9: "i1"}
"""TensorType of the schema → NumPy's."""

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Convolution:
    """weight: (out, in, rows, columns), a depthwise one with in = 1; bias: (out,), the batch norm folded into both."""

    weight: Floats
    bias: Floats
    depthwise: bool


def convolutions(path: Path) -> list[Convolution]:
    """The convolutions of the file's first graph, in the order of its operators.

    Raises ConfigError naming a file that is none, or is damaged.
    """
    try:
        data = path.read_bytes()
        if data[4:8] != b"TFL3":
            raise ConfigError(f"{path}: not a TensorFlow Lite file")
        return _Model(data).convolutions()
    except (OSError, struct.error, IndexError, KeyError, ValueError, TypeError) as error:
        raise ConfigError(f"{path}: a damaged TensorFlow Lite file ({type(error).__name__})") from error


class _Model:
    def __init__(self, data: bytes) -> None:
        self.data = data
        root = self.u32(0)
        graphs, _ = self.vector(root, 2)
        self.graph = self.follow(graphs)
        self.tensors, _ = self.vector(self.graph, 0)
        self.codes, _ = self.vector(root, 1)
        self.buffers, _ = self.vector(root, 4)

    def u32(self, at: int) -> int:
        return int(struct.unpack_from("<I", self.data, at)[0])

    def i32(self, at: int) -> int:
        return int(struct.unpack_from("<i", self.data, at)[0])

    def follow(self, at: int) -> int:
        return at + self.u32(at)

    def field(self, table: int, number: int) -> int | None:
        """Where field `number` of a table lies; None where it has its default."""
        offsets = table - self.i32(table)
        (size,) = struct.unpack_from("<H", self.data, offsets)
        if 4 + 2 * number >= size:
            return None
        (offset,) = struct.unpack_from("<H", self.data, offsets + 4 + 2 * number)
        return table + offset if offset else None

    def vector(self, table: int, number: int) -> tuple[int, int]:
        """Where the elements of a vector field begin, and how many they are; (0, 0) where there is none."""
        at = self.field(table, number)
        if at is None:
            return 0, 0
        start = self.follow(at)
        return start + 4, self.u32(start)

    def integer(self, table: int, number: int, form: str = "<i") -> int:
        at = self.field(table, number)
        return 0 if at is None else int(struct.unpack_from(form, self.data, at)[0])

    def array(self, table: int, number: int, kind: str) -> NDArray[np.generic]:
        at, count = self.vector(table, number)
        return np.frombuffer(self.data, kind, count, at) if count else np.zeros(0, kind)

    def convolutions(self) -> list[Convolution]:
        found = []
        at, count = self.vector(self.graph, 3)
        for k in range(count):
            operator = self.follow(at + 4 * k)
            code = self.follow(self.codes + 4 * self.integer(operator, 0, "<I"))
            kind = max(self.integer(code, 0, "<b"), self.integer(code, 3))
            if kind in (CONVOLUTION, DEPTHWISE):
                inputs = self.array(operator, 1, "<i4")
                weight, bias = (self.values(int(i)) for i in inputs[1:3])
                order = (0, 3, 1, 2) if kind == CONVOLUTION else (3, 0, 1, 2)
                found.append(Convolution(np.ascontiguousarray(weight.transpose(order)), bias, kind == DEPTHWISE))
        return found

    def values(self, number: int) -> Floats:
        """A constant tensor as it is meant."""
        tensor = self.follow(self.tensors + 4 * number)
        shape = [int(n) for n in self.array(tensor, 0, "<i4")]
        buffer = self.follow(self.buffers + 4 * self.integer(tensor, 2, "<I"))
        at, size = self.vector(buffer, 0)
        kind = np.dtype(TYPES[self.integer(tensor, 1, "<b")])
        stored = np.frombuffer(self.data, kind, size // kind.itemsize, at).reshape(shape).astype(np.float32)
        place = self.field(tensor, 4)
        if place is None:
            return stored
        quantised = self.follow(place)
        scale, zero = self.array(quantised, 2, "<f4").astype(np.float32), self.array(quantised, 3, "<i8")
        if not len(scale):
            return stored
        along = [1] * len(shape)
        if len(scale) > 1:
            along[self.integer(quantised, 6)] = len(scale)
        offset = zero.astype(np.float32).reshape(along) if len(zero) else np.float32(0)
        return np.asarray((stored - offset) * scale.reshape(along), np.float32)
