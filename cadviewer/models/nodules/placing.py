"""Where in the lungs a nodule lies, by the lung mask: side, third of the height, distance to the edge.

All of it is geometry of the mask, in the patient's own axes (LPS), so that it does not matter which way a scan is
stored. What is left out: lobes and segments, since the mask knows no fissures, and the hilum, since neither its height
nor its middle can be told from where the lungs end. A reader says those.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cadviewer.findings import LungPlace, Side, Third
from cadviewer.imaging.geometry import Geometry, Vector
from cadviewer.imaging.lungs import Lungs

SLAB_MM = 15.0
"""The lungs are told apart by what lies this far above and below the nodule."""
LEAST_SHARE = 0.15
"""Of the lung in a slab each side has at least this: with less, there are no two lungs in it to be told apart."""
UNSURE_MM = 6.0
"""A nodule this near to the line between the lungs gets no side."""
REACH_MM = (15.0, 30.0, 60.0)
"""How far the edge of a lung is looked for, one after the other: no point within one is farther from it."""
_BIN_MM = 2.0
_POINTS = 60_000


@dataclass(frozen=True)
class LungGrid:
    """The lung mask in the patient's axes. Coordinates in LPS mm; x rises to the patient's left, z to the head.

    points: (n, 3), of so many cells of aerated lung that they stand for all.
    """

    lungs: Lungs
    geometry: Geometry
    points: NDArray[np.float32]

    @staticmethod
    def of(lungs: Lungs, geometry: Geometry) -> LungGrid | None:
        """None for a scan of no known place, and where there is no lung."""
        if not geometry.placed or not lungs.found:
            return None
        cells = np.argwhere(lungs.air)
        cells = cells[:: max(1, len(cells) // _POINTS)]
        return LungGrid(lungs, geometry, geometry.to_patient(_voxels(lungs, cells)).astype(np.float32))

    def place(self, centre_mm: Vector, diameter_mm: float) -> LungPlace:
        """Of a nodule with its centre (LPS mm) and its mean diameter."""
        middle = self._between(centre_mm)
        edge = self._edge(centre_mm, diameter_mm)
        if middle is None or abs(centre_mm[0] - middle) < UNSURE_MM:
            return LungPlace(edge_mm=edge)
        side = Side.LEFT if centre_mm[0] > middle else Side.RIGHT
        return LungPlace(side, self._third(centre_mm, side, middle), edge)

    def _between(self, centre: Vector) -> float | None:
        """x of the line between the lungs at the height of a point: the emptiest place amid them."""
        near = np.abs(self.points[:, 2] - centre[2]) <= SLAB_MM
        x = self.points[near, 0]
        if len(x) < 50:
            return None
        low, high = np.percentile(x, (1, 99))
        if high - low < 4 * UNSURE_MM:
            return None
        edges = np.arange(low, high + _BIN_MM, _BIN_MM)
        counts = np.convolve(np.histogram(x, edges)[0], np.ones(3) / 3, "same")
        inner = slice(len(counts) // 4, len(counts) - len(counts) // 4)
        amid = counts[inner]
        emptiest = np.flatnonzero(amid <= amid.min() + 0.02 * counts.max())
        run = max(np.split(emptiest, np.flatnonzero(np.diff(emptiest) > 1) + 1), key=len)
        middle = float(edges[inner.start + run[0]] + edges[inner.start + run[-1] + 1]) / 2
        share = float((x > middle).mean())
        return middle if LEAST_SHARE <= share <= 1 - LEAST_SHARE else None

    def _third(self, centre: Vector, side: Side, middle: float) -> Third | None:
        """Of the height of its own lung; None where only a part of the lungs is in the scan."""
        if any(self.lungs.open_ends()):
            return None
        own = self.points[:, 0] > middle if side is Side.LEFT else self.points[:, 0] < middle
        low, high = np.percentile(self.points[own, 2], (0.1, 99.9))
        at = (centre[2] - low) / max(high - low, 1e-6)
        return Third.LOWER if at < 1 / 3 else Third.MIDDLE if at < 2 / 3 else Third.UPPER

    def _edge(self, centre: Vector, diameter_mm: float) -> float | None:
        """mm from the border of the nodule, taken as a ball, to the nearest cell that is no lung; 0 where it touches.

        Where the image ends there is no edge. None where none is near.
        """
        at = _cell(self.lungs, self.geometry.to_index(centre))
        nearest = next((mm for reach in REACH_MM if (mm := self._nearest(at, reach)) <= reach), None)
        if nearest is None:
            return None
        half_a_cell = float(np.mean(self.lungs.cell_mm)) / 2
        return max(0.0, nearest - half_a_cell - diameter_mm / 2)

    def _nearest(self, at: NDArray[np.float64], reach: float) -> float:
        """mm from a cell to the nearest that is no lung, infinite where there is none within reach along an axis."""
        step = np.array([self.lungs.slice_mm, *self.lungs.cell_mm])
        low = np.maximum(np.floor(at - reach / step), 0).astype(int)
        high = np.minimum(np.ceil(at + reach / step) + 1, self.lungs.closed.shape).astype(int)
        part = self.lungs.closed[low[0] : high[0], low[1] : high[1], low[2] : high[2]]
        outside = np.argwhere(~part)
        if not len(outside):
            return float("inf")
        return float(np.sqrt((((outside + low - at) * step) ** 2).sum(axis=1).min()))


def _voxels(lungs: Lungs, cells: NDArray[np.intp]) -> NDArray[np.float64]:
    """(slice, row, column) index in the scan of cells of the coarse grid, both by their centres."""
    scale = np.array([1.0, lungs.shape[1] / lungs.air.shape[1], lungs.shape[2] / lungs.air.shape[2]])
    made: NDArray[np.float64] = (cells + 0.5) * scale - 0.5
    return made


def _cell(lungs: Lungs, index: NDArray[np.float64]) -> NDArray[np.float64]:
    """The other way round."""
    scale = np.array([1.0, lungs.air.shape[1] / lungs.shape[1], lungs.air.shape[2] / lungs.shape[2]])
    made: NDArray[np.float64] = (index + 0.5) * scale - 0.5
    return made
