"""A canary: whatever is carried or read, nothing of it is executed; the file that it would make is never there.

The payloads are what each kind of reader could be made to run: objects that call as they are loaded, tags, types of
extension, names that a shell, a template, a query or an include would follow, programs within documents.
"""

from __future__ import annotations

import base64
import io
import json
import os
import pickle
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pytest
import yaml
from canaries import Call, payloads

from benchkit import scenario
from benchkit.engine.channel import Channel
from benchkit.errors import BenchkitError, KlvError, MessageError, RecordError
from benchkit.klv.packet import parse
from benchkit.load._trace.layout import Layout
from benchkit.load._trace.read import read as read_stamps
from benchkit.records import baseline, folder
from benchkit.records.samples import SAMPLE
from benchkit.sources.images import Images
from benchkit.sources.video import Video
from benchkit.stages.onnx import Onnx
from benchkit.tensors.codecs.base import registry as codecs
from benchkit.trace.reader import read_folder
from benchkit.transports._kserve.document import read_document


@pytest.fixture
def canary(tmp_path: Path) -> Iterator[Path]:
    """The place of the file; that each payload would really make it is shown below."""
    target = tmp_path / "canary"
    yield target
    assert not target.exists(), "something that was carried was executed"


PAYLOADS = list(payloads(Path("/nowhere")))


@pytest.mark.parametrize("name", ["object", "object of protocol 0", "array of objects", "YAML", "Python"])
def test_the_canary_lives_where_somebody_does_execute(name: str, tmp_path: Path) -> None:
    """Without this the others prove nothing."""
    target = tmp_path / "canary"
    content = payloads(target)[name]
    runs: dict[str, Callable[[], object]] = {
        "object": lambda: pickle.loads(content),  # noqa: S301  (to show that the canary lives)
        "object of protocol 0": lambda: pickle.loads(content),  # noqa: S301  (likewise)
        "array of objects": lambda: np.load(io.BytesIO(content), allow_pickle=True),
        "YAML": lambda: yaml.unsafe_load(content),
        "Python": lambda: eval(content),  # noqa: S307  (likewise)
    }
    runs[name]()
    assert target.is_dir()


# Codecs -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", sorted(codecs.entries()))
@pytest.mark.parametrize("payload", PAYLOADS)
def test_no_codec_executes_what_it_decodes(kind: str, payload: str, canary: Path) -> None:
    """As the whole body, behind a head that is sound, and in the place of names, dtypes, metadata and tensors."""
    codec = codecs.build({"kind": kind})
    content = payloads(canary)[payload]
    for body in _bodies(content):
        with suppress(MessageError):
            codec.decode(memoryview(body))
    arrays = {"a": np.frombuffer(content, np.uint8), content.decode("latin-1")[:60]: np.zeros(2, np.float32)}
    with suppress(MessageError):
        parts = codec.encode(arrays, b"" if kind == "klv" else content)
        back, metadata = codec.decode(memoryview(b"".join(map(bytes, parts))))
        assert metadata in (content, b"")
        assert back.keys() == arrays.keys()


def _bodies(content: bytes) -> Iterator[bytes]:
    text = content.decode("latin-1")
    yield content
    for entry in (["a", text, [1]], [text, "uint8", [1]], ["a", {"descr": text}, text]):
        for width in (entry, [*entry, 1]):
            packed = msgpack.packb([content, width])
            head = len(packed).to_bytes(4, "little") + packed
            yield head + bytes(-len(head) % 64) + content
    described = {"name": text, "dtype": text, "shape": [1], "data": content}
    yield msgpack.packb({"metadata": content, "arrays": [described]})
    yield msgpack.packb({"metadata": msgpack.ExtType(1, content), "arrays": []})
    told = {**described, "data": base64.b64encode(content).decode()}
    yield json.dumps({"metadata": text, "arrays": [told], "py/object": text}).encode()
    yield json.dumps({"__class__": text, "__reduce__": text}).encode()


@pytest.mark.parametrize("payload", PAYLOADS)
def test_nor_does_what_reads_klv_kserve_and_the_control_channel(payload: str, canary: Path) -> None:
    content = payloads(canary)[payload]
    key = bytes.fromhex("060E2B34020B01010E01030101000000")
    with suppress(KlvError):
        parse(key + bytes((0x82,)) + len(content).to_bytes(2, "big") + content)
    text = content.decode("latin-1")
    for document in (
        content,
        json.dumps({"inputs": [{"name": text, "datatype": text, "shape": [1], "data": [text]}]}),
    ):
        with suppress(MessageError):
            read_document(document if isinstance(document, bytes) else document.encode(), "inputs")
    ours, theirs = socket.socketpair()
    with ours, theirs:
        for packed in (
            content,
            msgpack.packb(msgpack.ExtType(1, content)),
            msgpack.packb({"do": content, text: content}),
        ):
            theirs.sendall(len(packed).to_bytes(8, "little") + packed)
        for _ in range(3):
            with suppress(EOFError):
                Channel(ours).recv()


# Files ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("payload", PAYLOADS)
def test_no_reader_of_files_executes_them(payload: str, canary: Path, tmp_path: Path, capfd: Any) -> None:
    content = payloads(canary)[payload]
    place = tmp_path / "files"
    place.mkdir()
    for name in ("run.json", "record.json", "blocks.jsonl", "asked.json", "base.json", "x.yaml", "t.csv", "t.jsonl",
                 "t.npy", "frame.png", "frame.jpg", "frame.tif", "m.onnx", "v.mp4", "t.trace"):  # fmt: skip
        (place / name).write_bytes(content)
    readers: dict[str, Callable[[], object]] = {
        "run": lambda: folder.load(place),
        "document": lambda: folder.read_document(place / "run.json"),
        "baseline": lambda: baseline.read(place / "base.json"),
        "scenario": lambda: scenario.load(place / "x.yaml"),
        "override": lambda: scenario.load(place / "x.yaml", sets=[f"source={content.decode('latin-1')}"]),
        **{name: lambda name=name: read_stamps(place / name, Layout(None, None, "ns"))
           for name in ("t.csv", "t.jsonl", "t.npy")},
        "images": lambda: next(iter(Images(path=place).items(0))),
        "video": lambda: next(iter(Video(path=place / "v.mp4").items(0))),
        "model": lambda: Onnx(model=place / "m.onnx").open(0),
        "trace": lambda: read_folder(place),
    }  # fmt: skip
    for name, read in readers.items():
        with suppress(BenchkitError):
            read()
            assert name in ("trace", "t.csv")
    assert capfd.readouterr().out == ""


def test_samples_are_never_objects(canary: Path, tmp_path: Path) -> None:
    """A run that is sound but for one sample file."""
    from benchkit.records import reading

    samples = tmp_path / "samples"
    samples.mkdir()
    for name, content in payloads(canary).items():
        (samples / "a.npy").write_bytes(content)
        with pytest.raises(RecordError):
            reading.samples(tmp_path, "a", 1)
        assert not canary.exists(), name
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "|O", "fortran_order": False, "shape": (1,)})
    (samples / "a.npy").write_bytes(head.getvalue() + pickle.dumps(Call(canary)))
    with pytest.raises(RecordError, match="columns"):
        reading.samples(tmp_path, "a", 1)
    assert SAMPLE.hasobject is False


def test_a_model_may_not_read_files_beside_its_folder(tmp_path: Path) -> None:
    """External data of an ONNX file are named by a path: one that leads out of its folder is refused."""
    onnx = _model_with_external_data
    secret = tmp_path / "secret.bin"
    secret.write_bytes(np.arange(4, dtype=np.float32).tobytes())
    inside = tmp_path / "models"
    inside.mkdir()
    for location in ("../secret.bin", str(secret), "../models/../secret.bin"):
        (inside / "m.onnx").write_bytes(onnx(location))
        with pytest.raises(BenchkitError):
            Onnx(model=inside / "m.onnx").open(0)
    (inside / "link.bin").symlink_to(secret)
    (inside / "m.onnx").write_bytes(onnx("link.bin"))
    with pytest.raises(BenchkitError):
        Onnx(model=inside / "m.onnx").open(0)
    (inside / "own.bin").write_bytes(secret.read_bytes())
    (inside / "m.onnx").write_bytes(onnx("own.bin"))
    Onnx(model=inside / "m.onnx").open(0).close()


def _field(number: int, content: bytes | int | str) -> bytes:
    """A field of a protocol buffer: a number, or bytes with their length."""
    if isinstance(content, int):
        return bytes((number << 3,)) + _varint(content)
    data = content.encode() if isinstance(content, str) else content
    return bytes((number << 3 | 2,)) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    found = b""
    while value > 0x7F:
        found += bytes((value & 0x7F | 0x80,))
        value >>= 7
    return found + bytes((value,))


def _model_with_external_data(location: str) -> bytes:
    """x float32 [4] + w -> y, w in a file of its own; written by hand, as nothing here needs the onnx package."""
    shape = _field(2, _field(1, _field(1, 4)))
    typed = _field(2, _field(1, _field(1, 1) + shape))
    tensor = (
        _field(1, 4) + _field(2, 1) + _field(8, "w")
        + _field(13, _field(1, "location") + _field(2, location)) + _field(14, 1)
    )  # fmt: skip
    node = _field(1, "x") + _field(1, "w") + _field(2, "y") + _field(4, "Add")
    graph = (
        _field(1, node) + _field(2, "g") + _field(5, tensor) + _field(11, _field(1, "x") + typed)
        + _field(12, _field(1, "y") + typed)
    )  # fmt: skip
    return _field(1, 8) + _field(7, graph) + _field(8, _field(2, 13))


def test_what_lies_where_benchkit_is_called_is_not_imported(tmp_path: Path, canary: Path) -> None:
    """Modules with names of the standard library, in the folder in which somebody calls benchkit."""
    for name in (
        "json",
        "socket",
        "msgpack",
        "numpy",
        "sitecustomize",
        "yaml",
        "uvloop",
        "conftest",
        "struct",
        "selectors",
    ):
        (tmp_path / f"{name}.py").write_text(f"import os\nos.makedirs({str(canary)!r}, exist_ok=True)\n")
    made = {
        "name": "here", "source": {"kind": "sensors", "samples": 4, "channels": 1}, "codec": "raw",
        "transport": {"kind": "http"}, "stage": "null", "load": {"arrival": "constant", "rate": "50/s"},
        "link": {"delay": "1ms"},
        "blocks": {"rounds": 1, "duration": "60ms", "warmup": "10ms", "warmup_max": "10ms", "drain": "500ms"},
    }  # fmt: skip
    (tmp_path / "s.yaml").write_text(yaml.safe_dump(made))
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    # As the console script does: its own folder and not the present one comes first.
    done = subprocess.run(
        [sys.executable, "-P", "-m", "benchkit", "run", "s.yaml", "-q", "--no-floors"], cwd=tmp_path, env=environment,
        capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode in (0, 3), done.stderr
    assert list((tmp_path / "results").glob("*/run.json"))
