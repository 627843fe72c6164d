"""What the trainers share: how a run begins and ends, the schedule, the running average, the Lightning trainer."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import cv2
import lightning
import torch
from lightning.pytorch.callbacks import TQDMProgressBar
from torch import nn
from torch.utils.data import DataLoader

from cadviewer.models.catalogue import ModelCard
from trainers import checkpoints, config, precision, run_folder, run_log


class Common(Protocol):
    """Settings that every trainer has. threads: of the processor, 0 for torch's own choice."""

    @property
    def seed(self) -> int: ...
    @property
    def threads(self) -> int: ...


class Fitted(Protocol):
    """Settings that `fit` goes by. device: "auto" or "cpu"; precision: Lightning's, or "auto" (see
    `trainers.precision`); clip: of the gradient's norm."""

    @property
    def device(self) -> str: ...
    @property
    def precision(self) -> str: ...
    @property
    def clip(self) -> float: ...
    @property
    def epochs(self) -> int: ...
    @property
    def check_every(self) -> int: ...
    @property
    def seed(self) -> int: ...


S = TypeVar("S", bound=Common)


@dataclass
class TrainerRun(Generic[S]):
    """A run under way in the folder `out`; last: the checkpoint it goes on from, None for a new one."""

    settings: S
    out: Path
    last: Path | None
    result: dict[str, Any]

    def made(self, card: ModelCard) -> None:
        """Say in the log which card came out."""
        self.result["card"] = str(card.folder / f"{card.name}.json")


@contextmanager
def begun(
    kind: type[S],
    presets: Mapping[str, config.Preset],
    *,
    file: Path | None,
    data: Path,
    out: Path,
    assignments: Sequence[str],
    resume: bool,
) -> Iterator[TrainerRun[S]]:
    """A run of the settings `kind` (see `config.merge`) into `out`: settings.json, seeds, threads, log.jsonl.

    Raises ConfigError for settings that cannot be used and for a folder that does not fit `resume`.
    """
    settings = config.merge(kind, presets, file=file, assignments=assignments)
    out.mkdir(parents=True, exist_ok=True)
    last = run_folder.checkpoint(out, resume=resume)
    config.save(settings, out / "settings.json")
    if settings.threads:
        torch.set_num_threads(settings.threads)
        cv2.setNumThreads(settings.threads)
    lightning.seed_everything(settings.seed, verbose=False)
    with run_folder.recorded(out, dataclasses.asdict(settings), data) as result:  # type: ignore[call-overload]
        yield TrainerRun(settings, out, last, result)


def cosine(done: float, warm_up: float, *, least: float = 0.01) -> float:
    """Factor of the learning rate at the share `done` of a run: linear warm-up, then half a cosine down to `least`."""
    if done < warm_up:
        return done / warm_up
    return least + (1 - least) * (1 + math.cos(math.pi * (done - warm_up) / max(1e-9, 1 - warm_up))) / 2


def groups(network: nn.Module, decay: float, rates: Mapping[str, float] | None = None) -> list[dict[str, Any]]:
    """Parameter groups of an optimiser: weights decay, biases and the parameters of norms do not.

    rates: name of a part of the network → its own learning rate; the other parameters have the optimiser's.
    """
    made: list[dict[str, Any]] = []
    given = dict(rates or {})
    for part, rate in [*given.items(), (None, None)]:
        chosen = [
            p
            for name, p in network.named_parameters()
            if (name.split(".")[0] == part if part else name.split(".")[0] not in given)
        ]
        own = {} if rate is None else {"lr": rate}
        made.append({"params": [p for p in chosen if p.ndim > 1], "weight_decay": decay, **own})
        made.append({"params": [p for p in chosen if p.ndim <= 1], "weight_decay": 0.0, **own})
    return made


class Averaged(lightning.LightningModule):
    """A network that learns (`net`) with the running average of its weights (`smooth`), which is what is exported.

    average: share that is kept of it at each step, 0 for the network as it is. steps: of the whole run, which the
    schedule of the learning rate ends with; 0 for a task with a schedule of its own.
    """

    def __init__(self, make: Callable[[], nn.Module], average: float, steps: int = 0) -> None:
        super().__init__()
        self.average, self.steps = average, steps
        self.net = make().to(memory_format=torch.channels_last)
        self.smooth = make().to(memory_format=torch.channels_last).requires_grad_(False).eval()
        self.smooth.load_state_dict(self.net.state_dict())

    def on_train_batch_end(self, *_: Any) -> None:
        """Move the running average; it follows faster at the start. Counts and index tables are copied."""
        decay = min(self.average, (1 + self.global_step) / (10 + self.global_step))
        pairs = list(zip(self.smooth.state_dict().values(), self.net.state_dict().values(), strict=True))
        means = [(mean, ours) for mean, ours in pairs if mean.is_floating_point()]
        # All at once: one by one costs as much as the optimiser.
        torch._foreach_lerp_([mean for mean, _ in means], [ours for _, ours in means], 1 - decay)
        for mean, ours in pairs:
            if not mean.is_floating_point():
                mean.copy_(ours)

    def scheduled(self, optimiser: torch.optim.Optimizer, warm_up: float, *, constant: bool = False) -> dict[str, Any]:
        """What `configure_optimizers` returns: `optimiser` with `cosine`, or at a constant rate after the warm-up."""
        warm = max(1, int(self.steps * warm_up))

        def factor(step: int) -> float:
            if step < warm:
                return (step + 1) / warm
            return 1.0 if constant else cosine(min(1.0, step / max(1, self.steps)), warm / max(1, self.steps))

        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, factor)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def device(settings: Fitted) -> torch.device:
    """What a run trains on."""
    return torch.device("cuda" if torch.cuda.is_available() and settings.device != "cpu" else "cpu")


def fit(
    task: lightning.LightningModule,
    loader: DataLoader[Any],
    out: Path,
    checkpoint: Path | None,
    callbacks: Sequence[lightning.Callback],
    settings: Fitted,
    *,
    iterations: int = 0,
    tune: DataLoader[Any] | None = None,
    deterministic: bool = True,
) -> None:
    """Train `task` into `out` (last.ckpt after each epoch, log.jsonl), from `checkpoint` on.

    callbacks: what takes figures or averages weights. tune: what the task's own `validation_step` looks at, every
    `settings.check_every` epochs. iterations: train for so many steps, whatever `settings.epochs` says; 0 for these.
    deterministic: False for a network whose steps need not have a deterministic form on a graphics processor.
    """
    cuda = device(settings).type == "cuda"
    if checkpoint is None:
        (out / precision.FILE).unlink(missing_ok=True)
    trainer = lightning.Trainer(
        max_epochs=-1 if iterations else settings.epochs,
        max_steps=iterations or -1,
        accelerator="cuda" if cuda else "cpu",
        devices=1,
        precision=precision.chosen(settings.precision, task, loader, out, cuda=cuda),  # type: ignore[arg-type]
        gradient_clip_val=settings.clip,
        logger=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        default_root_dir=out,
        deterministic=deterministic,
        check_val_every_n_epoch=settings.check_every,
        plugins=[checkpoints.Whole()],
        callbacks=[
            *callbacks,
            run_log.RunLog(out),
            *checkpoints.callbacks(out, settings.seed),
            TQDMProgressBar(refresh_rate=20),
        ],
    )
    # Tensors and plain values: nothing is unpickled, in a run from elsewhere neither.
    trainer.fit(task, loader, tune, ckpt_path=checkpoint, weights_only=True)
