"""What every test stands on: its own home, no screen, and the real images where there are any."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ |= {"LC_ALL": "C.UTF-8", "LANGUAGE": ""}  # the window speaks the system's language
if "PYTEST_XDIST_WORKER" in os.environ:  # there is a process for each core already
    os.environ.setdefault("OMP_NUM_THREADS", "1")

REPOSITORY = Path(__file__).resolve().parent.parent


def data_folder() -> Path:
    """Folder of real images: `CADVIEWER_TEST_DATA`, else ../shared/data beside the checkout."""
    given = os.environ.get("CADVIEWER_TEST_DATA")
    return Path(given) if given else REPOSITORY.parent / "shared" / "data"


@pytest.fixture(autouse=True)
def _own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the user's settings, journals or weights, nor what another process of pytest has."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("CADVIEWER_HOME", str(home))
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, str(home / name))


@pytest.fixture(scope="session")
def data() -> Path:
    """The real images; tests that need them are skipped where there are none."""
    folder = data_folder()
    if not folder.is_dir():
        pytest.skip(f"no real images at {folder}; set CADVIEWER_TEST_DATA")
    return folder


def _unpack(archive: Path, factory: pytest.TempPathFactory, name: str) -> Path:
    folder = factory.mktemp(name)
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(folder)
    return folder


@pytest.fixture(scope="session")
def chest_ct_99(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the 99 DICOM slices of the real chest CT."""
    return _unpack(data / "ct" / "chest-ct-99" / "series.zip", tmp_path_factory, "chest-ct-99")


@pytest.fixture(scope="session")
def dicom_conformance(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the unpacked conformance files."""
    return _unpack(data / "dicom-conformance" / "files.zip", tmp_path_factory, "dicom-conformance")
