"""The PDF of a report as DICOM, for archives that keep nothing else: Encapsulated PDF (PS3.3 A.45.1)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from cadviewer.imaging.series import Series
from cadviewer.store.export.dicom.images import Images, new_uid
from cadviewer.store.export.dicom.objects import SERIAL, encoded
from cadviewer.store.reporting.content import Report

SOP_CLASS = "1.2.840.10008.5.1.4.1.1.104.1"
TITLE = ("18748-4", "LN", "Diagnostic imaging report")
"""Document title: LOINC, as in CID 7020."""
SERIES_NUMBER = 9041

_PATIENT = ("PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex")
_STUDY = (
    *("StudyInstanceUID", "StudyDate", "StudyTime", "StudyID", "AccessionNumber", "ReferringPhysicianName"),
    *("StudyDescription", "PatientAge"),
)
_OPTIONAL = ("IssuerOfPatientID", "StudyDescription", "PatientAge")
"""All else of these modules is of type 1 or 2 (PS3.3 C.7.1.1, C.7.2.1): there, if only empty."""


def encapsulated(report: Report, series: Series, pdf: bytes, title: str) -> bytes:
    """The file. series: as it was read, whose study it joins; title: of the document.

    Raises OSError, InputError where the images are gone, ExportError where their header does not allow it.
    """
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian

    import cadviewer.imaging.dicom.dataset

    images = Images(series)
    about = images.of(0)
    now = datetime.now()
    made: Any = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.SOPClassUID = made.file_meta.MediaStorageSOPClassUID = SOP_CLASS
    made.SOPInstanceUID = made.file_meta.MediaStorageSOPInstanceUID = new_uid()
    made.SpecificCharacterSet = "ISO_IR 192"
    for name in (*_PATIENT, *_STUDY):
        if about.get(name) or name not in _OPTIONAL:
            setattr(made, name, about.get(name) or "")
    made.PatientName = _within(str(made.PatientName))
    made.Modality, made.SeriesInstanceUID, made.SeriesNumber, made.InstanceNumber = "DOC", new_uid(), SERIES_NUMBER, 1
    of = "; not from DICOM, UIDs generated" if images.generated else ""
    made.SeriesDescription = f"cadviewer: report{of}"
    made.Manufacturer = made.ManufacturerModelName = "cadviewer"
    made.SoftwareVersions, made.DeviceSerialNumber = cadviewer.__version__, SERIAL
    made.ConversionType = "WSD"
    made.ContentDate, made.ContentTime, made.AcquisitionDateTime = f"{now:%Y%m%d}", f"{now:%H%M%S}", ""
    made.InstanceCreationDate, made.InstanceCreationTime = made.ContentDate, made.ContentTime
    made.BurnedInAnnotation = "YES"  # it names the patient
    made.DocumentTitle = title[:1024]
    made.ConceptNameCodeSequence = [_coded(*TITLE)]
    made.VerificationFlag = "UNVERIFIED"
    made.MIMETypeOfEncapsulatedDocument = "application/pdf"
    made.EncapsulatedDocumentLength = len(pdf)
    made.EncapsulatedDocument = pdf + b"\0" * (len(pdf) % 2)
    sources = images.all_of(sorted({f.slice for f in (*report.findings, *report.unsure)} | set(report.key_images)))
    if sources and not images.generated:
        made.SourceInstanceSequence = [_reference(image) for image in sources]
        images.put_back(made)
    return encoded(made)


def _within(name: str) -> str:
    """A person's name whose groups are as long as they may be (PS3.5 6.2)."""
    return "=".join(group[:64] for group in name.split("=")[:3])


def _coded(value: str, scheme: str, meaning: str) -> Any:
    from pydicom.dataset import Dataset

    item: Any = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def _reference(image: Any) -> Any:
    from pydicom.dataset import Dataset

    item: Any = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = image.SOPClassUID, image.SOPInstanceUID
    return item
