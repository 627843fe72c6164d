"""Records last once `append` has returned, and nothing readable is ever lost."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cadviewer.store import journal as journals
from cadviewer.store.journal import Journal, JournalError

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.text().filter(lambda k: k != "sum"), JSON))
def test_any_json_comes_back_and_any_changed_byte_is_noticed(record: dict[str, object]) -> None:
    line = journals.encode(record)
    assert line.count(b"\n") == 1
    assert journals.decode(line[:-1]) == record
    for position in range(0, len(line) - 1, 7):
        broken = line[:position] + bytes([line[position] ^ 1]) + line[position + 1 : -1]
        assert journals.decode(broken) is None


def test_records_are_read_in_the_order_of_writing(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "new" / "a.jsonl")
    assert journal.read().records == ()
    journal.append({"n": 1})
    journal.append({"n": 2}, {"n": 3})
    assert [r["n"] for r in journal.read().records] == [1, 2, 3]


@pytest.mark.parametrize("cut", [1, 5, 20])
def test_a_torn_last_line_is_ignored_and_the_next_record_is_whole(tmp_path: Path, cut: int) -> None:
    journal = Journal(tmp_path / "a.jsonl")
    journal.append({"n": 1})
    journal.append({"n": 2, "text": "x" * 30})
    os.truncate(journal.path, journal.path.stat().st_size - cut)
    assert [r["n"] for r in journal.read().records] == [1]
    assert journal.repair() == (journal.read(), None)  # a torn end is no damage
    journal.append({"n": 3})
    assert [r["n"] for r in journal.read().records] == [1, 3]
    assert journal.read().damaged == ()


@pytest.mark.parametrize("left", [0, 1, 20, 70, 110])
def test_records_that_belong_together_are_all_there_or_none_is(tmp_path: Path, left: int) -> None:
    journal = Journal(tmp_path / "a.jsonl")
    journal.append({"n": 1})
    before = journal.path.stat().st_size
    journal.append({"n": 2, "text": "x" * 30}, {"n": 3, "text": "y" * 30})
    whole = journal.path.stat().st_size
    assert whole - before > 110
    os.truncate(journal.path, before + left)
    assert [r["n"] for r in journal.read().records] == [1]
    journal.append({"n": 4}, {"n": 5})
    assert [r["n"] for r in journal.read().records] == [1, 4, 5]
    assert journal.repair() == (journal.read(), None)


def test_a_torn_line_longer_than_a_block_is_cut_off(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "a.jsonl")
    journal.append({"n": 1})
    with journal.path.open("ab") as stream:
        stream.write(b"x" * 200_000)
    journal.append({"n": 2})
    assert [r["n"] for r in journal.read().records] == [1, 2]


def test_a_damaged_file_is_kept_byte_for_byte_and_its_readable_records_go_on(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "a.jsonl")
    for number in range(3):
        journal.append({"n": number})
    data = bytearray(journal.path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    journal.path.write_bytes(data)
    content, kept = journal.repair()
    assert kept is not None
    assert kept.read_bytes() == data
    assert [r["n"] for r in content.records] == [0, 2]
    assert [r["n"] for r in journal.read().records] == [0, 2]
    assert journal.read().damaged == ()
    journal.append({"n": 9})
    assert kept.read_bytes() == data


def test_a_second_damage_does_not_overwrite_the_first_copy(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "a.jsonl")
    journal.path.write_bytes(b"first\n")
    _, first = journal.repair()
    journal.path.write_bytes(b"second\n")
    _, second = journal.repair()
    assert first is not None
    assert second is not None
    assert (first.read_bytes(), second.read_bytes()) == (b"first\n", b"second\n")


def test_a_full_disk_is_said_and_leaves_no_half_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(tmp_path / "a.jsonl")
    journal.append({"n": 1})
    before = journal.path.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(JournalError, match="No space left"):
        journal.append({"n": 2})
    assert journal.path.read_bytes() == before


WRITER = """
import sys
from pathlib import Path
from cadviewer.store.journal import Journal
journal = Journal(Path(sys.argv[1]))
for n in range(100000):
    journal.append({"who": sys.argv[2], "n": n, "fill": "x" * 200})
    print(n, flush=True)
"""


def test_every_record_acknowledged_before_kill_9_is_there(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(path), who], stdout=subprocess.PIPE) for who in ("a", "b")
    ]
    said = []
    for writer in writers:
        assert writer.stdout is not None
        for _ in range(25):
            writer.stdout.readline()
    for writer in writers:
        writer.kill()
    for writer in writers:
        assert writer.stdout is not None
        said.append(25 + len(writer.stdout.read().split()))
        writer.wait()
        writer.stdout.close()
    content = Journal(path).read()
    assert content.damaged == ()
    for who, count in zip(("a", "b"), said, strict=True):
        numbers = [r["n"] for r in content.records if r["who"] == who]
        assert numbers[:count] == list(range(count))  # a kill may come between the disk and the word
        assert len(numbers) <= count + 1


@pytest.mark.parametrize("value", [float("nan"), {1, 2}, b"bytes"])
def test_what_is_no_json_is_an_error_of_the_journal_and_leaves_it_as_it_was(tmp_path: Path, value: object) -> None:
    journal = Journal(tmp_path / "a.jsonl")
    journal.append({"a": 1})
    with pytest.raises(JournalError, match=r"nothing was saved in a\.jsonl"):
        journal.append({"a": value})
    assert [r["a"] for r in journal.read().records] == [1]
