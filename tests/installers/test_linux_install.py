"""The desktop entry, and what `make install` puts where."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
LINUX = REPOSITORY / "installers" / "linux"


def needs(*tools: str) -> pytest.MarkDecorator:
    """Skips where a tool of the desktop is not installed, and says which."""
    missing = [tool for tool in tools if shutil.which(tool) is None]
    return pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")


@needs("desktop-file-validate")
def test_the_desktop_entry_is_valid(tmp_path: Path) -> None:
    entry = tmp_path / "cadviewer.desktop"
    entry.write_text((LINUX / "cadviewer.desktop.in").read_text().replace("@BIN@", "/usr/bin/true"))
    done = subprocess.run(["desktop-file-validate", entry], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_every_file_type_of_the_entry_is_known_or_defined() -> None:
    (line,) = (x for x in (LINUX / "cadviewer.desktop.in").read_text().splitlines() if x.startswith("MimeType="))
    own = (LINUX / "cadviewer-mime.xml").read_text()
    for kind in line.removeprefix("MimeType=").strip(";").split(";"):
        assert kind == "application/dicom" or f'type="{kind}"' in own


@pytest.mark.slow
@needs("gio", "dbus-run-session", "xvfb-run", "xdotool", "update-desktop-database", "update-mime-database")
def test_a_double_click_on_an_mhd_file_opens_the_installed_viewer(tmp_path: Path) -> None:
    home, prefix = tmp_path / "home", tmp_path / "home" / ".local"
    run = home / "run"
    run.mkdir(parents=True, mode=0o700)
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "QT_QPA_PLATFORM")} | {
        "HOME": str(home),
        "PREFIX": str(prefix),
        "XDG_DATA_HOME": str(prefix / "share"),
        "XDG_RUNTIME_DIR": str(run),
        "CADVIEWER_HOME": str(home / "cadviewer"),
        "UV_CACHE_DIR": os.environ.get("UV_CACHE_DIR", str(Path.home() / ".cache" / "uv")),
    }

    def call(*command: str) -> None:
        done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    call("make", "install")
    entry = prefix / "share" / "applications" / "cadviewer.desktop"
    assert f"Exec={prefix}/lib/cadviewer/bin/cadviewer %F" in entry.read_text()
    image = home / "scan.mhd"
    image.write_text(
        "NDims = 3\nDimSize = 8 8 4\nElementSpacing = 1 1 2\nElementType = MET_SHORT\nElementDataFile = scan.raw\n"
    )
    image.with_suffix(".raw").write_bytes(bytes(8 * 8 * 4 * 2))
    wait = "for i in $(seq 90); do sleep 1; xdotool search --onlyvisible --name cadviewer && exit 0; done; exit 1"
    opened = f"gio open {image} & {wait}"
    began = time.monotonic()
    call("xvfb-run", "-a", "dbus-run-session", "--", "bash", "-c", opened)
    assert time.monotonic() - began < 90
    subprocess.run(["pkill", "-f", str(prefix / "lib" / "cadviewer")], check=False)
    call("make", "uninstall")
    assert not entry.exists()
    assert not (prefix / "lib" / "cadviewer").exists()
    assert not (prefix / "bin" / "cadviewer").exists()
