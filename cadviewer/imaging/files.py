"""Files → series → pixels: the one door through which images come in.

`scan` looks at every file once, by content and not by name, and says of each what it is; `read` decodes a series into
memory that the caller gives. Files that hold no image for a reader are `skipped`: reports, presentation states, key
object notes, radiotherapy objects, segmentations, texts, DICOMDIRs (whose images are found by themselves). Images of a
kind that this program does not take are `refused`; damaged files, and those whose name promises an image that is not
there, are `failed`.
"""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cadviewer.imaging import contained, sources
from cadviewer.imaging.budget import DEEPEST, Budget, Share
from cadviewer.imaging.faults import one_line, reason_of
from cadviewer.imaging.formats import images, simpleitk
from cadviewer.imaging.plausible import checked
from cadviewer.imaging.series import InputError, Refusal, Rejected, Series, State, Volume
from cadviewer.messages import Message

Allocate = Callable[[tuple[int, ...], np.dtype[Any]], NDArray[Any]]
_HEAD = 352
_DENSE = 20  # times its bytes that a picture may well unpack to, for the time it may take
_PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".jpe", ".bmp", ".tif", ".tiff", ".gif", ".webp", ".jp2")
_SCAN_SUFFIXES = (".dcm", ".dicom", ".ima", ".mhd", ".mha", ".nrrd", ".nhdr", ".nii")
_IMAGE_SUFFIXES = frozenset((*_PICTURE_SUFFIXES, *_SCAN_SUFFIXES))
_DATA_SUFFIXES = frozenset((".raw", ".zraw", ".img"))


def numpy_empty(shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """The plainest `Allocate`."""
    return np.empty(shape, dtype)


@dataclass
class _Found:
    """Files of one input on their way to becoming series."""

    budget: Budget
    share: Share | None
    claimed: set[Path]
    dicom: list[Any] = field(default_factory=list)
    too_large: str = ""  # why archives among them are not opened


def scan(
    inputs: Sequence[Path],
    *,
    on_file: Callable[[int, int], None] | None = None,
    ignore: Callable[[Path], bool] | None = None,
) -> Iterator[Series | Rejected]:
    """What the given files and folders hold; folders are searched recursively, every file is looked at exactly once.

    DICOM files are grouped into series per input given, and come after its other files. A folder of PNGs is as many
    series as it has files. An input that does not exist, or a folder without an image, gives a `Rejected` of its own.
    An input that lies inside another one is found there. A DICOMDIR stands for the folder that it describes.

    on_file: called with (files looked at, files found) after each file; what it raises ends the scan.
    ignore: files for which it is true count as not there (a batch must not read its own results).
    """
    seen: set[str] = set()
    budget = Budget()
    listings = [
        (Path(given), [f for f in _walk(Path(given), seen) if not (ignore and isinstance(f, Path) and ignore(f))])
        for given in _outermost(inputs)
    ]
    total = sum(len(files) for _, files in listings)
    done = 0

    def step() -> None:
        nonlocal done
        done += 1
        if on_file is not None:
            on_file(done, total)

    for given, files in listings:
        if not os.path.lexists(given):
            yield Rejected(given, State.FAILED, Message("no such file or folder"))
            continue
        told = False  # whether the user learns of anything but skipped files
        for item in map(_checked, _scan_files([f for f in files if isinstance(f, Path)], step, budget)):
            told = told or isinstance(item, Series) or item.state is not State.SKIPPED
            yield item
        for fault in (f for f in files if isinstance(f, Rejected)):
            told = True
            step()
            yield fault
        if not told and given.is_dir():
            if files:
                yield Rejected(given, State.FAILED, Message("no image among its {files} file(s)", files=len(files)))
            elif not any(p.is_file() and not (ignore and ignore(p)) for p in given.rglob("*")):
                # else its files came with another input
                yield Rejected(given, State.FAILED, Message("an empty folder"))


def read(
    series: Series,
    *,
    allocate: Allocate = numpy_empty,
    on_slice: Callable[[int], None] | None = None,
    first: int | None = None,
) -> Volume:
    """The pixels of a series: (slices, rows, columns), or (frames, rows, columns, 3) for RGB, of `series.dtype`.

    allocate: gives the array that is decoded into.
    on_slice: called with the index of each slice once it is in place; whatever it raises ends the reading.
    first: the slice that is read first, default the middle one; the others follow in order.

    The series of the result knows what only pixels tell: whether RGB is true colour, whether the values of a file
    without DICOM header look like Hounsfield units. Raises InputError naming what is damaged.
    """
    count = len(series.slices)
    start = count // 2 if first is None else min(max(first, 0), count - 1)
    order = [start, *(k for k in range(count) if k != start)]
    shape = series.geometry.shape if series.channels == 1 else (*series.geometry.shape, series.channels)
    try:
        out = allocate(shape, series.dtype)
    except (MemoryError, OverflowError, ValueError) as error:
        raise InputError(Message("it takes more memory than there is to read it")) from error
    ended: list[BaseException] = []

    def told(k: int) -> None:
        try:
            if on_slice is not None:
                on_slice(k)
        except BaseException as error:
            ended.append(error)
            raise

    try:
        if series.format == "dicom":
            series = _read_dicom(series, out, told, order)
        elif series.format == "sitk":
            series = simpleitk.read_volume(series, out, told, order)
        else:
            _read_image(series, out, told, order)
    except InputError:
        raise
    except Exception as error:
        if error in ended:  # the caller's own
            raise
        raise InputError(reason_of(error)) from error
    return Volume(series, out)


def _checked(item: Series | Rejected) -> Series | Rejected:
    if isinstance(item, Rejected):
        return replace(item, reason=one_line(item.reason))
    try:
        return checked(item)
    except (InputError, OSError) as error:
        return Rejected(item.source, State.FAILED, reason_of(error), item.data_files)


def _outermost(inputs: Sequence[Path]) -> list[Path]:
    """The inputs without repetitions and without those that lie inside another: what belongs together stays so."""
    kept: dict[str, Path] = {}
    for given in (_medium(Path(given)) for given in inputs):
        kept.setdefault(os.path.realpath(given), given)
    return [path for real, path in kept.items() if not any(str(parent) in kept for parent in Path(real).parents)]


def _medium(given: Path) -> Path:
    """The folder of a DICOMDIR (DICOM PS3.10 8.6: it lies at the root of its medium), else what was given."""
    head = _head(given) if given.name.upper() == "DICOMDIR" else b""
    return given.parent if isinstance(head, bytes) and _is_dicom(head) else given


def _walk(given: Path, seen: set[str]) -> Iterator[Path | Rejected]:
    """Files under `given`, each real file once, sorted; links are followed, loops are not."""
    if not given.is_dir():
        if given.exists() and _new(given, seen):
            yield given
        elif given.is_symlink() and not given.exists():
            yield Rejected(given, State.FAILED, Message("a link to a file that does not exist"))
        return
    if not _new(given, seen):
        return
    try:
        entries = sorted(os.scandir(given), key=lambda e: e.name)
    except OSError as error:
        yield Rejected(given, State.FAILED, Message("the folder cannot be opened: {strerror}", strerror=error.strerror))
        return
    for entry in entries:
        yield from _walk(given / entry.name, seen)


def _new(path: Path, seen: set[str]) -> bool:
    real = os.path.realpath(path)
    if real in seen:
        return False
    seen.add(real)
    return True


def _scan_files(
    files: Sequence[Path], step: Callable[[], None], budget: Budget, share: Share | None = None
) -> Iterator[Series | Rejected]:
    """share: of the archive that the files lie in. Whatever a file raises is that file's reason."""
    heads: list[tuple[Path, bytes | Rejected]] = [(file, _head(file)) for file in files]
    owned, damaged = _owned(heads)
    found = _Found(budget, share, {data for parts in owned.values() for data in parts})
    if share is not None:
        found.too_large = _too_large(heads, share)
    for file, head in heads:
        step()
        if isinstance(head, Rejected):
            yield head
            continue
        if file in found.claimed:
            continue
        parts = owned.get(file, ())
        try:
            if file in damaged:
                raise damaged[file]
            yield from (replace(item, data_files=parts) if parts else item for item in _scan_file(file, head, found))
        except OSError as error:
            yield Rejected(
                file,
                State.FAILED,
                Message("cannot be opened: {strerror}", strerror=error.strerror or type(error).__name__),
                parts,
            )
        except Exception as error:  # noqa: BLE001 - parsers raise anything on a damaged file, and the others go on
            state = State.REFUSED if isinstance(error, Refusal) else State.FAILED
            yield Rejected(file, state, reason_of(error), parts)
    if found.dicom:
        from cadviewer.imaging.dicom import series as dicom_series

        yield from dicom_series.build(found.dicom)


def _head(file: Path) -> bytes | Rejected:
    try:
        if not file.is_file():
            return Rejected(file, State.SKIPPED, Message("not a regular file"))
        with file.open("rb", buffering=0) as stream:
            return stream.read(_HEAD)
    except OSError as error:
        return Rejected(file, State.FAILED, Message("cannot be opened: {strerror}", strerror=error.strerror))


def _owned(
    heads: Sequence[tuple[Path, bytes | Rejected]],
) -> tuple[dict[Path, tuple[Path, ...]], dict[Path, InputError]]:
    """By header, the data files among the files that belong to it: they are part of its case, and of no other; and
    what is wrong with headers that cannot tell."""
    there = {file for file, _ in heads}
    owned: dict[Path, tuple[Path, ...]] = {}
    damaged: dict[Path, InputError] = {}
    for file, head in heads:
        kind = None if isinstance(head, Rejected) else simpleitk.kind_of(head)
        if kind is None:
            continue
        try:
            named: tuple[Path, ...] = contained.call("cadviewer.imaging.formats.simpleitk:data_files", file, kind)
        except InputError as error:
            damaged[file] = error
            continue
        except OSError:
            continue  # said when it is opened itself
        owned[file] = tuple(p for p in dict.fromkeys(named) if p in there and p != file)
        there.difference_update(owned[file])
    return owned, damaged


def _too_large(heads: Sequence[tuple[Path, bytes | Rejected]], share: Share) -> str:
    """Why the archives that lie in one are not opened, "" where they may be."""
    known = [(file, sources.source_of(head)) for file, head in heads if isinstance(head, bytes)]
    nested = [(file, source) for file, source in known if source is not None]
    if nested and share.depth > DEEPEST:
        return Message("an archive within {deepest} others, which is not opened", deepest=DEEPEST)
    return sources.too_large_together(nested, share) if nested else ""


def _scan_file(file: Path, head: bytes, found: _Found) -> Iterator[Series | Rejected]:
    if _is_dicom(head):
        from cadviewer.imaging.dicom.reader import read_header

        found.dicom.append(read_header(file))
    elif images.kind_of(head):
        yield contained.call("cadviewer.imaging.formats.images:scan_image", file, size=_DENSE * file.stat().st_size)
    elif kind := simpleitk.kind_of(head):
        yield contained.call("cadviewer.imaging.formats.simpleitk:scan_volume", file, kind)
    elif source := sources.source_of(head):
        yield from _scan_contents(file, source, found)
    elif _may_be_bare_dicom(head) and (header := _bare_dicom(file)) is not None:
        found.dicom.append(header)
    else:
        yield _not_an_image(file, head)


def _scan_contents(file: Path, source: sources.Source, found: _Found) -> Iterator[Series | Rejected]:
    """The images in a file; those files are named by it and their path in it, series by the file alone."""
    if found.too_large:
        yield Rejected(file, State.REFUSED, found.too_large)
        return
    share = found.share or found.budget.share(file.stat().st_size)
    names = source.unpack(file, share)
    if isinstance(names, Rejected):
        yield names
        return
    for name, reason in names.broken.items():
        yield Rejected(file / name, State.FAILED, reason)
    share.depth += 1
    for item in _scan_files(list(names), lambda: None, found.budget, share):
        yield replace(item, source=file if isinstance(item, Series) else file / _in_archive(item.source, names))
    share.depth -= 1


def _in_archive(path: Path, names: Mapping[Path, str]) -> Path:
    """Where something that was unpacked lies in its archive, or in one that lies in it."""
    for parent in (path, *path.parents):
        if parent in names:
            return Path(names[parent]) / path.relative_to(parent)
    return Path(path.name)


def _is_dicom(head: bytes) -> bool:
    return head[128:132] == b"DICM"


def _may_be_bare_dicom(head: bytes) -> bool:
    """Whether a file without preamble begins like a DICOM data set (or its meta header)."""
    return len(head) > 16 and head[:2] in (b"\x02\x00", b"\x08\x00", b"\x00\x02", b"\x00\x08") and head[3] <= 0x10


def _bare_dicom(file: Path) -> Any | None:
    from cadviewer.imaging.dicom import header as dicom_header
    from cadviewer.imaging.dicom import reader as dicom

    try:
        header = dicom.read_header(file)
    except InputError:
        return None
    known = (dicom_header.SOP_CLASS, dicom_header.MODALITY, dicom_header.ROWS)
    return header if any(header.text(tag) for tag in known) else None


def _not_an_image(file: Path, head: bytes) -> Rejected:
    suffix = "".join(file.suffixes[-2:]).lower() if file.suffix.lower() == ".gz" else file.suffix.lower()
    other = images.other_kind_of(head)
    if other:
        return Rejected(file, State.REFUSED, Message("a {other} image, which this program does not read", other=other))
    if suffix in _IMAGE_SUFFIXES or suffix == ".nii.gz":
        what = (
            Message("an empty file") if not head else Message("a text") if _is_text(head) else Message("something else")
        )
        return Rejected(
            file, State.FAILED, Message("not an image although named {suffix}: {what}", suffix=suffix, what=what)
        )
    if not head:
        return Rejected(file, State.SKIPPED, Message("not an image: an empty file"))
    if suffix in _DATA_SUFFIXES:
        return Rejected(file, State.SKIPPED, Message("pixels without the header that describes them"))
    return Rejected(file, State.SKIPPED, Message("not an image: a text") if _is_text(head) else Message("not an image"))


def _is_text(head: bytes) -> bool:
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        text = head[: error.start].decode("utf-8") if error.start > len(head) - 4 else "\0"
    return all(c.isprintable() or c in "\r\n\t\f\ufeff" for c in text)


def _read_dicom(series: Series, out: NDArray[Any], on_slice: Callable[[int], None], order: Sequence[int]) -> Series:
    from cadviewer.imaging.dicom.pixels import SliceReader

    reader = SliceReader(series)
    decoder: contained.Opened | None = None
    with contextlib.ExitStack() as held:
        for k in order:
            stored = series.slices[k].stored
            try:
                if stored is None or stored.offset is not None:
                    reader.read(series.slices[k], out[k])
                else:
                    decoder = decoder or held.enter_context(_decoder(series))
                    out[k] = decoder.ask("plane", k, out.shape[1:], out.dtype)
            except InputError as error:
                raise InputError(
                    Message("image {k} of {order}: {error}", k=k + 1, order=len(order), error=error)
                    if len(order) > 1
                    else str(error)
                ) from error
            on_slice(k)
    if series.channels == 3:
        middle = out[order[0]]
        gray = np.array_equal(middle[..., 0], middle[..., 1]) and np.array_equal(middle[..., 1], middle[..., 2])
        return replace(series, colour=not gray)
    return series


def _decoder(series: Series) -> contextlib.AbstractContextManager[contained.Opened]:
    """Compressed pixels are decoded where they can do no harm."""
    shape = series.geometry.shape[1:]
    plane = math.prod(shape) * series.channels * np.dtype(series.dtype).itemsize
    largest = max(file.stat().st_size for file in series.files)
    return contained.opened("cadviewer.imaging.dicom.pixels:SliceReader", series, size=plane + largest)


def _read_image(series: Series, out: NDArray[Any], on_slice: Callable[[int], None], order: Sequence[int]) -> None:
    file, form = series.slices[0].file, (out.shape, out.dtype)
    if len(out) == 1:
        out[0] = contained.call("cadviewer.imaging.formats.images:first_page", file, form, size=out.nbytes)
        on_slice(0)
        return
    with contained.opened("cadviewer.imaging.formats.images:Pages", file, form, size=out.nbytes) as pages:
        for k in order:
            out[k] = pages.ask("page", k)
            on_slice(k)
