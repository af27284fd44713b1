"""Sizes, durations and rates as people write them."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from benchkit.units import Bytes, FrameSize, PerSecond, Seconds, show_bytes, show_us

SECONDS, PER_SECOND = TypeAdapter(Seconds), TypeAdapter(PerSecond)
BYTES, FRAME_SIZE = TypeAdapter(Bytes), TypeAdapter(FrameSize)


@pytest.mark.parametrize(
    ("adapter", "text", "value"),
    [
        (SECONDS, "250ms", 0.25), (SECONDS, "1min", 60), (SECONDS, " 1.5 s ", 1.5), (SECONDS, "2e3us", 0.002),
        (SECONDS, "1\u00b5s", 1e-6), (SECONDS, "1\u03bcs", 1e-6), (SECONDS, 3, 3),
        (SECONDS, "0s", 0), (SECONDS, ".5h", 1800),
        (PER_SECOND, "30/s", 30), (PER_SECOND, "90/min", 1.5),
        (PER_SECOND, "1 / ms", 1000), (PER_SECOND, 0.1, 0.1),
        (BYTES, "6MiB", 6 << 20), (BYTES, "1.5KiB", 1536), (BYTES, "2MB", 2_000_000),
        (BYTES, 0, 0), (BYTES, "512", 512),
        (FRAME_SIZE, "1920x1080", (1920, 1080)), (FRAME_SIZE, "64 X 48", (64, 48)),
        (FRAME_SIZE, [2, 16384], (2, 16384)),
    ],
)  # fmt: skip
def test_read(adapter, text, value):
    assert adapter.validate_python(text) == pytest.approx(value)


@pytest.mark.parametrize(
    ("adapter", "text"),
    [
        *[
            (SECONDS, text)
            for text in ("5", "-1s", "1.s", "s", "1e400s", "nan", "1 day", "", -1, True, None, float("nan"))
        ],
        *[(PER_SECOND, text) for text in ("30", "0/s", "-1/s", "30/us", "1e400/s", 0, False, True, [30])],
        *[(BYTES, text) for text in ("-1", "6 apples", "1e3MB", "9" * 400 + "MiB", -1, 1.5, True, "")],
        *[
            (FRAME_SIZE, text)
            for text in ("1920", "1x1", "99999x5", "1920x1080x3", "-2x2", [2], [2, 2, 2], True)
        ],
    ],
)
def test_refused(adapter, text):
    with pytest.raises(ValidationError):
        adapter.validate_python(text)


@given(st.text(max_size=12) | st.floats() | st.booleans() | st.none() | st.lists(st.integers(), max_size=3))
def test_anything_else_is_a_validation_error(value):
    for adapter in (SECONDS, PER_SECOND, BYTES, FRAME_SIZE):
        with contextlib.suppress(ValidationError):
            adapter.validate_python(value)


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"), (999, "999 B"), (999.6, "1.0 kB"),
        (1000, "1.0 kB"), (99_949, "99.9 kB"), (99_960, "100 kB"),
        (999_600, "1.0 MB"), (6_220_800, "6.2 MB"), (5e12, "5000 GB"), (-2_500_000, "-2.5 MB"),
    ],
)  # fmt: skip
def test_bytes_shown(count, text):
    assert show_bytes(count) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0.7, "0.7 us"), (99.94, "99.9 us"), (99.96, "100 us"),
        (999.6, "1.0 ms"), (4100, "4.1 ms"), (2.5e6, "2.5 s"),
        (None, "-"), (float("nan"), "-"), (-3, "-3.0 us"),
    ],
)  # fmt: skip
def test_us_shown(count, text):
    assert show_us(count) == text
