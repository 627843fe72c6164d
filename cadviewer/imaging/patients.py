"""Whose images a series holds, as far as its file says: what stands under one heading, and what may be compared."""

from __future__ import annotations

from collections.abc import Iterable

from cadviewer.imaging.series import Patient, Series


def same(a: Series, b: Series) -> bool:
    """Whether the files say that two series are of one patient: nothing that both name differs, and enough is named.

    Enough is the patient ID, or name and date of birth together, or being of one study.
    """
    if contradict(a.patient, b.patient):
        return False
    p, q = a.patient, b.patient
    by_name = bool(p.name and p.birth_date) and bool(q.name and q.birth_date)
    return bool(p.patient_id and q.patient_id) or by_name or bool(a.study_uid and a.study_uid == b.study_uid)


def contradict(a: Patient, b: Patient) -> bool:
    """Whether two patients differ in something that the files of both name."""
    pairs = ((a.patient_id, b.patient_id), (_plain(a.name), _plain(b.name)), (a.birth_date, b.birth_date))
    return any(x and y and x != y for x, y in pairs)


def named(series: Series) -> bool:
    """Whether the file says anything of whose images these are."""
    return bool(series.patient.patient_id or series.patient.name)


def groups(every: Iterable[Series]) -> list[list[Series]]:
    """Series by patient, in the order in which they come; those that name nobody are left out.

    One that is the same as some of a group and contradicts another of it, since files leave things out, is apart.
    """
    found: list[list[Series]] = []
    for series in filter(named, every):
        for group in found:
            if any(same(series, o) for o in group) and not any(contradict(series.patient, o.patient) for o in group):
                group.append(series)
                break
        else:
            found.append([series])
    return found


def _plain(name: str) -> str:
    """Machines write one name in capitals and with other spaces."""
    return " ".join(name.casefold().replace("^", " ").split())
