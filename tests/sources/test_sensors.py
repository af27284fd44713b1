from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
from pydantic import ValidationError

from benchkit.sources._instruments import KINDS
from benchkit.sources.base import registry
from benchkit.sources.sensors import Sensors


def windows(count: int, seed: int = 1, **options: object) -> list[np.ndarray]:
    return [
        np.asarray(item.arrays["window"])
        for item in islice(Sensors.model_validate(options).items(seed), count)
    ]


def test_windows_are_contiguous_float32():
    (window,) = windows(1)
    assert (window.shape, window.dtype, window.flags.c_contiguous) == ((144, 12), np.float32, True)
    (window,) = windows(1, samples=7, channels=30)
    assert window.shape == (7, 30)
    assert np.isfinite(window).all()


def test_same_seed_same_bits_and_another_seed_other_bits():
    assert np.array_equal(windows(3)[2], windows(3)[2])
    assert not np.array_equal(windows(1)[0], windows(1, seed=2)[0])


@pytest.mark.parametrize("stride", [1, 5, 200])
def test_a_window_is_the_one_before_slid_on(stride: int):
    one, two = windows(2, stride=stride)
    longer = windows(1, samples=144 + stride)[0]
    assert np.array_equal(one, longer[:144])
    assert np.array_equal(two, longer[stride:])


def test_the_level_gauges_follow_the_truth_and_wander():
    items = list(islice(Sensors(samples=1).items(3), 4000))
    level = np.array([item.truth["level_m"] for item in items])
    read = np.array([item.arrays["window"][0, 0] for item in items], np.float64)
    assert 0.2 <= level.min() < level.max() <= 2.8
    assert level.max() - level.min() > 0.3
    assert np.median(np.abs(read - level)) == pytest.approx(0.03 * 0.6745, rel=0.25)  # the radar's noise
    assert 0.001 < np.mean(np.abs(read - level) > 6 * 0.03) < 0.006  # its spikes, one reading in 250


def test_seepage_and_pressure_answer_to_the_level_and_air_has_a_day():
    read = np.concatenate(windows(1, samples=144 * 30))
    names = [kind.name for kind in KINDS]
    level, pressure = read[:, 0], read[:, names.index("pore pressure, kPa")]
    assert np.corrcoef(level, pressure)[0, 1] > 0.9
    assert np.corrcoef(level, read[:, names.index("seepage, L/s")])[0, 1] > 0.7
    air = read[:, names.index("air temperature, degC")].reshape(30, 144).mean(axis=0)
    assert np.ptp(air) > 6


def test_label_and_config():
    assert Sensors().label() == "sensors-144x12"
    assert registry.build(Sensors(rate="1/min").config()) == Sensors(rate=1 / 60)  # type: ignore[arg-type]
    with pytest.raises(ValidationError):
        Sensors(samples=0)
