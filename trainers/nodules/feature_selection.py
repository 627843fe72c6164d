"""Filter feature selection of Abdullah et al. §2.2.1: the channels that tell nodules from background go on, by a test.

A filter scores each feature by itself, before and without the classifier. Here a feature is a channel of one of the
backbone's maps, pooled (its mean) over the box of a nodule or over a box of the same size elsewhere in the lungs of the
same training slice; the network is that of `start_from`. The score is the F of a one-way analysis of variance
(`sklearn.feature_selection.f_classif`) or the mutual information with the label (`mutual_info_classif`). Of each map
the best `select_keep` go on to the layers that follow; what those layers learned of the others is cut off, the rest of
their weights is carried over, and training goes on.

The paper leaves open, and this is what was chosen:

- which maps are scored, and whether together: every backbone map that goes on, each by itself, since pooled values of
  maps of different stride are not on one scale;
- which places stand for "no nodule", and how many: one box of the same size per nodule, its centre in the lungs, off
  every nodule, at most `MOST_SLICES` slices;
- how many features stay, and by which test: settings;
- what becomes of the others: they no longer leave the backbone. Inside it they stay, since deeper layers compute from
  them: the network gets narrower after the backbone alone, and hardly faster;
- whether the network is trained on afterwards: it is, for `epochs`.
"""

from __future__ import annotations

import json
import pickle
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.feature_selection import f_classif, mutual_info_classif
from torch import Tensor
from torch.nn import functional
from torchvision.ops import roi_align

from cadviewer import atomic
from cadviewer.models.nets import build
from cadviewer.models.nets.ssd import SSD
from cadviewer.models.nodules.boxes import Boxes, iou
from cadviewer.models.nodules.detection import MULTIPLE, repair_wrapped
from trainers.config import ConfigError
from trainers.data.ct.samples import LabelledSlice
from trainers.nodules.crops import lungs_of_masked
from trainers.nodules.settings import NoduleSettings, network_config

Keep = list[list[int]]
"""For each map of the backbone the channels that go on, rising."""

MOST_SLICES = 400
RECORD = "selection.json"


def settled(
    settings: NoduleSettings, classes: Sequence[str], train: Sequence[LabelledSlice], out: Path, *, resumed: bool
) -> Keep | None:
    """What goes on in this run: chosen now, or earlier where it is resumed or started from such a run; None for all.

    Written to `selection.json` in `out`, with the scores. Raises ConfigError for a start that cannot be used.
    """
    record = out / RECORD
    if resumed and record.is_file():
        return _read(record)
    earlier = settings.start_from.parent / RECORD if settings.start_from else record
    if settings.start_from and earlier.is_file():
        if settings.select:
            raise ConfigError(f"select: channels were selected already in {earlier.parent}; start from a whole network")
        atomic.write_text(record, earlier.read_text(encoding="utf-8"))
        return _read(record)
    if not settings.select or settings.start_from is None:  # which settings without a start have been refused for
        return None
    network = network_config(settings, classes)
    whole = build("ssd", network)
    assert isinstance(whole, SSD)
    state = state_of(settings.start_from)
    try:
        whole.load_state_dict({k.removeprefix("smooth."): v for k, v in state.items() if k.startswith("smooth.")})
    except RuntimeError as error:
        raise ConfigError(f"start_from: {settings.start_from} does not fit ({type(error).__name__})") from error
    features, truth = pooled(whole, train, settings)
    scores = [score(values, truth, settings.select, settings.seed) for values in features]
    keep = [best(one, settings.select_keep) for one in scores]
    content = {
        "test": settings.select,
        "places": {"nodules": int(truth.sum()), "background": int((~truth).sum())},
        "keep": keep,
        "scores": [[round(float(v), 5) if np.isfinite(v) else None for v in one] for one in scores],
    }
    atomic.write_text(record, json.dumps(content) + "\n")
    return keep


def state_of(checkpoint: Path) -> dict[str, Tensor]:
    """The weights in a checkpoint of an earlier run. Raises ConfigError naming one that cannot be used."""
    try:
        state: dict[str, Tensor] = torch.load(checkpoint, map_location="cpu", weights_only=True)["state_dict"]
    except (OSError, KeyError, RuntimeError, pickle.UnpicklingError) as error:
        raise ConfigError(f"start_from: {checkpoint} does not fit ({type(error).__name__})") from error
    return state


def pooled(
    network: SSD, slices: Sequence[LabelledSlice], settings: NoduleSettings
) -> tuple[list[NDArray[np.float32]], NDArray[np.bool_]]:
    """For each map (places, channels): the mean of each channel over every place; and (places,) whether it is a nodule.

    Raises ConfigError when there is no nodule, or nowhere else to look.
    """
    chosen = np.random.default_rng(settings.seed).permutation(len(slices))[:MOST_SLICES]
    rows: list[list[NDArray[np.float32]]] = []
    truth: list[bool] = []
    network.eval()
    for k in sorted(int(i) for i in chosen):
        boxes, labels = places(slices[k], np.random.default_rng((settings.seed, k)))
        if len(boxes):
            rows.append(_pool(network.backbone, slices[k].stack(settings.neighbours), boxes))
            truth += labels
    known = np.array(truth, bool)
    if not known.any() or known.all():
        raise ConfigError("select: the training slices have no nodules, or nothing beside them")
    return [np.concatenate(one) for one in zip(*rows, strict=True)], known


def places(item: LabelledSlice, draw: np.random.Generator) -> tuple[Boxes, list[bool]]:
    """The nodules of a slice and as many boxes of their sizes beside them in the lungs; and which are nodules."""
    known = np.concatenate([item.boxes, item.others, item.ignored])
    ys, xs = np.nonzero(lungs_of_masked(repair_wrapped(item.pixels())))
    found: list[Any] = []
    for box in item.boxes:
        half = (box[2:] - box[:2]) / 2
        for _ in range(20):
            if not len(ys):
                break
            i = int(draw.integers(len(ys)))
            centre = np.array([xs[i] + 0.5, ys[i] + 0.5])
            beside = np.concatenate([centre - half, centre + half]).astype(np.float32)
            if iou(beside[None], known).max() == 0:
                found.append(beside)
                break
    boxes = np.concatenate([item.boxes, np.array(found, np.float32).reshape(-1, 4)]).astype(np.float32)
    return boxes, [True] * len(item.boxes) + [False] * len(found)


def _pool(backbone: Any, pixels: NDArray[np.uint8], boxes: Boxes) -> list[NDArray[np.float32]]:
    """(boxes, channels) of each map of one whole slice, given with its neighbours (inputs, rows, columns)."""
    image = np.stack([repair_wrapped(c) for c in pixels]).astype(np.float32) / 255
    rows, columns = image.shape[1:]
    padded = functional.pad(torch.from_numpy(image), (0, -columns % MULTIPLE, 0, -rows % MULTIPLE))[None]
    with torch.inference_mode():
        maps: list[Tensor] = backbone(padded)
        found = []
        for one in maps:
            scale = one.shape[-1] / padded.shape[-1]
            place = [torch.from_numpy(boxes)]
            values = roi_align(one, place, output_size=1, spatial_scale=scale, sampling_ratio=4, aligned=True)
            found.append(values.flatten(1).numpy())
    return found


def score(values: NDArray[np.float32], truth: NDArray[np.bool_], test: str, seed: int) -> NDArray[np.float64]:
    """(channels,) how well each channel tells the places apart; −inf for one that is the same everywhere."""
    if test == "mutual_info":
        found = np.asarray(mutual_info_classif(values, truth, random_state=seed), float)
    else:
        with warnings.catch_warnings(), np.errstate(divide="ignore", invalid="ignore"):
            warnings.simplefilter("ignore", UserWarning)  # constant channels: they are named below
            found = np.asarray(f_classif(values, truth)[0], float)
    return np.where((np.ptp(values, axis=0) > 0) & ~np.isnan(found), found, -np.inf)


def best(scores: NDArray[np.float64], share: float) -> list[int]:
    """The channels with the highest scores, rising; of equal ones the first; at least one."""
    count = max(1, round(share * len(scores)))
    return sorted(int(i) for i in np.argsort(-scores, kind="stable")[:count])


def carry(state: Mapping[str, Tensor], network: Mapping[str, Any], keep: Keep) -> dict[str, Tensor]:
    """The weights of a whole network as those of the one that only takes the kept channels.

    state: of `NoduleTask`; network: its `ModelCard.config`. Weights that fit already are left as they are.
    """
    carried = dict(state)
    for prefix in ("net.", "smooth."):
        for number, channels in enumerate(keep):
            for name, each in _readers(network, number, len(keep)):
                weight = carried.get(prefix + name)
                inputs = [c * each + i for c in channels for i in range(each)]
                if weight is not None and weight.shape[1] > len(inputs):
                    carried[prefix + name] = weight[:, inputs].clone()
    return carried


def _readers(network: Mapping[str, Any], number: int, maps: int) -> list[tuple[str, int]]:
    """The convolutions that read a map of the backbone, and how many of their inputs each of its channels becomes."""
    if network["maps"] == "topdown":
        # The finest map enters with its 2×2 neighbours side by side in depth: four inputs per channel.
        return [("maps.detail.0.weight", 4)] if number == 0 else [(f"maps.lateral.{number - 1}.weight", 1)]
    heads = [(f"{head}.{number}.weight", 1) for head in ("classifiers", "regressors")]
    return [*heads, ("maps.steps.0.0.0.weight", 1)] if number == maps - 1 else heads


def _read(record: Path) -> Keep:
    try:
        keep: Keep = json.loads(record.read_text(encoding="utf-8"))["keep"]
    except (OSError, ValueError, KeyError) as error:
        raise ConfigError(f"{record}: not the record of a selection ({type(error).__name__})") from error
    return keep
