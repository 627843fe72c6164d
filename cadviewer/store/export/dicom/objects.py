"""Files of the DICOM objects of a case: which there are, their names, what all of them say of where they come from.

`NAME.dcm` holds what the reader accepted, `NAME-model.dcm` what the model found; a kind with several objects numbers
them. Only the name that was asked for may be of a file that is there already: no other one is written over.
"""

from __future__ import annotations

import functools
import importlib
import io
import logging
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cadviewer
from cadviewer import atomic
from cadviewer.findings import Task
from cadviewer.imaging.series import InputError, Volume
from cadviewer.messages import Message
from cadviewer.store.case_report import CaseReport, CaseState
from cadviewer.store.export import ExportError, Format
from cadviewer.store.export.dicom import contents
from cadviewer.store.export.dicom.codes import PRIVATE, Coded
from cadviewer.store.export.dicom.contents import Author, Contents
from cadviewer.store.export.dicom.images import Images, new_uid
from cadviewer.store.reading import Reading

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

SERIAL = "N/A"
"""Device Serial Number, which some objects must have: the program has none."""

_FIRST_SERIES_NUMBER = {"sr": 9001, "seg": 9011, "gsps": 9021, "sc": 9031}


@dataclass(frozen=True)
class Order:
    """What a builder makes objects from. volume: the pixels, None where they are not at hand. kind: of `FORMATS`."""

    contents: Contents
    images: Images
    volume: Volume | None
    kind: str

    @property
    def description(self) -> str:
        """Series Description: who stands for it, and whether its identifiers are its own."""
        of = "; not from DICOM, UIDs generated" if self.images.generated else ""
        return f"cadviewer: {self.contents.author.description}{of}"

    def identification(self, number: int = 1) -> dict[str, Any]:
        """Arguments that every object of highdicom takes."""
        from highdicom.coding_schemes import CodingSchemeIdentificationItem

        series_number = _FIRST_SERIES_NUMBER[self.kind] + (self.contents.author is Author.MODEL)
        return {
            "series_instance_uid": self.series_uid,
            "series_number": series_number,
            "sop_instance_uid": new_uid(),
            "instance_number": number,
            "manufacturer": "cadviewer",
            "manufacturer_model_name": "cadviewer",
            "software_versions": cadviewer.__version__,
            "device_serial_number": SERIAL,
            "series_description": self.description,
            "coding_schemes": [
                CodingSchemeIdentificationItem(
                    PRIVATE, name="cadviewer, private codes", responsible_organization="cadviewer"
                )
            ],
        }

    @functools.cached_property
    def series_uid(self) -> str:
        """A new series for each export."""
        return new_uid()


def place_of_body(made: Any, order: Order) -> None:
    """Which part of the body (PS3.3 C.7.3.1): of a breast nobody knows which side."""
    if order.contents.task is Task.NODULES:
        made.BodyPartExamined = "CHEST"
    else:
        made.BodyPartExamined, made.Laterality = "BREAST", ""


Builder = Callable[[Order], "Sequence[Dataset]"]
"""Makes the objects of an order, none where there is nothing that they could hold."""


def concept(code: Coded) -> Any:
    """A code as highdicom wants it."""
    from highdicom.sr import CodedConcept

    return CodedConcept(code.value, code.scheme, code.meaning, code.version)


def format_of(kind: str, builder: str, title: str, label: str) -> Format:
    """The format of a kind of object. builder: "module:function", imported when it is used."""
    return Format(
        title,
        folder=kind,
        write_case=functools.partial(_write_case, kind, builder),
        suffix=".dcm",
        label=label,
        write_file=functools.partial(_write_file, kind, builder),
    )


def _write_case(kind: str, builder: str, report: CaseReport, volume: Volume | None, folder: Path) -> None:
    """What the model found: nobody has read a case of a batch."""
    found = contents.of_model(report)
    if found is None or found.empty or report.series is None or report.state is not CaseState.DONE:
        return
    made = _built(builder, Order(found, Images(report.series), volume, kind))
    for number, dataset in enumerate(made, start=1):
        part = f"-{number:04}" if len(made) > 1 else ""
        atomic.write_bytes(folder / f"{report.case}-model{part}.dcm", encoded(dataset))


def _write_file(
    kind: str, builder: str, report: CaseReport, volume: Volume | None, reading: Reading | None, path: Path
) -> None:
    """What the reader accepted into `path`, what the model found beside it. All is made before any is written."""
    if report.series is None:
        raise ExportError(Message("nothing was read of this case"))
    by_reader, by_model = contents.of_reader(report, reading), contents.of_model(report)
    pictures = kind == "sc" and by_reader is not None and bool(by_reader.key_images)
    if by_reader is None or (by_reader.empty and not pictures):
        raise ExportError(Message("no finding was accepted or drawn, and nothing was measured"))
    images = Images(report.series)
    own = _built(builder, Order(by_reader, images, volume, kind))
    if not own:
        raise ExportError(Message("nothing that was accepted or drawn has an outline"))
    others = () if by_model is None or by_model.empty else _built(builder, Order(by_model, images, volume, kind))
    files = [(path, encoded(own[0]))]
    for base, datasets in ((path.stem, own[1:]), (f"{path.stem}-model", others)):
        for number, dataset in enumerate(datasets, start=2 if datasets is not others else 1):
            part = "" if datasets is others and number == 1 else f"-{number}"
            files.append((path.with_name(f"{base}{part}{path.suffix}"), encoded(dataset)))
    _write_all(files)


def _write_all(files: Sequence[tuple[Path, bytes]]) -> None:
    """Each file whole; where one cannot be written, those before it that were new are gone again."""
    written: list[Path] = []
    try:
        for k, (path, content) in enumerate(files):
            target = path if k == 0 else free(path)
            new = not target.exists()
            atomic.write_bytes(target, content)
            if new:
                written.append(target)
    except OSError:
        for path in written:
            path.unlink(missing_ok=True)
        raise


def free(path: Path) -> Path:
    """A name like this one that no file has."""
    number, target = 2, path
    while target.exists():
        target = path.with_name(f"{path.stem} ({number}){path.suffix}")
        number += 1
    return target


def _built(builder: str, order: Order) -> Sequence[Dataset]:
    """Raises ExportError, OSError. No library's words are passed on: they may quote what a header says of a patient."""
    from cadviewer.imaging.dicom.dataset import FAULTS  # it also keeps pydicom from quoting values in warnings

    logging.getLogger("highdicom").setLevel(logging.CRITICAL)
    module, _, name = builder.partition(":")
    build: Builder = getattr(importlib.import_module(module), name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            made = build(order)
            for dataset in made:
                order.images.put_back(dataset)
            return made
        except (OSError, ExportError):
            raise
        except InputError as error:
            raise ExportError(str(error)) from error
        except FAULTS as error:
            raise ExportError(Message("its headers do not allow it ({kind})", kind=type(error).__name__)) from error


def encoded(dataset: Dataset) -> bytes:
    """A data set as the bytes of a file (PS3.10)."""
    stream = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset.save_as(stream, enforce_file_format=True)
    return stream.getvalue()
