"""Compressed DICOM pixels: which transfer syntaxes can be decoded, and decoding one frame.

pydicom decodes what is native, deflated or RLE by itself. imagecodecs (libjpeg-turbo, CharLS, OpenJPEG) decodes every
JPEG, JPEG-LS and JPEG 2000 syntax; no second library is used for the same job, so that the same file gives the same
pixels everywhere. GDCM was tried and is as able, but damaged code streams crash it, and the program with it.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from cadviewer.imaging.dicom.header import BIG_ENDIAN, DEFLATED, EXPLICIT, IMPLICIT

if TYPE_CHECKING:
    from pydicom.dataset import FileDataset
    from pydicom.pixels.decoders.base import DecodeRunner

_JPEG_FAMILY = "1.2.840.10008.1.2.4."
_EXTENDED = _JPEG_FAMILY + "51"
_RLE = "1.2.840.10008.1.2.5"
NATIVE = frozenset((IMPLICIT, EXPLICIT))
_BY_PYDICOM = frozenset((BIG_ENDIAN, DEFLATED, _RLE))
_PROGRESSIVE = frozenset(_JPEG_FAMILY + n for n in ("53", "55"))
_JPEG = frozenset(_JPEG_FAMILY + n for n in ("50", "51", "57", "70")) | _PROGRESSIVE
_JPEG_LS = frozenset(_JPEG_FAMILY + n for n in ("80", "81"))
_JPEG_2000 = frozenset(_JPEG_FAMILY + n for n in ("90", "91", "201", "202", "203"))
_LOSSY = frozenset(_JPEG_FAMILY + n for n in ("50", "51", "53", "55", "81", "91", "203"))
COMPRESSED = _JPEG_2000 | _JPEG_LS | _JPEG
_PLUGIN = "cadviewer"
DECODER_DEPENDENCIES = dict.fromkeys(COMPRESSED, ("imagecodecs",))  # asked for by pydicom's plug-in interface


def can_decode(syntax: str) -> bool:
    return syntax in NATIVE or syntax in _BY_PYDICOM or syntax in COMPRESSED


def may_lose(syntax: str) -> bool:
    """Whether values may have changed when they were compressed (PS3.5 section 10)."""
    return syntax in _LOSSY


def decode(dataset: FileDataset, syntax: str, frame: int) -> NDArray[Any]:
    """Stored numbers of one frame, (rows, columns), or RGB (rows, columns, 3).

    Raises one of `imaging.dicom.dataset.FAULTS` for damaged pixels.
    """
    from pydicom.pixels.decoders.base import get_decoder
    from pydicom.uid import UID

    if syntax in _PROGRESSIVE:
        # Retired syntaxes without a decoder in pydicom; the code stream itself says what it is.
        syntax = _EXTENDED
        dataset.file_meta.TransferSyntaxUID = UID(_EXTENDED)
    decoder = get_decoder(syntax)
    plugin = "pydicom" if syntax == _RLE else ""
    if syntax in COMPRESSED:
        plugin = _PLUGIN
        if plugin not in decoder.available_plugins:
            decoder.add_plugin(plugin, (__name__, "decode_frame"))
    array, _ = decoder.as_array(dataset, index=frame, decoding_plugin=plugin)
    return array


def is_available(syntax: str) -> bool:
    """Whether `decode_frame` takes this syntax; asked for by pydicom's plug-in interface."""
    return syntax in COMPRESSED


def decode_frame(source: bytes, runner: DecodeRunner) -> bytes:
    """One frame by imagecodecs; a plug-in for pydicom's decoders, which convert colour afterwards.

    Raises ValueError when the code stream is damaged or not of the size that the header says.
    """
    import imagecodecs  # only when there is something compressed

    rows, columns, samples, bits = frame_size(source)
    if (rows, columns, samples) != (runner.rows, runner.columns, runner.samples_per_pixel):
        said = f"{runner.rows} × {runner.columns} × {runner.samples_per_pixel}"
        raise ValueError(f"the compressed image is {rows} × {columns} × {samples}, the header says {said}")
    if bits > runner.bits_allocated:
        raise ValueError(f"the compressed image has {bits} bits, the header says {runner.bits_allocated}")
    syntax = runner.transfer_syntax
    array: NDArray[Any]
    if syntax in _JPEG_2000:
        array = imagecodecs.jpeg2k_decode(source)
        if runner.photometric_interpretation in ("YBR_ICT", "YBR_RCT"):  # undone by the decoder
            runner.set_option("photometric_interpretation", "RGB")
    elif syntax in _JPEG_LS:
        array = imagecodecs.jpegls_decode(source)
        unused = 8 * array.dtype.itemsize - min(bits, runner.bits_stored)
        if runner.pixel_representation and unused > 0:
            # The code stream knows no sign: that of its highest bit is carried on (PS3.5 section 8.2.3)
            signed = array.view(f"i{array.dtype.itemsize}")
            array = (signed << unused) >> unused
    elif samples == 1:
        array = imagecodecs.jpeg8_decode(source)
    else:  # the same colour space in and out: nothing is converted here
        array = imagecodecs.jpeg8_decode(source, colorspace="RGB", outcolorspace="RGB")
    if array.size != rows * columns * samples:
        raise ValueError("the compressed image is not complete")
    runner.set_option("bits_allocated", 8 * array.dtype.itemsize)
    runner.set_option("planar_configuration", 0)
    return array.tobytes()


def frame_size(source: bytes) -> tuple[int, int, int, int]:
    """(rows, columns, samples, bits) that a JPEG, JPEG-LS or JPEG 2000 code stream says of itself.

    Raises ValueError when it is not such a code stream (ITU-T T.81 annex B, T.87 annex C, T.800 annex A).
    """
    start = source.find(b"\xff\x4f\xff\x51", 0, 4096)
    if start >= 0 and not source.startswith(b"\xff\xd8"):
        try:
            x1, y1, x0, y0 = struct.unpack_from(">4I", source, start + 8)
            samples, bits = struct.unpack_from(">HB", source, start + 40)
        except struct.error as error:
            raise ValueError("a truncated JPEG 2000 code stream") from error
        return y1 - y0, x1 - x0, samples, (bits & 0x7F) + 1
    position = 2
    while source.startswith(b"\xff\xd8") and position + 10 <= len(source):
        if source[position] != 0xFF:
            break
        marker = source[position + 1]
        if marker == 0xFF:  # fill bytes
            position += 1
            continue
        if marker == 0xF7 or (0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC)):
            bits, rows, columns, samples = struct.unpack_from(">BHHB", source, position + 4)
            return rows, columns, samples, bits
        position += 2 + int.from_bytes(source[position + 2 : position + 4], "big")
    raise ValueError("not a JPEG code stream")
