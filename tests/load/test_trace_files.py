"""CSV, JSON Lines and npy: the same moments, to the nanosecond, or the first bad line by its number."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchkit.errors import UsageError
from benchkit.load import trace as trace_module
from benchkit.load._trace import npy, read, text
from benchkit.load._trace.layout import Layout
from benchkit.load.trace import Trace

WANTED = [0, 1, 500_000_000]


@pytest.mark.parametrize(
    ("name", "content", "options"),
    [
        ("t.csv", "1700000000.123456788\n1700000000.123456789\n1700000000.623456788\n", {}),
        ("t.csv", "\ufefftime,size\n5,1\n5.000000001,2\n\n5.5,3\n", {"column": "time"}),
        ("t.csv", "size,when\n1,5000\n1,5000.000001\n1,5500\n", {"column": 2, "unit": "ms"}),
        ("t.csv", 'stamp\n"7e6"\n7000000.001\n7500000\n', {"unit": "us"}),
        ("t.csv", "-0.5\r\n-0.499999999\r\n0\r\n", {}),
        ("t.jsonl", "1700000000123456788\n1700000000123456789\n1700000000623456788", {"unit": "ns"}),
        ("t.ndjson", '{"t": 3, "x": [1]}\n\n{"t": 3.000000001}\n{"t": "3.5"}\n', {"key": "t"}),
    ],
)
def test_text(tmp_path: Path, name: str, content: str, options: dict[str, object]) -> None:
    path = tmp_path / name
    path.write_bytes(content.encode())
    assert Trace.model_validate({"path": path, **options})._stamps().tolist() == WANTED


@pytest.mark.parametrize(
    ("values", "unit"),
    [
        (np.array([1.0, 1.000000001, 1.5]), "s"),
        (np.array([-(2**62), -(2**62) + 1, -(2**62) + 500_000_000]), "ns"),
        (np.array([2**63, 2**63 + 1, 2**63 + 500_000_000], np.uint64), "ns"),
        (np.array([-128, -128, 127], np.int8), "ms"),
    ],
)
def test_npy(tmp_path: Path, values: np.ndarray, unit: str) -> None:
    np.save(tmp_path / "t.npy", values)
    found = Trace.model_validate({"path": tmp_path / "t.npy", "unit": unit})._stamps().tolist()
    assert found == ([0, 0, 255_000_000] if values.dtype == np.int8 else WANTED)


BAD_TEXT = [
    ("t.csv", "", {}, "t.csv: holds no stamp"),
    ("t.csv", "time\n", {}, "t.csv: holds no stamp"),
    ("t.csv", "time\n5\n", {}, "t.csv: holds a single stamp"),
    ("t.csv", "5\n5\n5\n", {}, "t.csv: all its 3 stamps are the same moment"),
    ("t.csv", "time\n1\n2\n1.5\n3\n0\n", {}, "t.csv:4: is 0.5 earlier than the stamp before it"),
    ("t.csv", "1\n2\nnan\n", {}, "t.csv:3: NaN is not a moment"),
    ("t.csv", "1\n2\ninf\n", {}, "t.csv:3: Infinity is not a moment"),
    ("t.csv", "1\n2\nnoon\n", {}, "t.csv:3: 'noon' is not a number"),
    ("t.csv", "1\n2\n1e999999\n", {}, "t.csv:3: 1E\\+999999 is out of range"),
    ("t.csv", "1\n2\n9e9\n", {}, "t.csv:3: is more than 146 years after the first stamp"),
    ("t.csv", "a,b\n1,2\n", {}, "t.csv:1: has 2 columns(.|\n)*set `column` to one of: a, b"),
    ("t.csv", "a,b\n1,2\n", {"column": "c"}, "t.csv:1: has no column 'c'(.|\n)*one of: a, b"),
    ("t.csv", "a,b\n1,2\n", {"column": 3}, "t.csv:1: has no column 3"),
    ("t.csv", "a,b\n1,2\n3\n", {"column": "b"}, "t.csv:3: has no column 2"),
    ("t.csv", '1\n"2\n', {}, "t.csv:3?"),
    ("t.csv", b"1\n2\n\xff\n", {}, "t.csv:.*UTF-8"),
    ("t.jsonl", "1\n2\n{\n", {}, "t.jsonl:3: is not JSON"),
    ("t.jsonl", "[" * 100_000, {}, "t.jsonl:1: is not JSON"),
    ("t.jsonl", "1\nNaN\n", {}, "t.jsonl:2: NaN is not a moment"),
    ("t.jsonl", "1\ntrue\n", {}, "t.jsonl:2: True is not a number"),
    ("t.jsonl", '{"a": 1}\n', {}, "t.jsonl:1: is an object(.|\n)*set `key` to one of: 'a'"),
    ("t.jsonl", '{"a": 1}\n{"b": 1}\n', {"key": "a"}, "t.jsonl:2: has no 'a'"),
    ("t.jsonl", "1\n", {"key": "a"}, "t.jsonl:1: is no object with 'a'"),
    ("t.npy", b"\x93NUMPY", {}, "t.npy: is no npy file of numbers"),
    ("t.npy", b"", {}, "t.npy: is no npy file of numbers"),
    ("t.txt", "1\n2\n", {}, "t.txt: is of no known kind(.|\n)*.csv, .jsonl, .ndjson, .npy"),
]


@pytest.mark.parametrize(("name", "content", "options", "said"), BAD_TEXT, ids=lambda value: str(value)[:40])
def test_the_first_bad_line_is_named(
    tmp_path: Path, name: str, content: str | bytes, options: dict[str, object], said: str
) -> None:
    (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(UsageError) as caught:
        Trace.model_validate({"path": tmp_path / name, **options}).check()
    assert caught.match(said)
    assert caught.value.remedy
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (np.array([]), "holds no stamp"),
        (np.array([1.0]), "a single stamp"),
        (np.array([1, 3, 2, 0]), r"t.npy\[2\]: is earlier than the stamp before it"),
        (np.array([3, 1], np.uint8), r"t.npy\[1\]: is earlier"),
        (np.array([1.0, np.nan, 2.0]), r"t.npy\[1\]: nan is not a moment"),
        (np.array([1.0, 2.0, np.inf]), r"t.npy\[2\]: inf is not a moment"),
        (np.array([0.0, 1e300]), "146 years"),
        (np.zeros((2, 2)), r"shape \(2, 2\)"),
        (np.array([True, False]), "type bool"),
        (np.array(["1", "2"]), "type <U1"),
    ],
)
def test_bad_arrays(tmp_path: Path, values: np.ndarray, said: str) -> None:
    np.save(tmp_path / "t.npy", values)
    with pytest.raises(UsageError, match=said) as caught:
        Trace(path=tmp_path / "t.npy").check()
    assert caught.value.remedy


def test_an_array_of_objects_is_never_loaded(tmp_path: Path) -> None:
    np.save(tmp_path / "t.npy", np.array([1, "x", None], dtype=object))
    with pytest.raises(UsageError, match="no npy file of numbers"):
        Trace(path=tmp_path / "t.npy").check()


def test_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (text, npy):
        monkeypatch.setattr(module, "MAX_STAMPS", 3)
    (tmp_path / "t.csv").write_text("time\n1\n2\n3\n4\n5\n")
    np.save(tmp_path / "t.npy", np.arange(5))
    with pytest.raises(UsageError, match=r"t.csv:5: is beyond the 3 stamps"):
        Trace(path=tmp_path / "t.csv").check()
    with pytest.raises(UsageError, match="5 stamps, more than 3"):
        Trace(path=tmp_path / "t.npy").check()
    monkeypatch.setattr(read, "MAX_BYTES", 5)
    with pytest.raises(UsageError, match="larger than"):
        Trace(path=tmp_path / "t.csv").check()


def test_what_is_no_file(tmp_path: Path) -> None:
    for path, said in ((tmp_path / "none.csv", "cannot be read"), (tmp_path, "is not a regular file")):
        with pytest.raises(UsageError, match=said):
            Trace(path=path).check()


def test_reading_is_lazy() -> None:
    """A scenario is validated before its files are read, so that one message says all that is wrong."""
    assert trace_module.Trace(path=Path("/no/such/file.csv")).label() == "trace-file"


def test_a_head_that_python_2_wrote_is_read_without_a_warning(
    tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    head = b"{'descr': '<i8', 'fortran_order': False, 'shape': (3L,), }"
    head += b" " * (-(len(head) + 11) % 64) + b"\n"
    file = tmp_path / "t.npy"
    stamps = np.array([0, 5, 9], "<i8").tobytes()
    file.write_bytes(b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head + stamps)
    assert read.read(file, Layout(None, None, "s")).tolist() == [0, 5_000_000_000, 9_000_000_000]
    assert [str(each.message) for each in recwarn] == []
