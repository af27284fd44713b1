"""What every codec promises: what goes in comes out, and nothing malformed comes out as anything else."""

from __future__ import annotations

import base64
import io
import json
import struct
import tracemalloc

import ml_dtypes
import msgpack
import numpy as np
import pytest
from bodies import CODECS, LOSSLESS, METADATA, any_arrays, body, codec, same, through
from hypothesis import given, settings
from hypothesis import strategies as st

from benchkit.errors import MessageError
from benchkit.tensors.codecs.base import registry
from benchkit.tensors.message import DTYPES

FRAME = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
SAMPLE = {
    "frame": FRAME,
    "level": np.array(1.5, "f4"),
    "window": np.arange(12.0).reshape(3, 4),
    "none": np.empty((0, 3)),
}


@pytest.mark.parametrize("kind", LOSSLESS)
@given(arrays=any_arrays, metadata=st.binary(max_size=40))
@settings(max_examples=60, deadline=None)
def test_every_bit_comes_back(kind, arrays, metadata):
    made, came = through(kind, arrays, metadata)
    assert same(made, arrays)
    assert came == metadata
    assert not any(array.flags.writeable for array in made.values())


@pytest.mark.parametrize("kind", CODECS)
@pytest.mark.parametrize("dtype", sorted(DTYPES))
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3), (0, 3), (1, 1, 1), (5, 0, 2**20)])
def test_every_dtype_and_shape_comes_back(kind, dtype, shape):
    given = (
        np.ones(shape, DTYPES[dtype])
        if 0 not in shape
        else np.empty(tuple(min(s, 9) for s in shape), DTYPES[dtype])
    )
    made, _ = through(kind, {"x": given})
    assert made["x"].dtype == DTYPES[dtype]
    assert made["x"].shape == given.shape
    assert np.array_equal(made["x"], given)


@pytest.mark.parametrize("kind", LOSSLESS)
def test_bits_that_compare_unequal_come_back(kind):
    bits = np.array([0x7FF8000000000001, 0x8000000000000000, 0x7FF0000000000000], np.uint64).view(np.float64)
    halves = np.array([0x7FC1, 0x8000, 0xFFFF], np.uint16).view(ml_dtypes.bfloat16)
    made, _ = through(kind, {"nan": bits, "b": halves})
    assert made["nan"].tobytes() == bits.tobytes()
    assert made["b"].tobytes() == halves.tobytes()


@pytest.mark.parametrize("kind", CODECS)
def test_a_message_without_arrays(kind):
    assert through(kind, {}, b"") == ({}, b"")


@pytest.mark.parametrize("kind", CODECS)
@pytest.mark.parametrize(
    "array",
    [
        np.array([None]), np.array(["x"]), np.array([b"x"]), np.zeros(2, "V3"), np.zeros(2, "m8[s]"),
        np.zeros(2, "M8[s]"), np.zeros(2, [("a", "f4")]), np.zeros(2, "longdouble"),
        np.zeros(2, ml_dtypes.float8_e4m3),
    ],
    ids=lambda array: array.dtype.name,
)  # fmt: skip
def test_other_dtypes_are_not_sent(kind, array):
    with pytest.raises(MessageError, match="may not travel"):
        codec(kind).encode({"x": array}, b"")


@pytest.mark.parametrize("kind", CODECS)
@pytest.mark.parametrize(
    ("arrays", "metadata"),
    [
        ({str(index): np.zeros(1) for index in range(257)}, b""),
        ({"x" * 257: np.zeros(1)}, b""),
        ({"\ud800": np.zeros(1)}, b""),
        ({7: np.zeros(1)}, b""),
        ({"x": np.zeros((1,) * 33)}, b""),
        ({}, bytes((1 << 20) + 1)),
        ({}, bytearray(3)),
        ({}, "text"),
        ({}, None),
    ],
    ids=[
        "arrays",
        "long-name",
        "surrogate",
        "no-name",
        "dimensions",
        "metadata",
        "bytearray",
        "text",
        "none",
    ],
)
def test_what_no_receiver_takes_is_not_sent(kind, arrays, metadata):
    with pytest.raises(MessageError):
        codec(kind).encode(arrays, metadata)


@pytest.mark.parametrize("kind", CODECS)
def test_the_largest_description_comes_back(kind):
    arrays = {f"{index:03}".ljust(256, "x"): np.full((1,) * 32, index, np.int16) for index in range(256)}
    made, metadata = through(kind, arrays, bytes(1 << 20))
    assert same(made, arrays)
    assert len(metadata) == 1 << 20


@pytest.mark.parametrize("kind", LOSSLESS)
def test_masked_matrix_and_mapped_arrays_travel_as_plain_ones(kind, tmp_path):
    mapped = np.memmap(tmp_path / "m", np.int32, "w+", shape=(2, 3))
    given = {
        "masked": np.ma.masked_array([1, 2], [0, 1]),
        "matrix": np.array([[1, 2], [3, 4]]).view(np.matrix),
        "mapped": mapped,
    }
    made, _ = through(kind, given)
    assert all(type(array) is np.ndarray for array in made.values())
    assert made["matrix"].tolist() == [[1, 2], [3, 4]]
    assert made["masked"].tolist() == [1, 2]


@pytest.mark.parametrize("kind", CODECS)
def test_what_is_remembered_of_one_message_is_not_said_of_another(kind):
    """Same bytes, other names, dtypes, shapes, metadata, in turn: each could meet the other's memory."""
    given = [
        ({"x": np.arange(4, dtype="u2")}, b""), ({"y": np.arange(4, dtype="u2")}, b""),
        ({"x": np.arange(4, dtype="i2")}, b""), ({"x": np.arange(4, dtype="u2").reshape(2, 2)}, b""),
        ({"x": np.arange(4, dtype="u2")}, b"m"), ({"x": np.arange(4, dtype=">u2")}, b""),
    ]  # fmt: skip
    for arrays, metadata in given * 2:
        made, came = through(kind, arrays, metadata)
        assert same(made, arrays)
        assert came == metadata


# Hostile bodies -------------------------------------------------------------------------------------------


def _refuses_or_decodes(kind, data):
    """MessageError is the only exception; what decodes is of allowed dtypes and lies inside its bounds."""
    try:
        arrays, metadata = codec(kind).decode(memoryview(data))
    except MessageError:
        return
    assert isinstance(metadata, bytes)
    for array in arrays.values():
        assert array.dtype in DTYPES.values()
        array.tobytes()


@pytest.mark.parametrize("kind", CODECS)
@given(data=st.binary(max_size=300))
@settings(max_examples=150, deadline=None)
def test_random_bytes(kind, data):
    _refuses_or_decodes(kind, data)


@pytest.mark.parametrize("kind", CODECS)
def test_every_truncation_is_refused(kind):
    whole = body(kind, SAMPLE)
    for length in range(whole.nbytes):
        with pytest.raises(MessageError):
            codec(kind).decode(whole[:length])


@pytest.mark.parametrize("kind", CODECS)
def test_bytes_after_the_end_are_refused(kind):
    for more in (b"\0", b"x" * 64):
        with pytest.raises(MessageError):
            codec(kind).decode(memoryview(bytes(body(kind, SAMPLE)) + more))


@pytest.mark.parametrize("kind", CODECS)
@given(st.data())
@settings(max_examples=300, deadline=None)
def test_changed_bytes(kind, data):
    changed = bytearray(body(kind, SAMPLE))
    for _ in range(data.draw(st.integers(1, 3))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    _refuses_or_decodes(kind, changed)


@pytest.mark.parametrize("kind", CODECS)
def test_every_single_bit_of_the_first_kilobyte(kind):
    whole = bytes(body(kind, SAMPLE))
    for position in range(min(len(whole), 1024)):
        for bit in range(8):
            changed = bytearray(whole)
            changed[position] ^= 1 << bit
            _refuses_or_decodes(kind, changed)


def _head(*entries, metadata=b"") -> bytes:
    packed = msgpack.packb([metadata, *entries])
    head = struct.pack("<I", len(packed)) + packed
    return head + bytes(-len(head) % 64)


def _nested(depth: int) -> bytes:
    packed = b"\x92\xc4\x00" + b"\x91" * depth + b"\x90"
    head = struct.pack("<I", len(packed)) + packed
    return head + bytes(-len(head) % 64)


_json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
_entry = st.fixed_dictionaries(
    {
        "name": st.text(max_size=3) | _json_values,
        "dtype": st.sampled_from(["float32", "object", "V8", "<f4", "bool", "bfloat16", "M8[s]"])
        | _json_values,
        "shape": st.lists(st.integers(-2, 2**64 - 1) | _json_values, max_size=3),
        "data": st.binary(max_size=9),
    }
)


@given(entries=st.lists(_entry, max_size=3))
@settings(max_examples=200, deadline=None)
def test_descriptions_of_every_kind(entries):
    rows = [[entry["name"], entry["dtype"], entry["shape"]] for entry in entries]
    try:
        head = _head(*rows)
        document = msgpack.packb({"metadata": b"", "arrays": entries})
    except (OverflowError, UnicodeEncodeError):
        return  # msgpack itself cannot say this
    _refuses_or_decodes("raw", head + bytes(64))
    _refuses_or_decodes("npy", head + bytes(64))
    _refuses_or_decodes("jpeg", _head(*[[*row, 64] for row in rows]) + bytes(64))
    _refuses_or_decodes("msgpack", document)
    texts = [{**entry, "data": base64.b64encode(entry["data"]).decode()} for entry in entries]
    _refuses_or_decodes("json-base64", json.dumps({"metadata": "", "arrays": texts}).encode())


HUGE = [
    [2**40],
    [2**62],
    [2**63 - 1],
    [2**64 - 1],
    [2**32, 2**32],
    [2**40] * 32,
    [0, 2**62, 2**62],
    [0] + [2**47] * 9,
]


@pytest.mark.parametrize("shape", HUGE, ids=str)
def test_huge_shapes_allocate_nothing(shape):
    entry = {"name": "x", "dtype": "float64", "shape": shape}
    tracemalloc.start()
    try:
        for kind, data in (
            ("raw", _head(["x", "float64", shape])),
            ("jpeg", _head(["x", "uint8", [*shape[:1], shape[-1], 3], 9]) + bytes(64)),
            ("msgpack", msgpack.packb({"metadata": b"", "arrays": [{**entry, "data": b""}]})),
            ("json-base64", json.dumps({"metadata": "", "arrays": [{**entry, "data": ""}]}).encode()),
            ("npy", _npy_body("x", "float64", "<f8", tuple(shape))),
        ):
            with pytest.raises(MessageError):
                codec(kind).decode(memoryview(data))
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("depth", [1, 100, 990, 1020, 5000])
@pytest.mark.parametrize("kind", ["raw", "npy", "jpeg"])
def test_deep_nesting_is_a_message_error(kind, depth):
    with pytest.raises(MessageError):
        codec(kind).decode(memoryview(_nested(depth)))


@pytest.mark.parametrize("kind", ["raw", "npy", "jpeg"])
def test_two_arrays_of_one_name(kind):
    with pytest.raises(MessageError):
        codec(kind).decode(memoryview(_head(*[["x", "bool", [0], 0][: 4 if kind == "jpeg" else 3]] * 2)))


# npy ------------------------------------------------------------------------------------------------------


def _npy_body(name, dtype, descr, shape, data=b"", fortran=False) -> bytes:
    text = f"{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape!r}, }}"
    text += " " * (-(len(text) + 11) % 64) + "\n"
    file = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode() + data
    return _head([name, dtype, len(file)]) + file + bytes(-len(file) % 64)


def test_npy_files_are_what_numpy_saves():
    file = io.BytesIO()
    np.save(file, SAMPLE["window"])
    assert file.getvalue() in bytes(body("npy", SAMPLE))


def test_npy_fortran_order_is_read():
    given = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    made, _ = codec("npy").decode(
        memoryview(_npy_body("x", "float64", "<f8", (2, 3), given.tobytes("A"), fortran=True))
    )
    assert np.array_equal(made["x"], given)


def test_npy_bfloat16_is_stored_as_its_bits():
    file = io.BytesIO()
    np.save(file, np.array([0x3F80], np.uint16))
    assert file.getvalue() in bytes(body("npy", {"x": np.ones(1, ml_dtypes.bfloat16)}))


@pytest.mark.parametrize(
    "descr", ["|O", "|V8", "<V2", "<U2", "|S8", "<M8[s]", ">f8", "=f8", "<f4", "<c16", "[('a','<f8')]"]
)
def test_npy_headers_of_other_dtypes_are_refused(descr):
    with pytest.raises(MessageError):
        codec("npy").decode(memoryview(_npy_body("x", "float64", descr, (1,), bytes(8))))


@pytest.mark.parametrize(
    "shape",
    [
        "(1)",
        "[1,]",
        "(01,)",
        "(1,,)",
        "(-1,)",
        "(1.0,)",
        "(True,)",
        "(1L,)",
        "(1,) + (2,)",
        "(__import__('os'),)",
    ],
)
def test_npy_shapes_of_another_form_are_refused(shape):
    text = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}\n"
    file = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode() + bytes(8)
    with pytest.raises(MessageError):
        codec("npy").decode(memoryview(_head(["x", "float64", len(file)]) + file + bytes(-len(file) % 64)))


# msgpack and JSON: documents that other programs read and write -------------------------------------------


def test_msgpack_is_one_document_that_any_reader_takes():
    document = msgpack.unpackb(body("msgpack", {"x": np.arange(3, dtype="i2")}))
    entry = {"name": "x", "dtype": "int16", "shape": [3], "data": b"\0\0\1\0\2\0"}
    assert document == {"metadata": METADATA, "arrays": [entry]}
    made, metadata = codec("msgpack").decode(memoryview(msgpack.packb(document)))
    assert made["x"].tolist() == [0, 1, 2]
    assert metadata == METADATA


def test_msgpack_of_many_small_lists_is_refused_early():
    bomb = msgpack.packb({"metadata": b"", "arrays": [[[[]] * 256] * 256] * 8})
    tracemalloc.start()
    try:
        with pytest.raises(MessageError):
            codec("msgpack").decode(memoryview(bomb))
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_json_is_what_services_send():
    document = json.loads(bytes(body("json-base64", {"x": np.arange(3, dtype="i2")})))
    entry = {"name": "x", "dtype": "int16", "shape": [3], "data": "AAABAAIA"}
    assert document == {"metadata": base64.b64encode(METADATA).decode(), "arrays": [entry]}


@pytest.mark.parametrize(
    "text", ["AAABAAI", "AAABAAI\n", " AAABAAI", "AAAB-AI_", "AAAB=AIA", "AAABAAIé", "AAABAA==", ""]
)
def test_base64_of_another_form_is_refused(text):
    document = {"metadata": "", "arrays": [{"name": "x", "dtype": "int16", "shape": [3], "data": text}]}
    with pytest.raises(MessageError):
        codec("json-base64").decode(memoryview(json.dumps(document).encode()))


@pytest.mark.parametrize("text", ["AA-A", "AAA", "AA A", "AA=A", "=", "é"])
def test_metadata_in_another_form_is_refused(text):
    with pytest.raises(MessageError):
        codec("json-base64").decode(memoryview(json.dumps({"metadata": text, "arrays": []}).encode()))


@pytest.mark.parametrize(
    "text",
    [b"[" * 100_000, b"{" + b'"a":{' * 50_000, b"9" * 5000, b"\xff\xfe", b"", b"NaN", b"\xef\xbb\xbf{}"],
)
def test_json_of_another_form_is_refused(text):
    with pytest.raises(MessageError):
        codec("json-base64").decode(memoryview(text))


# jpeg -----------------------------------------------------------------------------------------------------

_GRADIENT = np.linspace(0, 255, 64 * 48).reshape(48, 64).astype(np.uint8)


@pytest.mark.parametrize(
    "picture", [_GRADIENT, np.stack([_GRADIENT, _GRADIENT[::-1], _GRADIENT], axis=-1)], ids=["grey", "rgb"]
)
def test_jpeg_is_close_smaller_and_always_the_same(picture):
    made, _ = through("jpeg", {"frame": picture})
    again, _ = through("jpeg", {"frame": picture})
    assert made["frame"].shape == picture.shape
    assert not made["frame"].flags.writeable
    assert np.abs(made["frame"].astype(int) - picture).mean() < 4
    assert np.array_equal(made["frame"], again["frame"])
    assert body("jpeg", {"frame": picture}).nbytes < picture.nbytes


def test_jpeg_quality_decides_the_size():
    noise = {"x": np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)}
    sizes = [
        sum(map(len, registry.build({"kind": "jpeg", "quality": quality}).encode(noise, b"")))
        for quality in (10, 50, 95)
    ]
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[-1] / 2


def test_jpeg_carries_what_is_no_picture_bit_by_bit():
    arrays = {
        "mask": FRAME[..., 0] > 9,
        "planar": FRAME.transpose(2, 0, 1),
        "float": SAMPLE["window"],
        "line": FRAME[0, 0],
    }
    assert same(through("jpeg", arrays)[0], arrays)


@pytest.mark.parametrize("shape", [(8193, 8192), (65501, 1), (1, 65501, 3)])
def test_pictures_too_large_for_jpeg_are_not_sent(shape):
    with pytest.raises(MessageError, match="too large for JPEG"):
        codec("jpeg").encode({"x": np.broadcast_to(np.uint8(0), shape)}, b"")


def _jpeg_body(shape, picture: bytes) -> memoryview:
    return memoryview(_head(["x", "uint8", shape, len(picture)]) + picture + bytes(-len(picture) % 64))


def _picture(size=(8, 6), mode="RGB", form="JPEG", **options) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.new(mode, size).save(file, form, **options)
    return file.getvalue()


def test_jpeg_takes_the_picture_that_was_described_alone():
    assert codec("jpeg").decode(_jpeg_body([6, 8, 3], _picture()))[0]["x"].shape == (6, 8, 3)
    for shape in ([8, 6, 3], [6, 8], [6, 9, 3]):
        with pytest.raises(MessageError):
            codec("jpeg").decode(_jpeg_body(shape, _picture()))


@pytest.mark.parametrize("picture", [_picture(form="PNG"), _picture(mode="CMYK"), _picture(progressive=True)])
def test_other_pictures_are_refused(picture):
    with pytest.raises(MessageError):
        codec("jpeg").decode(_jpeg_body([6, 8, 3], picture))


@pytest.mark.parametrize(
    ("sides", "shape", "why"),
    [
        ((65000, 65000), [65000, 65000, 3], "larger than any"),
        ((8193, 8192), [8193, 8192, 3], "larger than any"),  # below the size at which Pillow itself warns
        ((8192, 8192), [6, 8, 3], "not \\(6, 8, 3\\)"),
        ((65000, 65000), [6, 8, 3], "damaged"),
    ],
)
def test_a_header_that_promises_a_huge_picture_is_refused_before_decoding(sides, shape, why):
    bomb = bytearray(_picture())
    start = bomb.index(b"\xff\xc0")  # start of frame: length, precision, height, width
    bomb[start + 5 : start + 9] = struct.pack(">HH", *sides)
    with pytest.raises(MessageError, match=why):
        codec("jpeg").decode(_jpeg_body(shape, bytes(bomb)))


# zstd -----------------------------------------------------------------------------------------------------


def test_zstd_is_a_frame_of_the_raw_body_with_its_size():
    import zstandard

    frame = body("zstd", SAMPLE)
    assert zstandard.get_frame_parameters(frame).content_size == body("raw", SAMPLE).nbytes
    assert zstandard.decompress(frame) == body("raw", SAMPLE)


@pytest.mark.parametrize("level", [-7, 1, 22])
def test_zstd_levels(level):
    compressor = registry.build({"kind": "zstd", "level": level})
    frame = memoryview(b"".join(compressor.encode(SAMPLE, b"")))
    assert same(codec("zstd").decode(frame)[0], SAMPLE)


def test_the_most_compressible_message_is_not_taken_for_a_bomb():
    zeros = {"x": np.zeros(32 << 20, np.uint8)}
    frame = body("zstd", zeros)
    assert frame.nbytes < zeros["x"].nbytes / 10_000
    assert same(codec("zstd").decode(frame)[0], zeros)


@pytest.mark.parametrize("size", [1 << 40, (2 << 30) + 1, 2 << 30, 1 << 24])
def test_zstd_frames_that_promise_too_much_allocate_nothing(size):
    # magic, descriptor (content size of 8 bytes, one segment), content size, an empty last block
    frame = struct.pack("<IBQ", 0xFD2FB528, 0b11100000, size) + b"\x01\x00\x00"
    tracemalloc.start()
    try:
        with pytest.raises(MessageError, match=r"promises|hides"):
            codec("zstd").decode(memoryview(frame))
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_zstd_frames_that_hide_their_size_are_refused():
    import zstandard

    frame = zstandard.ZstdCompressor(write_content_size=False).compress(body("raw", SAMPLE))
    with pytest.raises(MessageError, match="hides"):
        codec("zstd").decode(memoryview(frame))
