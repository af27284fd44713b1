"""A dam's senders interleaved by their own ticks, into one service with two models."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from benchkit.errors import InputMismatch
from benchkit.sources.camera import Camera
from benchkit.sources.sensors import Sensors
from benchkit.sources.site import Site
from benchkit.stages.models import Models
from benchkit.stages.onnx import Onnx
from benchkit.tensors.message import Message

MODELS = Path(__file__).resolve().parents[2] / "scenarios" / "models" / "dam"
SMALL = {"cameras": 3, "size": "64x48", "frame_rate": 5, "window_rate": 2, "channels": 40}


def test_each_second_has_every_senders_share_in_the_order_of_their_ticks() -> None:
    site = Site(**SMALL)
    assert site.rate_per_s == 17
    items = list(islice(site.items(1), 34))
    for second in (items[:17], items[17:]):
        assert Counter(item.metadata for item in second) == {
            b"camera-0": 5, b"camera-1": 5, b"camera-2": 5, b"sensors": 2,
        }  # fmt: skip
    cameras = [item.metadata for item in items if item.metadata != b"sensors"]
    assert cameras[:6] == [b"camera-0", b"camera-1", b"camera-2"] * 2


def test_messages_are_those_of_the_senders_alone() -> None:
    items = list(islice(Site(**SMALL).items(7), 20))
    seen = [item for item in items if item.metadata == b"camera-1"]
    alone = list(islice(Camera(size=(64, 48), rate=5).items(8), len(seen)))
    for got, wanted in zip(seen, alone, strict=True):
        assert np.array_equal(got.arrays["frame"], wanted.arrays["frame"])
        assert got.truth == wanted.truth
    windows = [item for item in items if item.metadata == b"sensors"]
    (first,) = islice(Sensors(samples=144, channels=40).items(7), 1)
    assert np.array_equal(windows[0].arrays["window"], first.arrays["window"])
    assert Site().label() == "site-8x640x360-40ch"


def service() -> Models:
    return Models(frame=MODELS / "dam-level.onnx", window=MODELS / "dam-sensors-40.onnx")


def test_one_service_answers_both_by_what_comes() -> None:
    items = list(islice(Site(**{**SMALL, "size": "640x360"}).items(50_000_000), 9))
    messages = [Message(seq, item.arrays) for seq, item in enumerate(items)]
    opened = service().open(0)
    together = opened.run(messages)
    alone = [opened.run([message])[0] for message in messages]
    assert {item.metadata for item in items} >= {b"sensors", b"camera-0"}
    for item, batched, single in zip(items, together, alone, strict=True):
        np.testing.assert_allclose(batched["level_m"], single["level_m"], atol=1e-4)
        assert abs(float(single["level_m"][0]) - item.truth["level_m"]) < 0.15
    opened.close()


def test_forty_channels_are_read_like_the_first_twelve() -> None:
    (item,) = islice(Sensors(samples=144, channels=40).items(3), 1)
    window = np.asarray(item.arrays["window"])
    (wide,) = service().open(0).run([Message(0, {"window": window})])
    narrow = Onnx(model=MODELS / "dam-sensors.onnx").open(0)
    (few,) = narrow.run([Message(0, {"window": np.ascontiguousarray(window[:, :12])})])
    np.testing.assert_allclose(wide["level_m"], few["level_m"], rtol=1e-6)


def test_a_message_for_no_model() -> None:
    with pytest.raises(InputMismatch, match="no model is for a message of radar") as caught:
        service().open(0).run([Message(0, {"radar": np.zeros(3, np.float32)})])
    assert "frame, window" in caught.value.remedy
    with pytest.raises(InputMismatch, match="no model is given"):
        Models().open(0)
