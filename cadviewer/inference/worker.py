"""What the worker process does with a job: model, pixels, analysis, result. Imported by name in that process alone.

A further task is a further line in `findings.Task`, a further runtime one in `models.runtime.RUNTIMES`.
"""

from __future__ import annotations

import json
import os
from collections import OrderedDict

from cadviewer.messages import Message, joined

# Threads that spin while they wait slow each other down, and the window with them, as soon as anything else wants a
# core (measured: 3–5 times slower with two of two cores busy). OpenMP reads this once, when torch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from cadviewer import APPLICATION
from cadviewer.findings import Provenance, Result, Task, UsedCompanion
from cadviewer.imaging.series import InputError, Volume
from cadviewer.inference.protocol import AnalyseJob, DeviceReady, ExplainJob, Job, OutlineJob
from cadviewer.inference.shared import attach
from cadviewer.inference.worker_loop import JobError, Reporter
from cadviewer.inference.worker_messages import WorkerOptions
from cadviewer.models import catalogue
from cadviewer.models.catalogue import CardError, ModelCard
from cadviewer.models.gate.input_gate import OutOfScope
from cadviewer.models.runtime import Companion, Companions, ReadyForward, Runtimes
from cadviewer.models.tasks import Demand, analyse_of

KEPT_NETWORKS = 4
"""Networks that stay in memory, the latest used ones."""


def create(options: WorkerOptions) -> ModelHandler:
    """See `worker_process.run_worker`."""
    return ModelHandler(options)


class ModelHandler:
    """A `worker_loop.Handler`: builds networks from cards, keeps them, runs the analyses."""

    def __init__(self, options: WorkerOptions) -> None:
        self._options = options
        self._runtimes = Runtimes(options.device, options.threads)
        self._networks: OrderedDict[str, ReadyForward] = OrderedDict()
        self._of_others: set[str] = set()  # those of them whose card needs another runtime than this machine's
        self._reports: list[Reporter] = []  # of the running job and, before it, of the one that it interrupted

    def ready(self) -> DeviceReady:
        """See `worker_loop.Handler`."""
        device, why = self._runtimes.first.device, self._runtimes.first.why
        if device == "cpu":
            n = self._options.threads
            why = joined("; ", (why, Message("{n} thread", n=n) if n == 1 else Message("{n} threads", n=n)))
        return DeviceReady(device, why)

    def warm(self, model: str) -> None:
        """See `worker_loop.Handler`."""
        card = catalogue.card(model)
        analyse_of(card.task)  # with SciPy and OpenCV
        self._forward(card)
        self._companions(card)

    def run(self, job: Job, report: Reporter) -> Result:
        """See `worker_loop.Handler`."""
        self._reports.append(report)
        try:
            card = catalogue.card(job.model, role="outline" if isinstance(job, OutlineJob) else "")
            if card.task != job.task:
                raise JobError(
                    Message(
                        "the model {card} is for {task}, not for {other}",
                        card=card.name,
                        task=card.task.value,
                        other=job.task.value,
                    )
                )
            with attach(job.pixels) as pixels:
                if isinstance(job, ExplainJob):
                    return self._explain(job, card, Volume(job.series, pixels), report)
                if isinstance(job, OutlineJob):
                    return self._outline(job, card, Volume(job.series, pixels), report)
                companions, missing = self._companions(card)
                forward = self._forward(card)
                began = report.seconds()
                if not isinstance(job, AnalyseJob):
                    raise JobError(Message("a job of an unknown kind"))
                demand = Demand(job.threshold, job.spacing_mm, job.window, job.half)
                with_them = {"companions": companions} if companions else {}
                found = analyse_of(job.task)(
                    Volume(job.series, pixels), forward, card, demand, report.step, **with_them
                )
                seconds = report.seconds() - began
        except OutOfScope as error:
            raise JobError(str(error), out_of_scope=True) from error
        except (CardError, InputError, ValueError) as error:  # the analyses say ValueError for settings without sense
            raise JobError(str(error)) from error
        except MemoryError as error:
            self._tell_of_fallback(report)
            self._networks.clear()  # room for the next case, which loads what it needs
            raise JobError(str(error) or Message("not enough memory for this case")) from error
        finally:
            self._reports.pop()
            self._tell_of_fallback(report)
        return Result(
            case_id=job.case_id,
            task=job.task,
            provenance=_provenance(job, card, forward, companions),
            nodules=found.nodules,
            candidates=found.candidates,
            breast=found.breast,
            lines=found.lines,
            payload=found.payload,
            warnings=(*missing, *found.warnings),
            seconds_infer=seconds,
        )

    def _explain(self, job: ExplainJob, card: ModelCard, volume: Volume, report: Reporter) -> Result:
        """What the score of one frame depends on. Imported here: few ask for it."""
        if job.task is not Task.BREAST:
            raise JobError(Message("scores of {task} cannot be explained", task=job.task.value))
        from cadviewer.models.breast import explanation as breast_explain

        forward = self._forward(card)
        began = report.seconds()
        made = breast_explain.explain(volume, job.frame, forward, card, half=job.half, progress=report.step)
        origin = _provenance(job, card, forward, {})
        return Result(job.case_id, job.task, origin, maps=(made,), seconds_infer=report.seconds() - began)

    def _outline(self, job: OutlineJob, card: ModelCard, volume: Volume, report: Reporter) -> Result:
        """One finding, measured by the network that outlines."""
        if job.task is not Task.NODULES:
            raise JobError(Message("findings of {task} are not outlined", task=job.task.value))
        from cadviewer.models.nodules.outlining import outline_one

        forward = self._forward(card)
        began = report.seconds()
        nodule = outline_one(volume, job.boxes, Companion(card, forward))
        found = (nodule,) if nodule is not None else ()
        origin = _provenance(job, card, forward, {})
        return Result(job.case_id, job.task, origin, nodules=found, seconds_infer=report.seconds() - began)

    def _forward(self, card: ModelCard) -> ReadyForward:
        """The network of a card, ready to run; the file is read again when a training has replaced it."""
        key = card.to_json()  # which holds the SHA-256 of the weights
        forward = self._networks.get(key)
        if forward is None:
            forward = self._runtimes.of(card).build(card, note=self._note, between=self._check)
            self._networks[key] = forward
            if self._runtimes.name_for(card) != self._runtimes.name:
                self._of_others.add(key)
            while len(self._networks) > KEPT_NETWORKS:
                self._networks.popitem(last=False)
        self._networks.move_to_end(key)
        return forward

    def _companions(self, card: ModelCard) -> tuple[Companions, tuple[str, ...]]:
        """The companions of a card that can be used, and one line about each that cannot."""
        built: dict[str, Companion] = {}
        missing = []
        for role, name in sorted(card.companions.items()):
            try:
                companion = catalogue.card(name, role=role)
                built[role] = Companion(companion, self._forward(companion))
            except CardError as error:
                missing.append(
                    Message(
                        "The {role} model {name} that {card} works with is not used: {error}",
                        role=role,
                        name=name,
                        card=card.name,
                        error=error,
                    )
                )
        return built, tuple(missing)

    def _note(self, text: str) -> None:
        if self._reports:
            self._reports[-1].note(text)

    def _check(self) -> None:
        if self._reports:
            self._reports[-1].check()

    def _tell_of_fallback(self, report: Reporter) -> None:
        """When a network had to leave the device, the others follow: what is left there is too little."""
        for key, forward in self._networks.items():
            if forward.device != self._runtimes.first.device and key not in self._of_others:
                self._runtimes = Runtimes(forward.device, self._options.threads)
                self._runtimes.first.why = forward.why
                kept = {k: f for k, f in self._networks.items() if f.device == forward.device or k in self._of_others}
                self._networks = OrderedDict(kept)
                report.device(self.ready())
                return


def _provenance(job: Job, card: ModelCard, forward: ReadyForward, companions: Companions) -> Provenance:
    preparation = dict(card.inputs)
    threshold = card.threshold
    if isinstance(job, AnalyseJob):
        if job.spacing_mm is not None:
            preparation["spacing_mm_given"] = job.spacing_mm
        if job.half is not None:
            preparation["half"] = job.half.value
        if job.task is Task.NODULES and not job.series.hounsfield:
            preparation["window_hu"] = list(job.window)
        if job.threshold is not None and job.task is Task.NODULES:
            threshold = job.threshold
    return Provenance(
        application=APPLICATION,
        model=card.name,
        model_version=card.version,
        weights_sha256=card.weights_sha256,
        threshold=threshold,
        device=forward.describe(),
        preprocessing=json.dumps(preparation, sort_keys=True, ensure_ascii=False, default=str),
        series_uid=job.series.series_uid,
        sop_uids=tuple(dict.fromkeys(s.sop_uid for s in job.series.slices if s.sop_uid)),
        companions=tuple(
            UsedCompanion(role, c.card.name, c.card.version, c.card.weights_sha256) for role, c in companions.items()
        ),
    )
