"""Builds the frozen program from the wheel: one folder with everything in it, and an SBOM of what that is.

    python installers/freeze.py

The same on Linux, Windows and macOS; what packs the folder for a system is in the folder of that system. It needs
Python 3.11 or newer and a package index. Into build/installer: wheel/, the environments env/ and tools/, and
frozen/cadviewer (on macOS frozen/cadviewer.app as well). Into dist/: the SBOM.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "installer"
FROZEN = BUILD / "frozen"
PYINSTALLER = ("pyinstaller>=6.22", "pillow>=10.2")
"""Pillow makes the icons of Windows and macOS of a picture."""
SYSTEMS = {"linux": "linux", "win32": "windows", "darwin": "macos"}
UNUSED = (
    # Of Qt: other screens than a desktop's, QML; GTK, whose libraries PyInstaller would take along, and which desktops
    # offer by their portal as well.
    *(f"PySide6/**/plugins/platforms/*q{name}*" for name in ("eglfs", "linuxfb", "minimal", "vkkhr", "vnc")),
    "PySide6/**/plugins/platformthemes/*gtk3*",
    "PySide6/**/plugins/platforminputcontexts/*virtualkeyboard*",
    "PySide6/**/plugins/imageformats/*qpdf*",
    "PySide6/**/plugins/egldeviceintegrations",
    "PySide6/**/plugins/generic",
    "PySide6/**/plugins/qmltooling",
    # Of OpenVINO: all but the processor's plugin and the reader of its own format.
    "openvino/frontend/*/",
    "openvino/tools",
    "openvino/torch",
    "openvino/libs/*_frontend*",
    "openvino/libs/*_plugin.*",
    "openvino/libs/cache.json",
)
USED = ("openvino/libs/*_ir_frontend*", "openvino/libs/*_intel_cpu_plugin*", "openvino/libs/*_arm_cpu_plugin*")
"""Files of the environment that would be taken along and that nothing opens; but for these."""
MACHINES = {"amd64": "x86_64", "aarch64": "arm64"}


def main() -> int:
    """Build all of it anew; what an earlier build left is removed first."""
    shutil.rmtree(BUILD, ignore_errors=True)
    tools, python = environment("tools"), environment("env")
    run(
        tools,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "uv>=0.5",
        "cyclonedx-bom[validation]>=7",
    )
    run(tools, "-m", "uv", "build", "--quiet", "--wheel", "--out-dir", BUILD / "wheel", ROOT)
    (wheel,) = (BUILD / "wheel").glob("*.whl")
    run(tools, "-m", "uv", "pip", "install", "--quiet", "--python", python, wheel)
    listed = BUILD / "installed.cdx.json"  # before PyInstaller, which does not ship, is there too
    run(tools, "-m", "cyclonedx_py", "environment", python, "--pyproject", ROOT / "pyproject.toml",
        "--output-format", "JSON", "--output-file", listed)  # fmt: skip
    run(tools, "-m", "uv", "pip", "install", "--quiet", "--python", python, *PYINSTALLER)
    remove_unused(python)
    run(python, "-m", "PyInstaller", "--noconfirm", "--log-level", "ERROR", "--distpath", FROZEN,
        "--workpath", BUILD / "work", ROOT / "installers" / "frozen" / "cadviewer.spec")  # fmt: skip
    out = ROOT / "dist" / f"{name()}.cdx.json"
    out.parent.mkdir(exist_ok=True)
    run(tools, ROOT / "installers" / "sbom.py", listed, FROZEN / "cadviewer", out)
    print(f"{FROZEN}\n{out}")
    return 0


def name() -> str:
    """Of what is built for this machine, such as cadviewer-0.1.0-linux-x86_64."""
    import platform

    machine = platform.machine().lower()
    return f"cadviewer-{version()}-{SYSTEMS[sys.platform]}-{MACHINES.get(machine, machine)}"


def version() -> str:
    """As `cadviewer --version` says it."""
    found = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    assert found is not None
    return found[1]


def environment(name: str) -> Path:
    """A new virtual environment; its Python."""
    folder = BUILD / name
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def remove_unused(python: Path) -> None:
    """Take `UNUSED` out of an environment: what is not there brings no libraries along either."""
    asked = [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    packages = Path(subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip())
    kept = {path for pattern in USED for path in packages.glob(pattern)}
    for path in {path for pattern in UNUSED for path in packages.glob(pattern)} - kept:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def run(python: Path, *arguments: str | Path) -> None:
    """Raises CalledProcessError where it fails. Not in the checkout: the wheel is meant, not the folder `cadviewer`."""
    subprocess.run([python, *arguments], cwd=BUILD, check=True)


if __name__ == "__main__":
    sys.exit(print(name()) if sys.argv[1:] == ["--name"] else main())
