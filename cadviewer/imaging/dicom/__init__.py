"""DICOM: header, series, pixels."""
