"""What `cadviewer doctor` says of the window: asked of a process of its own, since Qt ends one that it cannot serve."""

from __future__ import annotations

import json
import sys


def main() -> int:
    """Print it as one JSON object, of texts by their names."""
    from PySide6 import __version__
    from PySide6.QtGui import QFont, QFontDatabase, QFontInfo
    from PySide6.QtWidgets import QApplication

    app = QApplication(["cadviewer"])
    screens = [
        f"{s.size().width()} × {s.size().height()}, scale {s.devicePixelRatio():g}, {s.logicalDotsPerInch():.0f} dpi"
        for s in app.screens()
    ]
    families = QFontDatabase.families()
    used = QFontInfo(QFont())
    print(
        json.dumps(
            {
                "Qt": f"{__version__}, platform {app.platformName()}",
                "screens": "; ".join(screens) or "PROBLEM: none",
                "font": f"{used.family()}, {used.pointSizeF():g} points" if families else "PROBLEM: no fonts installed",
                "fonts installed": str(len(families)),
            }
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
