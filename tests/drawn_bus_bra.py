"""A small set in the layout of BUS-BRA, drawn: enough to train a tiny network for a few steps."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

TINY = ["size=tiny", "image_size=64", "limit=8", "batch=4", "threads=1", "views=two", "precision=32-true"]
"""Settings that make a run of seconds of it."""


def write(folder: Path) -> Path:
    """Forty images of dark discs, every third called malignant, eight of each official fold."""
    (folder / "Images").mkdir(parents=True)
    (folder / "Masks").mkdir()
    generator = np.random.default_rng(0)
    rows, folds = ["ID,Case,Histology,Pathology,BIRADS,Device,Width,Height,Side,BBOX"], ["ID,Pathology,kFold"]
    for k in range(40):
        malignant = k % 3 == 0
        mask = np.zeros((72, 96), np.uint8)
        cv2.circle(mask, (48, 36), int(generator.integers(8, 20)), 255, cv2.FILLED)
        noise = generator.integers(60, 120, mask.shape)
        cv2.imwrite(
            str(folder / "Images" / f"bus_{k:04d}-l.png"), np.where(mask > 0, noise // 3, noise).astype(np.uint8)
        )
        cv2.imwrite(str(folder / "Masks" / f"mask_{k:04d}-l.png"), mask)
        kind = "malignant" if malignant else "benign"
        rows.append(f'bus_{k:04d}-l,{k},x,{kind},3,Machine,96,72,left,"[0,0,1,1]"')
        folds.append(f"bus_{k:04d}-l,{kind},{k % 5 + 1}")
    (folder / "bus_data.csv").write_text("\n".join(rows), encoding="utf-8")
    (folder / "5-fold-cv.csv").write_text("\n".join(folds), encoding="utf-8")
    return folder
