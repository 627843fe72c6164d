"""What readers, models and the engine say is said in the user's language, by what it was made of."""

from __future__ import annotations

import ast
import copy
import json
import pickle
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from dicom_made import write
from gui_desk import Desk, StillEngine, ct_result, nodule

import cadviewer
from cadviewer.findings import Result, Task
from cadviewer.gui.cases import wording
from cadviewer.gui.i18n import language
from cadviewer.gui.i18n.language import translate
from cadviewer.imaging import files
from cadviewer.imaging.series import InputError, Rejected
from cadviewer.messages import Message, joined
from cadviewer.models.gate import input_gate
from cadviewer.store import last_results
from cadviewer.store.plain import build, plain

PACKAGE = Path(cadviewer.__file__).parent
REASONS = {"InputError", "OutOfScope", "CardError", "Rejected", "TooMuch", "JobError"}


@pytest.fixture
def german() -> Iterator[None]:
    language.use("de")
    yield
    language.use(language.ENGLISH)


def test_a_message_is_its_english_text_everywhere() -> None:
    said = Message("image {k} of {order}: {error}", k=np.int64(2), order=3, error=Message("an empty file"))
    assert said == "image 2 of 3: an empty file"
    assert json.loads(json.dumps({"a": said})) == {"a": "image 2 of 3: an empty file"}
    assert isinstance(str(InputError(said)), Message)
    assert said.code == "image-of"
    for other in (pickle.loads(pickle.dumps(said)), copy.deepcopy(said)):
        assert (other, other.template, other.values) == (said, said.template, said.values)
        assert isinstance(other.values["error"], Message)


def test_values_stay_and_what_stands_in_a_place_is_said_too(german: None) -> None:
    assert translate(Message("modality {modality}; the models read CT and breast ultrasound", modality="MR")) == (
        "Modalität MR; " + language.tr("modality {modality}; the models read CT and breast ultrasound").split("; ")[1]
    )
    mode = Message("{mode}; the breast model reads B-mode ultrasound", mode=Message("colour Doppler"))
    assert translate(mode).startswith("Farbdoppler;")
    assert wording.sentence("no lesion stands out") == "Keine Läsion hebt sich ab."
    both = joined("; ", (Message("no CUDA device"), Message("{n} threads", n=2)))
    assert (both, translate(both)) == ("no CUDA device; 2 threads", "kein CUDA-Gerät; 2 Threads")
    assert translate("the file is damaged at byte 7") == "the file is damaged at byte 7"


def test_every_mode_of_a_header_is_known(german: None) -> None:
    same = [mode for mode in input_gate.MODES.values() if translate(mode) == mode]
    assert set(same) <= {"Doppler"}  # the same word


def test_every_reason_in_the_code_is_a_message_or_passed_on() -> None:
    """A text put together on the spot could not be translated."""
    bare = []
    for part in ("imaging", "models", "inference", "batch"):
        for path in sorted((PACKAGE / part).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if not isinstance(node, ast.Call):
                    continue
                name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                if name in REASONS and any(isinstance(a, ast.JoinedStr | ast.Constant) for a in node.args):
                    bare.append(f"{path.relative_to(PACKAGE)}:{node.lineno}")
    assert bare == []


def test_a_reader_in_a_process_of_its_own_says_a_message_too(tmp_path: Path, german: None) -> None:
    """Through the pipe of the reading process, out of a real file."""
    path = write(tmp_path / "a.dcm", np.zeros((16, 16), np.uint16))
    data = path.read_bytes()
    path.write_bytes(data[:-100])
    (found,) = files.scan([path])
    if not isinstance(found, Rejected):
        with pytest.raises(InputError) as caught:
            files.read(found)
        reason = str(caught.value)
    else:
        reason = found.reason
    assert isinstance(reason, Message)
    assert translate(reason).startswith("abgeschnitten: ")
    assert found.reason == reason if isinstance(found, Rejected) else True


def test_what_is_kept_on_the_disk_can_still_be_translated(german: None) -> None:
    least = {"least": 5.7, "slice_mm": 3.0}
    template = (
        "Volumes below {least:.1f} mm are not measurable at this slice thickness ({slice_mm:.1f} mm) and left empty."
    )
    said = Message(template, **least)
    result = ct_result("a", nodule(1, 0.9, 2, 4), warnings=(said, "as somebody wrote it"))
    arrays: list[np.ndarray] = []
    back = build(Result, json.loads(json.dumps(plain(result, arrays))), arrays)
    assert back.warnings == result.warnings
    assert translate(back.warnings[0]).startswith("Volumen unter 5.7 mm")
    last_results.keep("abc", result)
    kept = last_results.last("abc", Task.NODULES)
    assert kept is not None
    assert translate(kept.result.warnings[0]).startswith("Volumen unter 5.7 mm")


def test_the_device_is_named_in_the_users_language(desk: Desk, german: None) -> None:
    desk.window.status.show_device("cpu", joined("; ", (Message("no CUDA device"), Message("{n} threads", n=2))))
    assert desk.window.status.device.text() == "CPU – kein CUDA-Gerät; 2 Threads"
    assert StillEngine().jobs == []
