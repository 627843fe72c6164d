"""Compressed DICOM pixels: which transfer syntaxes can be decoded, and decoding one frame.

pydicom decodes what is native, deflated or RLE by itself. GDCM (through `python-gdcm`) decodes every JPEG, JPEG-LS and
JPEG 2000 syntax; no second library is used for the same job, so that the same file gives the same pixels everywhere.
pydicom's own GDCM plug-in declines JPEG Extended with 12 bits, which GDCM decodes well: `decode_frame` here does not.
"""

from __future__ import annotations

import struct
from typing import Any, cast

import pydicom.uid as uid
from numpy.typing import NDArray
from pydicom.dataset import FileDataset
from pydicom.pixels.decoders.base import DecodeRunner, get_decoder

FAULTS = (
    ValueError,
    RuntimeError,
    NotImplementedError,
    AttributeError,
    TypeError,
    KeyError,
    IndexError,
    EOFError,
    MemoryError,
    OverflowError,
    struct.error,
)
"""What pydicom and its plug-ins raise over damaged pixels."""

NATIVE = frozenset((uid.ImplicitVRLittleEndian, uid.ExplicitVRLittleEndian))
_BY_PYDICOM = frozenset((uid.ExplicitVRBigEndian, uid.DeflatedExplicitVRLittleEndian))
_JPEG_PROGRESSIVE = ("1.2.840.10008.1.2.4.53", "1.2.840.10008.1.2.4.55")
_BY_GDCM = frozenset(
    (
        uid.JPEGBaseline8Bit,
        uid.JPEGExtended12Bit,
        uid.JPEGLossless,
        uid.JPEGLosslessSV1,
        uid.JPEGLSLossless,
        uid.JPEGLSNearLossless,
        uid.JPEG2000Lossless,
        uid.JPEG2000,
        *_JPEG_PROGRESSIVE,
    )
)
_PLUGIN = "cadviewer"
DECODER_DEPENDENCIES = {uid.JPEGExtended12Bit: ("gdcm>=3.0.10",)}  # asked for by pydicom's plug-in interface


def can_decode(syntax: str) -> bool:
    return syntax in NATIVE or syntax in _BY_PYDICOM or syntax == uid.RLELossless or syntax in _BY_GDCM


def name_of(syntax: str) -> str:
    """The transfer syntax in words."""
    name = uid.UID(syntax).name
    return name if name != syntax else f"transfer syntax {syntax or 'unknown'}"


def decode(dataset: FileDataset, syntax: str, frame: int) -> NDArray[Any]:
    """Stored numbers of one frame, (rows, columns), or RGB (rows, columns, 3).

    Raises one of FAULTS for damaged pixels.
    """
    plugin = "gdcm"
    if syntax in _JPEG_PROGRESSIVE:
        # Retired syntaxes without a decoder in pydicom; GDCM looks at the code stream, which says what it is.
        syntax = uid.JPEGExtended12Bit
        dataset.file_meta.TransferSyntaxUID = uid.JPEGExtended12Bit
    if syntax == uid.JPEGExtended12Bit:
        plugin = _PLUGIN
    decoder = get_decoder(syntax)
    if plugin == _PLUGIN and _PLUGIN not in decoder.available_plugins:
        decoder.add_plugin(_PLUGIN, (__name__, "decode_frame"))
    chosen = plugin if syntax in _BY_GDCM else "pydicom" if syntax == uid.RLELossless else ""
    array, _ = decoder.as_array(dataset, index=frame, decoding_plugin=chosen)
    return array


def is_available(syntax: str) -> bool:
    """Whether `decode_frame` takes this syntax; asked for by pydicom's plug-in interface."""
    return syntax == uid.JPEGExtended12Bit


def decode_frame(source: bytes, runner: DecodeRunner) -> bytes:
    """One frame of JPEG Extended by GDCM, 8 or 12 bits; a plug-in for pydicom's decoders."""
    import gdcm  # only for the rare file that needs it

    fragment = gdcm.Fragment()
    fragment.SetByteStringValue(source)
    fragments = gdcm.SequenceOfFragments.New()
    fragments.AddFragment(fragment)
    element = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    element.SetValue(fragments.__ref__())
    image = gdcm.Image()
    image.SetNumberOfDimensions(2)
    image.SetDimensions((runner.columns, runner.rows, 1))
    image.SetDataElement(element)
    kind = gdcm.PhotometricInterpretation.GetPIType(str(runner.photometric_interpretation))
    image.SetPhotometricInterpretation(gdcm.PhotometricInterpretation(kind))
    syntax = gdcm.TransferSyntax.GetTSType(str.__str__(uid.JPEGExtended12Bit))
    image.SetTransferSyntax(gdcm.TransferSyntax(syntax))
    image.SetPixelFormat(
        gdcm.PixelFormat(
            runner.samples_per_pixel,
            runner.bits_allocated,
            runner.bits_stored,
            runner.bits_stored - 1,
            runner.pixel_representation,
        )
    )
    return cast(bytes, image.GetBuffer().encode("utf-8", "surrogateescape"))
