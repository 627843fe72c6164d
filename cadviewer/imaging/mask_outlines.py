"""Lines around the regions of a mask, along the edges of its pixels."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray


def pixel_outlines(mask: NDArray[Any], *, holes: bool = False) -> tuple[NDArray[np.float64], ...]:
    """Outlines (n, 2) of (x, y) edge coordinates of a (rows, columns) mask, the largest first; not closed.

    They run a quarter of a pixel within the edge. holes: whether those are outlined too.
    """
    doubled = cv2.resize(np.pad((mask > 0).astype(np.uint8), 1), None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST)
    how = cv2.RETR_CCOMP if holes else cv2.RETR_EXTERNAL
    contours, _ = cv2.findContours(doubled, how, cv2.CHAIN_APPROX_SIMPLE)
    contours = sorted(contours, key=cv2.contourArea, reverse=True)
    return tuple((c.reshape(-1, 2).astype(np.float64) + 0.5) / 2 - 1 for c in contours if len(c) > 2)
