"""Trace files from anywhere: read as far as they make sense, counted where not, one error where nothing can be done."""

from __future__ import annotations

import os
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made import content, done, file, mark, produced, received

from benchkit.errors import RecordError
from benchkit.trace import reader
from benchkit.trace.layout import COUNTERS_AT, DESCRIPTION_AT, EVENT, HEADER_BYTES, RECORD, Kind, Mark
from benchkit.trace.reader import Loss, Traced, read_file, read_folder

MARKS = [produced(1, 0), received(1, 10), done(1, 20), mark(Mark.ASKED, "", 30)]
WHOLE = content(MARKS, events=[(5, Kind.PAUSE, 1000, 2, 3)])


def parsed(path, raw: bytes) -> Traced | Loss:
    path.write_bytes(raw)
    return read_file(path)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "one.trace"


def test_a_whole_one(path):
    found = parsed(path, WHOLE)
    assert found.marks["mark"].tolist() == [1, 5, 9, 4]
    assert found.events["values"][0][:3].tolist() == [1000, 2, 3]
    assert (found.made, found.overwritten, found.damaged, found.missing_bytes) == (4, 0, 0, 0)


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", "empty"),
        (bytes(5000), "never begun"),
        (b"PK\x03\x04" * 2000, "not a trace of benchkit, at byte 0"),
        (WHOLE[:1000], "cut short at byte 1000"),
        (WHOLE + b"x", f"1 bytes too many at byte {len(WHOLE)}"),
        (WHOLE[:DESCRIPTION_AT] + b"[" * 500 + WHOLE[DESCRIPTION_AT + 500 :], "no description"),
        (WHOLE[:COUNTERS_AT] + struct.pack("<Q", 1 << 62) + WHOLE[COUNTERS_AT + 8 :], "make no sense at byte 16"),
        (content(MARKS, clock="sundial"), "a clock that nobody knows"),
        (content(MARKS, host=["x"]), "without its texts"),
        (content(MARKS, host="x" * 65), "without its texts"),
        (content(MARKS, pid=True), "without its numbers"),
        (content(MARKS, started_ns=-1), "without its numbers"),
    ],
)  # fmt: skip
def test_a_file_of_which_nothing_can_be_used_is_a_loss_with_its_place(path, raw, why):
    found = parsed(path, raw)
    assert isinstance(found, Loss)
    assert why in found.what


def test_of_a_file_that_was_cut_short_the_rest_is_read(path):
    found = parsed(path, WHOLE[:-150])
    assert found.marks["mark"].tolist() == [1, 5]
    assert found.missing_bytes == 150


@pytest.mark.parametrize(
    ("offset", "value"),
    [(0, 99), (8, -5), (16, -1), (24, 1 << 62), (40, 77), (41, 0), (41, 41), (88, 99)],
)
def test_a_mark_that_makes_no_sense_is_counted_with_its_place(path, offset, value):
    at = HEADER_BYTES + EVENT.size + RECORD.size
    raw = bytearray(WHOLE)
    wide = offset in (40, 41)
    raw[at + offset : at + offset + (1 if wide else 8)] = struct.pack("<B" if wide else "<q", value)
    found = parsed(path, raw)
    assert (found.damaged, found.damaged_at) == (1, at)
    assert found.marks["mark"].tolist() == [1, 9, 4]


def test_another_schema_is_refused_for_the_whole_folder(tmp_path):
    file(tmp_path, "good", MARKS)
    file(tmp_path, "newer", MARKS, magic=b"benchkit.trace/2")
    with pytest.raises(RecordError, match="written by another benchkit") as caught:
        read_folder(tmp_path)
    assert "pip install --upgrade" in caught.value.remedy


def test_what_is_no_file_is_not_followed_and_not_waited_for(tmp_path):
    file(tmp_path, "good", MARKS)
    (tmp_path / "link.trace").symlink_to(tmp_path / "good.trace")
    (tmp_path / "folder.trace").mkdir()
    os.mkfifo(tmp_path / "pipe.trace")
    (tmp_path / "notes.txt").write_text("not a trace")
    traced, losses = read_folder(tmp_path)
    assert [each.file for each in traced] == ["good.trace"]
    assert [each.file for each in losses] == ["folder.trace", "link.trace", "pipe.trace"]


def test_limits_are_looked_at_before_anything_is_read(tmp_path, monkeypatch):
    path = file(tmp_path, "large", MARKS)
    with path.open("r+b") as opened:
        opened.truncate(reader.MOST_FILE_BYTES + 1)
    found = read_file(path)
    assert isinstance(found, Loss)
    assert "are more than" in found.what
    monkeypatch.setattr(reader, "MOST_BYTES", 100)
    path.write_bytes(WHOLE)
    with pytest.raises(RecordError, match="more marks than fit"):
        read_folder(tmp_path)
    monkeypatch.setattr(reader, "MOST_FILES", 0)
    with pytest.raises(RecordError, match="1 trace files are more than 0"):
        read_folder(tmp_path)


@pytest.mark.parametrize("there", [True, False])
def test_a_folder_without_traces_says_what_to_do(tmp_path, there):
    folder = tmp_path if there else tmp_path / "none"
    with pytest.raises(RecordError, match=r"no trace is there|No such file") as caught:
        read_folder(folder)
    assert "BENCHKIT_TRACE" in caught.value.remedy


def _read(folder, raw: bytes) -> None:
    """It is read, or is a loss, or is refused; nothing else may happen."""
    path = folder / "fuzzed.trace"
    try:
        found = parsed(path, raw)
    except RecordError as error:
        assert error.remedy
        return
    if isinstance(found, Loss):
        assert found.what
        return
    assert found.damaged >= 0
    assert len(found.marks) <= len(raw) // RECORD.size


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz")


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=6000))
def test_any_bytes(folder, raw):
    _read(folder, raw)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.binary(min_size=1, max_size=16)), max_size=6),
       st.integers(0, len(WHOLE)))  # fmt: skip
def test_any_changes_to_a_whole_one(folder, changes, length):
    raw = bytearray(WHOLE)
    for at, new in changes:
        raw[at : at + len(new)] = new
    _read(folder, bytes(raw[:length] if length % 3 else raw))
