"""The four tables are those of the contract, to the letter."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pytest
from store_cases import NODULES, breast_case, breast_finding, ct, nodule_case, refused_case, ultrasound

from cadviewer.findings import BreastFinding, Call, Nodule
from cadviewer.imaging.series import State
from cadviewer.store.case_report import CaseReport, CaseState
from cadviewer.store.export import Run, parts, tables

HEADERS = {
    "nodules": "source,series_uid,sop_uid,instance_number,finding,slice_first,slice_last,slice,x0,y0,x1,y1,"
    "x_mm,y_mm,z_mm,long_mm,short_mm,volume_mm3,score,malignancy,type,model,weights_sha256",
    "breast": "source,sop_uid,frame,width,height,probability_malignant,probability_low,probability_high,call,"
    "lesion_px,long_mm,short_mm,mask,model,weights_sha256",
    "cases": "case,source,series_uid,modality,task,state,findings,reason,n_files,seconds_load,seconds_infer",
    "errors": "source,error",
}


def write(folder: Path, *cases: CaseReport) -> dict[str, list[dict[str, str]]]:
    assert tables.FORMAT.write_tables is not None
    tables.FORMAT.write_tables(Run([tables.rows(c) for c in cases], {}), folder)
    found = {}
    for name in HEADERS:
        with (folder / f"{name}.csv").open(newline="", encoding="utf-8") as stream:
            found[name] = list(csv.DictReader(stream))
    return found


@pytest.mark.parametrize("name", HEADERS)
def test_columns_are_those_of_the_contract_even_without_a_row(tmp_path: Path, name: str) -> None:
    write(tmp_path)
    assert (tmp_path / f"{name}.csv").read_bytes() == HEADERS[name].encode() + b"\r\n"
    assert tables.is_ours(tmp_path / f"{name}.csv")


def test_a_nodule_is_told_on_the_slice_with_its_highest_score_with_decimals(tmp_path: Path) -> None:
    first, second = write(tmp_path, nodule_case())["nodules"]
    assert first["source"] == str(ct().source)
    assert first["slice"] == "2"
    assert (first["slice_first"], first["slice_last"]) == ("1", "2")
    assert (first["sop_uid"], first["instance_number"]) == ("1.2.3.2", "2")
    assert [first[k] for k in ("x0", "y0", "x1", "y1")] == ["10.000", "12.000", "20.000", "21.333"]
    assert [first[k] for k in ("x_mm", "y_mm", "z_mm")] == ["1.000", "-2.000", "0.000"]
    assert (first["score"], first["malignancy"], first["type"]) == ("0.9100", "0.4000", "solid")
    assert [second[k] for k in ("x_mm", "long_mm", "short_mm", "volume_mm3", "malignancy", "type")] == [""] * 6
    assert second["finding"] == "2"


def test_a_breast_row_names_its_mask_by_the_hash_and_leaves_unknown_cells_empty(tmp_path: Path) -> None:
    whole = breast_case()
    bare = breast_case(ultrasound(Path("bus/y.png")), BreastFinding(0, (30, 60), Call.OUT_OF_SCOPE, reason="Doppler"))
    first, second = write(tmp_path, whole, bare)["breast"]
    assert first["mask"] == f"masks/{whole.case}.png"
    assert (first["width"], first["height"], first["frame"]) == ("60", "30", "0")
    assert (first["probability_malignant"], first["call"], first["lesion_px"]) == ("0.8000", "malignant", "200")
    assert second["call"] == "out_of_scope"
    assert [second[k] for k in ("probability_malignant", "probability_low", "lesion_px", "long_mm", "mask")] == [""] * 5


def test_frames_are_rows_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    case = breast_case(ultrasound(frames=12), *(breast_finding(k) for k in range(12)))
    rows = write(tmp_path, case)["breast"]
    assert [r["frame"] for r in rows] == [str(k) for k in range(12)]
    assert rows[10]["mask"] == f"masks/{case.case}-0010.png"
    assert parts.findings_of(case) == 12


def test_cases_tells_of_every_case_and_errors_of_those_refused_or_failed(tmp_path: Path) -> None:
    skipped = replace(refused_case(Path("notes.txt"), State.SKIPPED))
    empty = nodule_case(ct(Path("scans/none"), uid="9"), ())
    found = write(tmp_path, refused_case(), skipped, nodule_case(), empty)
    by_state = {(r["state"], r["findings"]): r for r in found["cases"]}
    assert set(by_state) == {("failed", ""), ("skipped", ""), ("done", "2"), ("done", "0")}
    done = by_state["done", "2"]
    assert (done["task"], done["modality"], done["n_files"]) == ("nodules", "CT", "4")
    assert (done["seconds_load"], done["seconds_infer"]) == ("0.250", "1.500")
    assert by_state["failed", ""]["seconds_infer"] == ""
    assert found["errors"] == [{"source": "scans/bad\nname.png", "error": "not an image although named .png"}]


def test_a_case_out_of_the_models_scope_is_refused_with_its_reason(tmp_path: Path) -> None:
    case = breast_case(ultrasound(), BreastFinding(0, (30, 60), Call.OUT_OF_SCOPE, reason="a CT, not ultrasound"))
    found = write(tmp_path, case)
    assert found["cases"][0]["state"] == "refused"
    assert found["errors"][0]["error"] == "a CT, not ultrasound"
    assert found["breast"][0]["call"] == "out_of_scope"


def test_warnings_of_a_case_that_was_done_stand_in_its_reason(tmp_path: Path) -> None:
    series = replace(ct(), warnings=("slices are missing",))
    assert write(tmp_path, nodule_case(series))["cases"][0]["reason"] == "slices are missing"


def test_rows_do_not_depend_on_the_order_in_which_cases_were_finished(tmp_path: Path) -> None:
    many = [nodule_case(ct(Path(f"scans/{n}"), uid=f"1.{n}"), NODULES * 1) for n in (3, 10, 2)]
    many += [refused_case(Path(f"bad/{n}")) for n in (2, 1)]
    write(tmp_path / "a", *many)
    write(tmp_path / "b", *reversed(many))
    for name in HEADERS:
        assert (tmp_path / "a" / f"{name}.csv").read_bytes() == (tmp_path / "b" / f"{name}.csv").read_bytes()


def test_findings_beyond_nine_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    nodules = tuple(Nodule(n, NODULES[1].boxes) for n in range(1, 13))
    rows = write(tmp_path, nodule_case(ct(), nodules))["nodules"]
    assert [int(r["finding"]) for r in rows] == list(range(1, 13))


def test_a_path_that_is_no_utf8_is_still_written_as_utf8(tmp_path: Path) -> None:
    source = Path(b"scans/\xff\xe9 \xc3\xa9.png".decode("utf-8", "surrogateescape"))
    assert write(tmp_path, refused_case(source))["errors"][0]["source"] == "scans/\\xff\\xe9 é.png"


def test_a_table_of_somebody_else_is_not_taken_for_ours(tmp_path: Path) -> None:
    (tmp_path / "cases.csv").write_text("case,patient\n")
    assert not tables.is_ours(tmp_path / "cases.csv")
    assert not tables.is_ours(tmp_path / "nodules.csv")
    assert CaseState.DONE == "done"
