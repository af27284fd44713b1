"""How long a trial is watched."""

from __future__ import annotations

import pytest

from benchkit.engine.faulted.terms import LEAST_PER_WINDOW, LEAST_WINDOWS, Loaded, Terms


@pytest.mark.parametrize("rate_per_s", [2.0, 20.0, 1000.0])
def test_windows_of_slow_loads_fit_in_before_and_after(rate_per_s: float) -> None:
    loaded = Loaded(None, {}, rate_per_s)  # type: ignore[arg-type]  # its cell is of no matter here
    asked = Terms(before_s=0.4, after_s=0.6)
    given = loaded.lengthened(asked)
    window_s = loaded.window_s(asked)
    assert window_s * rate_per_s >= LEAST_PER_WINDOW
    assert min(given.before_s, given.after_s) >= LEAST_WINDOWS * window_s
    assert given.before_s >= asked.before_s
    assert given.after_s >= asked.after_s
    if rate_per_s == 1000:
        assert given.after_s == max(asked.after_s, LEAST_WINDOWS * asked.window_s)
