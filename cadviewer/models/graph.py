"""The converted form of a model: its network as a graph that OpenVINO reads, without the weights. No torch.

`NAME.graph` is a zip archive of two files. `graph.xml` is OpenVINO's IR (version 11), in which every constant is named
by its place in one block of memory. `constants.bin` is the beginning of that block: what is constant in the network and
no weight of it, such as shapes. The weights follow it there, in float32 and in the order of their names. They are read
from the model's safetensors file, so that they are stored once, and what one runtime computes with is what the other
does. `cadviewer-train convert` writes the file; its SHA-256 stands in the card.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray
from safetensors import SafetensorError

from cadviewer.messages import Message
from cadviewer.models import catalogue
from cadviewer.models.catalogue import CardError, ModelCard

XML, CONSTANTS = "graph.xml", "constants.bin"
LARGEST_BYTES = 64 << 20
"""Of each of the two files, unpacked; those that ship have at most two million."""
ALIGNED = 64
"""Bytes at multiples of which the weights begin."""

Bytes = NDArray[np.uint8]


def read(card: ModelCard) -> tuple[str, Bytes]:
    """(graph, block of its constants) of a card. Raises CardError naming the file where they are not as described."""
    packed = catalogue.content(card.graph, card.graph_sha256)
    weights = catalogue.content(card.weights, card.weights_sha256)
    try:
        with zipfile.ZipFile(io.BytesIO(packed)) as archive:
            if any(archive.getinfo(name).file_size > LARGEST_BYTES for name in (XML, CONSTANTS)):
                raise ValueError("larger than a graph is")
            xml, constants = archive.read(XML).decode(), archive.read(CONSTANTS)
        return xml, block(constants, tensors(weights))
    except (zipfile.BadZipFile, SafetensorError, KeyError, ValueError, TypeError) as error:
        raise CardError(Message("{name}: not a readable graph of a network", name=card.graph.name)) from error


def tensors(weights: bytes) -> Mapping[str, NDArray[np.float32]]:
    """The floating point tensors of a safetensors file, as float32, by name and in the order of their names.

    Raises SafetensorError, and TypeError or KeyError for kinds of numbers that NumPy does not know.
    """
    found = safetensors.numpy.load(weights)
    return {n: found[n].astype(np.float32) for n in sorted(found) if np.issubdtype(found[n].dtype, np.floating)}


def places(constants: int, weights: Mapping[str, NDArray[np.float32]]) -> dict[str, int]:
    """Where each of the weights begins in the block, in bytes; constants: how many bytes lie before them."""
    begins, begin = {}, -(-constants // ALIGNED) * ALIGNED
    for name, tensor in weights.items():
        begins[name] = begin
        begin += -(-tensor.nbytes // ALIGNED) * ALIGNED
    return begins


def block(constants: bytes, weights: Mapping[str, NDArray[np.float32]]) -> Bytes:
    """The memory that a graph refers to: the constants, then the weights."""
    begins = places(len(constants), weights)
    size = max((begins[name] + tensor.nbytes for name, tensor in weights.items()), default=len(constants))
    made = np.zeros(size, np.uint8)
    made[: len(constants)] = np.frombuffer(constants, np.uint8)
    for name, tensor in weights.items():
        made[begins[name] : begins[name] + tensor.nbytes] = np.frombuffer(tensor.tobytes(), np.uint8)
    return made


def pack(xml: str, constants: bytes) -> bytes:
    """The content of a .graph file; the same for the same graph."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, content in ((XML, xml.encode()), (CONSTANTS, constants)):
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return made.getvalue()
