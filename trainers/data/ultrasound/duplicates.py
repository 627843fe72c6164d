"""Images that show the same lesion twice: perceptual hashes, groups that must never be split, labels that disagree.

BUSI holds about 19 % near-duplicates and lesions filed under both classes (Pawłowska et al. 2023, PMC10293973). The
hash is the DCT hash of Zauner (2010): 64 signs of the lowest frequencies of a 32 × 32 picture about their median.
Images whose hashes differ in few bits form groups, transitively. A group found here is a reason to look, not a proof.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.fft import dctn
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from trainers.data.ultrasound.cases import UltrasoundCase

NEAR = 8
"""Bits of 64 in which the hashes of near-duplicates differ at most."""

SAME = 2.0
"""Gray levels that two pictures of one image differ by on average at most, where one was saved with losses."""


@dataclass(frozen=True)
class DuplicateGroup:
    """Cases that look alike. conflict: whether their labels disagree; patients: how many names they go by."""

    cases: tuple[UltrasoundCase, ...]

    @property
    def conflict(self) -> bool:
        return len({c.malignant for c in self.cases}) > 1

    @property
    def patients(self) -> int:
        return len({c.patient for c in self.cases})

    def contradicting(self) -> list[str]:
        """Names of cases that are the same picture, mirrored or saved anew at most, and are labelled differently."""
        if not self.conflict:
            return []
        small = [(c, _thumbnail(c.gray())) for c in self.cases]
        found: dict[str, None] = {}
        for k, (one, picture) in enumerate(small):
            for other, its in small[k + 1 :]:
                apart = min(float(np.abs(picture - its).mean()), float(np.abs(picture - its[:, ::-1]).mean()))
                if one.malignant is not other.malignant and apart <= SAME:
                    found |= {one.name: None, other.name: None}
        return list(found)


def _thumbnail(gray: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(64, 64): enough to tell another image of the same lesion from the same image."""
    return np.asarray(cv2.resize(gray, (64, 64), interpolation=cv2.INTER_AREA), np.float32)


def perceptual_hash(gray: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """64 bits that stay nearly the same under scaling, gain and compression."""
    small = cv2.resize(gray, (32, 32), interpolation=cv2.INTER_AREA).astype(np.float32)
    low = dctn(small, norm="ortho")[:8, :8].ravel()
    return np.asarray(low > np.median(low[1:]), bool)


def groups(cases: Sequence[UltrasoundCase], near: int = NEAR) -> list[DuplicateGroup]:
    """Groups of two or more cases whose pictures, or whose mirrored pictures, look alike; in order of their names."""
    if not cases:
        return []
    pictures = [case.gray() for case in cases]
    plain = np.array([perceptual_hash(p) for p in pictures])
    mirrored = np.array([perceptual_hash(np.ascontiguousarray(p[:, ::-1])) for p in pictures])
    distance = np.minimum(_distances(plain, plain), _distances(plain, mirrored))
    rows, columns = np.nonzero(np.triu(distance <= near, 1))
    links = coo_matrix((np.ones(len(rows)), (rows, columns)), shape=(len(cases), len(cases)))
    _, member = connected_components(links, directed=False)
    found = [tuple(cases[int(i)] for i in np.flatnonzero(member == g)) for g in np.unique(member)]
    return sorted((DuplicateGroup(c) for c in found if len(c) > 1), key=lambda g: g.cases[0].name)


def join_patients(cases: Sequence[UltrasoundCase], near: int = NEAR) -> list[UltrasoundCase]:
    """The same cases, with one patient for all that look alike and for all who share a patient with them."""
    parent = {c.patient: c.patient for c in cases}

    def root(name: str) -> str:
        while parent[name] != name:
            name = parent[name]
        return name

    for group in groups(cases, near):
        first = root(group.cases[0].patient)
        for case in group.cases[1:]:
            parent[root(case.patient)] = first
    return [replace(c, patient=root(c.patient)) for c in cases]


def _distances(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Hamming distances (n, m) of hashes (n, 64) and (m, 64)."""
    x, y = a.astype(np.float32), b.astype(np.float32)
    return np.asarray(np.rint(x @ (1 - y).T + (1 - x) @ y.T), np.int64)
