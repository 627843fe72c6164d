"""DICOM objects of a case, made with highdicom: SR, SEG, presentation state, Secondary Capture (docs/dicom-objects.md).

`contents` says what of a case goes into them, `images` which images they are about, `objects` how their files are
named and written; a builder for each kind turns the first two into data sets. highdicom is imported where one is made.
"""
