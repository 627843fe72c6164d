"""Views and several models are compared from what each says once of each view, put together as `breast.read` does."""

from __future__ import annotations

import csv
from pathlib import Path

import drawn_bus_bra
import numpy as np
import pytest
from numpy.typing import NDArray

from cadviewer.findings import Task
from cadviewer.models.breast import analysis as breast
from cadviewer.models.catalogue import ModelCard
from trainers import __main__ as command
from trainers.breast import views as breast_views
from trainers.config import ConfigError
from trainers.data.ultrasound import bus_bra
from trainers.data.ultrasound.cases import UltrasoundCase

CARD = ModelCard("fake", "1", Task.BREAST, "", "", {}, {"size": 64}, 0.5, "")


class OneSided:
    """Sees the dark disc, and leans on which side of the image is brighter: mirrored views take that out."""

    batch_size = 4

    def __init__(self, lean: float) -> None:
        self.lean, self.shown = lean, 0

    def __call__(self, batch: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        self.shown += len(batch)
        half = batch.shape[-1] // 2
        sides = batch[..., :half].mean((1, 2, 3)) - batch[..., half:].mean((1, 2, 3))
        logit = batch.std((1, 2, 3)) + self.lean * sides
        return np.where(batch < -1, 4, -4).astype(np.float32), logit.astype(np.float32)


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> list[UltrasoundCase]:
    return bus_bra.cases(drawn_bus_bra.write(tmp_path_factory.mktemp("drawn")), [4])


def test_each_choice_says_what_the_pipeline_would_say_in_these_views(cases: list[UltrasoundCase]) -> None:
    network = OneSided(3)
    tried = breast_views.try_all(cases, [(CARD, network)], {"fake": [0]}, rounds=20)
    assert [t.views for t in tried] == list(breast_views.CANDIDATES)
    for choice in tried:
        shown = [{"flip": v.flip, "zoom": v.zoom} for v in breast_views.CANDIDATES[choice.views]]
        for k, case in enumerate(cases):
            reading = breast.read(case.gray(), network, {"size": 64, "views": shown})
            assert choice.logits[k] == pytest.approx(reading.logit, abs=1e-5)
            assert choice.spreads[k] == pytest.approx(reading.spread, abs=1e-5)
    assert all(value == 0 for value in tried[0].differences["AUC"])
    assert not tried[0].spreads.any()
    assert (tried[1].spreads > 0).all()


def test_mirrored_views_take_out_what_a_side_does_to_the_score(cases: list[UltrasoundCase]) -> None:
    leaning, honest = (
        breast_views.try_all(cases, [(CARD, OneSided(lean))], {"fake": [0]}, rounds=20)[1] for lean in (3, 0)
    )
    assert leaning.logits == pytest.approx(honest.logits, abs=1e-5)


def test_several_models_are_averaged_and_cost_what_both_cost(cases: list[UltrasoundCase]) -> None:
    members = [(CARD, OneSided(3)), (CARD, OneSided(-1))]
    tried = breast_views.try_all(cases, members, {"a": [0], "b": [1], "both": [0, 1]}, rounds=20)
    a, b, both = (next(t for t in tried if (t.models, t.views) == (m, "smaller")) for m in ("a", "b", "both"))
    assert both.logits == pytest.approx((a.logits + b.logits) / 2, abs=1e-5)
    assert both.milliseconds == pytest.approx(a.milliseconds + b.milliseconds)


def test_calibration_for_the_brier_score_never_sees_the_patient_it_is_for() -> None:
    generator = np.random.default_rng(0)
    label = generator.random(200) < 0.4
    logits = generator.normal(0, 1, 200) + label
    patients = [str(k // 2) for k in range(200)]
    before = breast_views.cross_fitted(logits, label, patients)
    changed = label.copy()
    changed[:2] = ~changed[:2]  # both images of one patient
    after = breast_views.cross_fitted(logits, changed, patients)
    assert after[:2] == pytest.approx(before[:2])
    assert not np.allclose(after, before)


def test_the_command_writes_its_tables_and_knows_what_it_is_for(
    cases: list[UltrasoundCase], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = cases[0].image.parents[1]
    made = breast_views.try_all(cases, [(CARD, OneSided(1))], {"fake": [0]}, rounds=5)
    breast_views.write(made, cases, "drawn", tmp_path)
    assert (tmp_path / "views.md").read_text(encoding="utf-8").startswith("8 images of 8 patients of drawn")
    with (tmp_path / "views.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == len(cases) * len(breast_views.CANDIDATES)
    detector = tmp_path / "n.json"
    card = ModelCard("n", "1", Task.NODULES, "", "", {}, {}, 0.5, "")
    detector.write_text(card.to_json(), encoding="utf-8")
    assert command.main(["views", str(detector), "--data", str(data), "--out", str(tmp_path)]) == 2
    assert "measured for breast ultrasound" in capsys.readouterr().err


def test_a_model_that_was_trained_on_the_tune_fold_is_not_compared_on_it(tmp_path: Path) -> None:
    seen = ModelCard("seen", "1", Task.BREAST, "", "", {}, {}, 0.5, "", training={"settings": {"train_folds": [1, 4]}})
    with pytest.raises(ConfigError, match="seen was trained on"):
        breast_views.run([CARD, seen], tmp_path, tmp_path / "out", device="cpu")
