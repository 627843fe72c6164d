"""`cadviewer-train convert`: the form of a model that the viewer computes without torch (`models.graph`).

The network is traced by torch, or exported where tracing does not do, translated by OpenVINO's reader of torch graphs,
and compared with torch on other images than it was traced with. Weights are not copied: wherever a constant of the
graph is one of the model's tensors, the graph names that tensor's place.
"""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from cadviewer import atomic
from cadviewer.findings import Task
from cadviewer.models import catalogue, graph
from cadviewer.models import openvino_runtime as runtime
from cadviewer.models.catalogue import CardError, ModelCard
from cadviewer.models.nets.runtime import build
from cadviewer.models.nodules import outline

# After `openvino_runtime`, which keeps its telemetry from being loaded.
import openvino  # isort: skip
from openvino.frontend import FrontEndManager  # isort: skip

MOST_DIFFERENCE = 1e-3
"""Between what both say of an image, relative to the largest value of an output where that is above 1."""
MOST_IMAGES = 64

log = logging.getLogger(__name__)


class CannotConvert(ValueError):
    """Why a network has no converted form, in one line."""


def convert(card: ModelCard) -> ModelCard:
    """Write the .graph of a model beside its weights; the card with its hash, which is not written.

    Raises CardError where the model cannot be used, CannotConvert where its network cannot be converted.
    """
    network = build(card)
    try:
        shapes = shapes_for(card)
    except (KeyError, TypeError, ValueError) as error:
        raise CannotConvert(f"{card.name}: its card does not say how large its images are") from error
    weights = graph.tensors(card.weights.read_bytes())
    reasons = []
    for way in (traced, exported):
        try:
            xml, constants = apart(way(network, shapes), weights)
            packed = graph.pack(xml, constants)
            made = replace(card, graph_sha256=catalogue.sha256_of(packed))
            _compare(network, made, packed, shapes)
        except Exception as error:  # noqa: BLE001 - torch and OpenVINO raise many kinds for what they cannot translate
            reasons.append(f"{way.__name__}: {' '.join(str(error).split())[:300]}")
            continue
        atomic.write_bytes(made.graph, packed)
        return made
    raise CannotConvert(f"{card.name}: its network cannot be converted ({'; '.join(reasons)})")


def converted(card: ModelCard) -> ModelCard:
    """As `convert`, but a network that cannot be converted is only logged: it needs torch then."""
    try:
        return convert(card)
    except (CannotConvert, CardError) as error:
        log.warning("%s", error)
        return replace(card, graph_sha256="")


def shapes_for(card: ModelCard) -> list[tuple[int, int, int, int]]:
    """Shapes of inputs: that to trace with first, then others that must do as well."""
    if card.role == "outline":
        return [(n, 3, outline.SIDE, outline.SIDE) for n in (2, 1, 5)]
    if card.task is Task.BREAST:
        side, channels = int(card.inputs["size"]), int(card.inputs.get("channels", 1))
        return [(n, channels, side, side) for n in (2, 1, 5)]
    channels = int(card.config.get("channels", 1))
    return [(2, channels, 224, 320), (1, channels, 160, 96), (3, channels, 288, 352)]


def _dynamic(shapes: Sequence[tuple[int, int, int, int]]) -> list[bool]:
    """Which axes differ between the shapes."""
    return [len(set(axis)) > 1 for axis in zip(*shapes, strict=True)]


def traced(network: nn.Module, shapes: Sequence[tuple[int, int, int, int]]) -> openvino.Model:
    """The network as one run of it on an image went."""
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    example = torch.rand(shapes[0])
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of tracing being deprecated; exporting such networks takes many minutes
        trace = torch.jit.trace(network, example, check_trace=False)  # type: ignore[no-untyped-call]
        decoder = TorchScriptPythonDecoder(trace, example_input=example)  # has to live until the graph is made
        reader = FrontEndManager().load_by_framework("pytorch")
        read = reader.load(decoder)
    dynamic = _dynamic(shapes)
    (place,) = read.get_inputs()
    axes = [-1 if changes else length for changes, length in zip(dynamic, shapes[0], strict=True)]
    read.set_partial_shape(place, openvino.PartialShape(axes))
    read.set_element_type(place, openvino.Type.f32)
    return reader.convert(read)


def exported(network: nn.Module, shapes: Sequence[tuple[int, int, int, int]]) -> openvino.Model:
    """The network as torch exports it; only for one size of images."""
    from openvino.frontend.pytorch.fx_decoder import TorchFXPythonDecoder

    if any(_dynamic(shapes)[1:]):
        raise CannotConvert("images of several sizes")
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        axes = {0: torch.export.Dim("n", min=1, max=MOST_IMAGES)}
        program = torch.export.export(network, (torch.rand(shapes[0]),), dynamic_shapes=(axes,))
        level = logging.root.level
        logging.root.setLevel(logging.ERROR)  # what its table of operators lacks, with stack traces
        try:
            decoder = TorchFXPythonDecoder.from_exported_program(program)
        finally:
            logging.root.setLevel(level)
    reader = FrontEndManager().load_by_framework("pytorch")
    return reader.convert(reader.load(decoder))


def apart(model: openvino.Model, weights: Any) -> tuple[str, bytes]:
    """(IR, constants) of a model: what is a weight is left out, and the IR refers to the block of `graph.block`."""
    with tempfile.TemporaryDirectory(prefix="cadviewer-convert-") as folder:
        openvino.serialize(model, f"{folder}/graph.xml", f"{folder}/graph.bin")
        tree = ElementTree.parse(f"{folder}/graph.xml")
        content = Path(folder, "graph.bin").read_bytes()
    known = {tensor.tobytes(): name for name, tensor in weights.items()}
    constants = bytearray()
    of_weights = []
    for data in tree.iter("data"):
        if "offset" not in data.attrib:
            continue
        begin = int(data.attrib["offset"])
        value = content[begin : begin + int(data.attrib["size"])]
        name = known.get(value) if data.attrib["element_type"] == "f32" else None
        if name is not None:
            of_weights.append((data, name))
        else:
            constants += bytes(-len(constants) % graph.ALIGNED)
            data.attrib["offset"] = str(len(constants))
            constants += value
    begins = graph.places(len(constants), weights)
    for data, name in of_weights:
        data.attrib["offset"] = str(begins[name])
    for rest in tree.findall("rt_info"):  # times and paths of the conversion
        tree.getroot().remove(rest)
    return ElementTree.tostring(tree.getroot(), encoding="unicode"), bytes(constants)


def _compare(network: nn.Module, card: ModelCard, packed: bytes, shapes: Sequence[tuple[int, int, int, int]]) -> None:
    """Raises CannotConvert where the converted form says something else than torch."""
    with tempfile.TemporaryDirectory(prefix="cadviewer-convert-") as folder:
        there = replace(card, folder=Path(folder))
        atomic.write_bytes(there.weights, card.weights.read_bytes())
        atomic.write_bytes(there.graph, packed)
        forward = runtime.OpenvinoRuntime("cpu").build(there, batch_size=MOST_IMAGES)
    numbers = np.random.default_rng(1)
    for shape in shapes:
        images = numbers.random(shape, np.float32)
        with torch.inference_mode():
            wanted = [output.numpy() for output in network(torch.from_numpy(images))]
        worst = max(difference(a, b) for a, b in zip(forward(images), wanted, strict=True))
        if not worst <= MOST_DIFFERENCE:
            raise CannotConvert(f"it differs from torch by {worst:.2g} on images {shape}")


def difference(found: NDArray[np.float32], wanted: NDArray[np.float32]) -> float:
    """Largest difference of two arrays, relative to the largest value where that is above 1; NaN for other shapes."""
    if found.shape != wanted.shape:
        return float("nan")
    scale = max(1.0, float(np.abs(wanted).max(initial=0)))
    return float(np.abs(found - wanted).max(initial=0)) / scale
