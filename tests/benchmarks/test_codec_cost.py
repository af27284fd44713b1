"""What a codec costs: time to encode and decode, and bytes, beside one copy of the same tensor.

    pytest tests/benchmarks/test_codec_cost.py -n0 --benchmark-enable -s

prints a line for each codec and size; times as multiples of a memcpy of the tensor into memory that was touched
before. That `raw` costs nothing that grows with the tensor is asserted as a ratio within the same process.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from statistics import median
from time import perf_counter_ns
from typing import Any

import numpy as np
import pytest

from benchkit.sources.camera import Camera
from benchkit.tensors.codecs.base import Codec, registry
from benchkit.tensors.codecs.raw import Raw
from benchkit.tensors.message import Arrays
from benchkit.tensors.wire import Buffer, total_bytes
from benchkit.units import show_bytes, show_us

SMALL_BYTES = 64
KINDS = list(registry.entries())
ROUND_S = 0.08


@cache
def messages() -> dict[str, Arrays]:
    """64 bytes of floats, and a frame of 6.2 MB as a camera of a dam delivers it (noise would hide a codec)."""
    frame = next(iter(Camera(size="1920x1080").items(1))).arrays
    return {"64 B": {"window": np.linspace(0, 1, SMALL_BYTES // 4, dtype=np.float32)}, "6.2 MB": frame}


def timed_ns(work: Callable[[], object], seconds: float = ROUND_S) -> float:
    """Median of single calls, warm."""
    work()
    times: list[int] = []
    until = perf_counter_ns() + int(seconds * 1e9)
    while perf_counter_ns() < until or len(times) < 3:
        start = perf_counter_ns()
        work()
        times.append(perf_counter_ns() - start)
    return median(times)


def copying_ns(arrays: Arrays) -> float:
    pairs = [(np.empty_like(array), array) for array in arrays.values()]
    for target, array in pairs:
        target[...] = array

    def copy() -> None:
        for target, array in pairs:
            np.copyto(target, array)

    return timed_ns(copy)


def ways(codec: Codec, arrays: Arrays) -> tuple[Callable[[], Sequence[Buffer]], Callable[[], object], int]:
    """Encode, decode, and bytes of the body."""
    parts = codec.encode(arrays, b"")
    body = memoryview(b"".join(parts))
    return lambda: codec.encode(arrays, b""), lambda: codec.decode(body), total_bytes(parts)


@pytest.mark.parametrize("size", ["64 B", "6.2 MB"])
@pytest.mark.parametrize("kind", KINDS)
def test_codec(kind: str, size: str, benchmark: Any) -> None:
    arrays = messages()[size]
    payload = sum(array.nbytes for array in arrays.values())
    encode, decode, wire = ways(registry.build({"kind": kind}), arrays)
    benchmark.pedantic(lambda: (encode(), decode()), rounds=3, warmup_rounds=1)
    if not benchmark.enabled:
        return
    # Interleaved, so that a slow moment of the machine is everybody's.
    rounds = [(timed_ns(encode), timed_ns(decode), copying_ns(arrays)) for _ in range(3)]
    encoding, decoding, copy = (median(each) for each in zip(*rounds, strict=True))
    print(  # noqa: T201  (what it is for)
        f"\n{kind:12} {size:>7}  encode {show_us(encoding / 1e3):>8} ({encoding / copy:7.2f}x)"
        f"  decode {show_us(decoding / 1e3):>8} ({decoding / copy:7.2f}x)  {show_bytes(wire):>8}"
        f" ({wire / payload:.2f}x)  memcpy {show_us(copy / 1e3)}"
    )


def test_raw_does_not_look_at_the_tensor() -> None:
    """A tensor 100,000 times as long takes the same few microseconds: the best of many calls, taking turns."""
    both = [ways(Raw(), arrays)[:2] for arrays in messages().values()]
    best_ns = [1 << 62, 1 << 62]
    for _ in range(500):
        for place, (encode, decode) in enumerate(both):
            start = perf_counter_ns()
            encode()
            decode()
            best_ns[place] = min(best_ns[place], perf_counter_ns() - start)
    assert best_ns[1] < 5 * best_ns[0]
