"""`cadviewer-train breast`: Hybrid-MT-ESTAN and its rivals on BUS-BRA, official patient folds, on Lightning.

Any network of `models.nets.NETWORKS` that is a `BreastNetwork` is trained, calibrated and exported alike.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader

from cadviewer.findings import Task
from cadviewer.models import catalogue, nets, runtime
from cadviewer.models.catalogue import ModelCard
from cadviewer.models.nets.breast_network import BreastNetwork
from cadviewer.models.nets.runtime import build as build_from_card
from trainers import config as configuration
from trainers import enough, fitting, pretrained
from trainers.breast.calibration import calibrate, observe
from trainers.breast.settings import PRESETS, BreastSettings
from trainers.breast.training import Images, SetSampler, Training
from trainers.config import ConfigError
from trainers.data.ultrasound import duplicates
from trainers.data.ultrasound.augmentation import Strength
from trainers.data.ultrasound.cases import DataError, UltrasoundCase
from trainers.data.ultrasound.sets import of_sets, own_set, said
from trainers.export import export, write_card

VIEWS: Mapping[str, list[dict[str, Any]]] = {
    "one": [{}],
    "two": [{}, {"flip": True}],
    # Smaller and not larger: on fold 4 it gained .005 of AUC and .002 of Dice over 1.15.
    "four": [{}, {"flip": True}, {"zoom": 0.87}, {"flip": True, "zoom": 0.87}],
}
STRENGTHS: Mapping[str, Strength] = {
    "strong": Strength(),
    "paper": Strength.paper(),
    "domain": Strength.other_hospitals(),
}


def make_network(settings: BreastSettings) -> BreastNetwork:
    """The network of a run. Raises ConfigError for settings that do not make one."""
    if settings.network not in nets.NETWORKS:
        raise ConfigError(f"no network is called {settings.network!r}; there are: {', '.join(nets.NETWORKS)}")
    chosen: dict[str, Any] = {"preset": settings.size, "image_size": settings.image_size}
    if settings.network == "hybrid_mt_estan":
        chosen |= {"mt_estan": settings.mt_estan, "swin": settings.swin, "aaa": settings.aaa}
        chosen |= {k: v for k in ("base", "aaa_place", "aaa_up", "fuse") if (v := getattr(settings, k))}
    try:
        network = nets.build(settings.network, {**chosen, "pretrained": settings.pretrained != "none"})
    except ImportError as error:
        raise ConfigError(f"{settings.network} needs {error.name}, which is not installed") from error
    except (ValueError, TypeError) as error:
        raise ConfigError(f"{settings.network}: {error}") from error
    if not isinstance(network, BreastNetwork):
        raise ConfigError(f"{settings.network} is no network for breast ultrasound")
    if settings.start_from:
        try:
            states = [build_from_card(catalogue.load(card)).state_dict() for card in settings.start_from]
            network.load_state_dict({k: _mean([s[k] for s in states]) for k in states[0]})
        except (catalogue.CardError, KeyError, RuntimeError) as error:
            raise ConfigError(f"init: {str(error).splitlines()[0]}") from error
    return network.to(memory_format=torch.channels_last)


def _start(
    network: BreastNetwork, settings: BreastSettings, data: Path, images: Callable[[], torch.Tensor]
) -> dict[str, Any] | None:
    """Puts ImageNet weights into the encoder where it is wanted; what a card says of them. Raises ConfigError.

    images: gives some to look at, as the network takes them.
    """
    if not network.encoder_name:
        if settings.pretrained not in ("none", "imagenet"):
            hint = ", or give a base" if settings.network == "hybrid_mt_estan" else ""
            raise ConfigError(f"pretrained is none or imagenet for {settings.network}{hint}")
        return None
    if settings.pretrained == "none":
        return None
    encoder = network.get_submodule("encoder")
    # Of values with mean 0 and deviation 1 half is about what photographs have from −1 to 1.
    gray = pretrained.GrayImages(images, gain=0.5, offset=0.0)
    return pretrained.load(encoder, network.encoder_name, settings.pretrained, data, gray)


def _mean(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    """Of weights of equal shape; counts and index tables are those of the first."""
    return torch.stack(list(tensors)).mean(0) if tensors[0].is_floating_point() else tensors[0]


def _limited(cases: list[UltrasoundCase], limit: int) -> list[UltrasoundCase]:
    """At most `limit` of the cases, evenly chosen; all for 0."""
    return cases[:: max(1, len(cases) // limit)][:limit] if limit else cases


def load_images(
    settings: BreastSettings, data: Path, folds: Sequence[int], strength: Strength | None, channels: int
) -> Images:
    """Images of the given folds of the set under `data` and of `settings.sets`. Raises ConfigError for none."""
    try:
        by_set = of_sets(data, settings.sets, folds)
    except DataError as error:
        raise ConfigError(str(error)) from error
    by_set = {name: _limited(cases, settings.limit) for name, cases in by_set.items()}
    cases = [case for part in by_set.values() for case in part]
    if not cases:
        raise ConfigError(f"{data}: no images in the folds {', '.join(map(str, folds))}")
    epoch_images = settings.epoch_images if strength is not None else 0
    enough.require(enough.classes(cases, "train" if strength is not None else "tune"))
    return Images(
        cases,
        settings.image_size,
        channels,
        strength,
        settings.seed,
        normals=settings.normals,
        sets=[len(part) for part in by_set.values()],
        epoch_images=epoch_images,
    )


def train(settings: BreastSettings, data: Path, out: Path, last: Path | None) -> Training:
    """Train into `out` (last.ckpt, log.jsonl, settings.json), from the checkpoint `last` on; what holds the average."""
    network = make_network(settings)
    if settings.augmentation not in STRENGTHS:
        raise ConfigError(f"augmentation is one of {', '.join(STRENGTHS)}, not {settings.augmentation!r}")
    strength = STRENGTHS[settings.augmentation]
    channels = network.config.in_channels
    images = load_images(settings, data, settings.train_folds, strength, channels)
    tune = load_images(settings, data, settings.tune_folds, None, channels)
    started = _start(network, settings, data, lambda: images.plain(pretrained.SEEN)) if last is None else None
    module = Training(settings, network)
    module.seen = images.seen
    module.started_with = started
    fitting.fit(
        module,
        DataLoader(images, settings.batch, sampler=SetSampler(images), drop_last=len(images) > settings.batch),
        out,
        last,
        [],
        settings,
        tune=DataLoader(tune, 32),
        deterministic=False,  # never tried on CUDA, where not every step has such a form
    )
    return module


LIMITS = (
    "For research use only: no medical device.",
    "Gray B-mode images alone: no Doppler, no elastography, no clips taken as a whole.",
)
ONE_HOSPITAL = (
    "Trained on about 1,100 images of one hospital; see the external sets for what other hospitals' images cost."
)
BUS_BRA_SHARE = "The probability is calibrated for BUS-BRA's share of malignant lesions (about one in three)."
ALL_LESIONS = "Every training image holds a lesion: images of normal breasts are recognised by a rule, not by training."
TISSUE = "No training image is of a normal breast: tissue beside lesions stood in for some."


def card_name(settings: BreastSettings) -> str:
    """What the card of a run is called."""
    return settings.name or f"breast-{settings.network}-{settings.size}".replace("_", "-")


def ship(
    settings: BreastSettings,
    network: BreastNetwork,
    data: Path,
    out: Path,
    seconds: float,
    seen: Mapping[str, int],
    started_with: Mapping[str, Any] | None = None,
) -> ModelCard:
    """Export the averaged network into `out`, calibrate what is read back on the tune folds, and write its card.

    seen: how many images of each class it was trained on; started_with: what its encoder started from.
    """
    inputs = {
        "size": network.config.image_size,
        "channels": network.config.in_channels,
        "views": VIEWS[settings.views],
        "steps": "gray, zero-padded to a square, resized, less its mean and over its deviation where not black",
    }
    trained, tuned_on = (of_sets(data, settings.sets, f) for f in (settings.train_folds, settings.tune_folds))
    before = [_told(catalogue.load(c)) for c in settings.start_from]
    normals = settings.normals or any(b.get("settings", {}).get("normals") for b in before)
    card = ModelCard(
        name=card_name(settings),
        version=settings.version,
        task=Task.BREAST,
        title=network.title,
        network=settings.network,
        config=network.card_config(),
        inputs=inputs,
        threshold=0.5,
        weights_sha256="",
        paper=network.source,
        default=settings.network == "hybrid_mt_estan" and settings.size == "compact",
        training={
            "sets": {
                name: {
                    "folds": list(settings.train_folds),
                    "tuned on": list(settings.tune_folds),
                    "images": len(cases),
                    **said(folder),
                }
                for (name, cases), folder in zip(trained.items(), (data, *settings.sets), strict=True)
            },
            "patients by set": {n: sorted({c.patient for c in cases}) for n, cases in trained.items()},
            "tuned on by set": {n: sorted({c.patient for c in cases}) for n, cases in tuned_on.items()},
            **({"started_with": dict(started_with)} if started_with else {}),
            "seen": dict(seen),
            "settings": configuration.described(settings),
            **({"started_from": before} if before else {}),
            "seconds": round(seconds),
            "parameters": sum(p.numel() for p in network.parameters()),
        },
        limits=_limits(trained, tissue=bool(normals)),
    )
    written = export(network.state_dict(), card, out)
    forward = runtime.ready(written)
    tuned = [
        observe(case, forward, inputs, name)
        for name, cases in tuned_on.items()
        for case in _limited(cases, settings.limit)
    ]
    threshold, calibration = calibrate(tuned)
    finished = dataclasses.replace(written, threshold=threshold, calibration=calibration)
    write_card(finished)
    return finished


def _limits(trained: Mapping[str, Sequence[UltrasoundCase]], *, tissue: bool) -> tuple[str, ...]:
    """What a card warns of, by the sets and their images that were learned from.

    tissue: whether tissue beside lesions stood in for normal breasts.
    """
    if "BUS-BRA" not in trained:
        return LIMITS[:1]
    if len(trained) == 1:
        return (LIMITS[0], ONE_HOSPITAL, *LIMITS[1:], BUS_BRA_SHARE, TISSUE if tissue else ALL_LESIONS)
    images = sum(map(len, trained.values()))
    normal = [(name, c.patient) for name, cases in trained.items() for c in cases if c.normal]
    hospitals = (
        f"Trained on {images} images of {len(trained)} hospitals; images of others cost accuracy, see the figures."
    )
    mixed = "The probability is calibrated for the share of malignant lesions of its tune folds (about one in three)."
    few = f"Normal tissue was learned from {len(normal)} images of {len(set(normal))} patients alone."
    return (LIMITS[0], hospitals, *LIMITS[1:], mixed, few if normal else ALL_LESIONS)


def _told(card: ModelCard) -> dict[str, Any]:
    """How a model that another started from was trained, as far back as its own card tells."""
    known = ("settings", "seconds", "started_from")
    return {"name": card.name, "version": card.version} | {k: card.training[k] for k in known if k in card.training}


def check(settings: BreastSettings, data: Path) -> None:
    """Raises ConfigError with the reason why nobody can train on the set under `data`."""
    try:
        parts = {
            part: [c for cases in of_sets(data, settings.sets, folds).values() for c in cases]
            for part, folds in (("train", settings.train_folds), ("tune", settings.tune_folds))
        }
        alike = duplicates.groups([c for part in parts.values() for c in part]) if own_set(data)[0] != "BUS-BRA" else []
        enough.require(enough.breast(parts, alike))
    except DataError as error:
        raise ConfigError(str(error)) from error


def run(file: Path | None, data: Path, out: Path, assignments: Sequence[str], resume: bool) -> None:
    """Entry point of `cadviewer-train breast`."""
    with fitting.begun(
        BreastSettings, PRESETS, file=file, data=data, out=out, assignments=assignments, resume=resume
    ) as current:
        settings = current.settings
        check(settings, data)
        module = train(settings, data, out, current.last)
        assert isinstance(module.smooth, BreastNetwork)
        current.made(ship(settings, module.smooth, data, out, module.seconds, module.seen, module.started_with))
