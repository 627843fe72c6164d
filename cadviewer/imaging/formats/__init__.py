"""Files that are not DICOM: MetaImage, NRRD, NIfTI, PNG, JPEG, BMP, TIFF."""
