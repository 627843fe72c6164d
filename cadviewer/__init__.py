"""cadviewer: a viewer with computer-aided detection for chest CT and breast ultrasound. For research use only."""

__version__ = "0.1.0"
