"""cadviewer: a viewer with computer-aided detection for chest CT and breast ultrasound. For research use only."""

__version__ = "0.1.0"

APPLICATION = f"cadviewer {__version__}"
"""What results name as their maker."""

NOTICE = "For research use only. Not a medical device, not for diagnosis."
"""Said wherever results are shown or written."""

HU_OF_8_BITS = (-1000.0, 400.0)
"""Hounsfield units that the 8-bit values of a CT slice without a header span where nobody says otherwise: LUNA16's."""
