"""What is planted is what is claimed: arithmetic, without a clock."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchkit.load.constant import Constant
from benchkit.records.samples import PHASES
from benchkit.selftest import shapes, sizing
from benchkit.selftest.install import installed
from benchkit.selftest.kinds import KINDS
from benchkit.selftest.parts.duty import stop_for_us
from benchkit.selftest.trials import Trial, key, planned
from benchkit.tensors.codecs.base import registry

NATURAL = {
    **dict.fromkeys(PHASES, 0.0),
    "encode": 20.0,
    "send": 60.0,
    "transit": 80.0,
    "decode": 20.0,
    "compute": 10.0,
}
natural = st.fixed_dictionaries(dict.fromkeys(PHASES, st.floats(0, 2000)))


@given(natural, st.sampled_from(sizing.FILLABLE), st.floats(0.3, 0.9))
def test_the_planted_phase_holds_its_share(own: dict[str, float], target: str, share: float) -> None:
    sized = sizing.planted(own, [target], share, 3000.0)
    phases = {phase: own[phase] + sized.spent.plain().get(phase, 0.0) for phase in PHASES}
    phases[target] += sized.planted_us
    assert phases[target] / sum(phases.values()) == pytest.approx(share)
    assert min(sized.spent.plain().values()) >= 0
    assert sized.planted_us >= -1e-6


def test_no_other_phase_comes_near() -> None:
    sized = sizing.planted(NATURAL, ["encode"], 0.35, 3000.0)
    others = [NATURAL[phase] + us for phase, us in sized.spent.plain().items() if phase != "encode"]
    assert max(others) == pytest.approx(min(others))
    assert max(others) < 0.2 * 3000


def test_a_broker_is_stopped_so_that_messages_wait_as_long_as_claimed() -> None:
    stopped_us = stop_for_us(1000.0, 500.0)
    assert stopped_us**2 / (2 * (stopped_us + 500.0)) == pytest.approx(1000.0)


def test_a_constant_load_below_capacity_does_not_queue_and_one_above_it_does() -> None:
    due = Constant(rate=100.0).offsets_ns(1.0, 0).tolist()
    assert sizing.mean_wait_us(due, 9_000.0) == 0
    # Each message adds 2 ms to the backlog: the k-th waits 2 k ms.
    assert sizing.mean_wait_us(due, 12_000.0) == pytest.approx(2000.0 * (len(due) - 1) / 2)


@pytest.mark.parametrize("share", [0.35, 0.55, 0.8])
def test_closed_loops_have_the_share_that_they_claim(share: float) -> None:
    kinds = {kind.name: kind for kind in KINDS}
    for name, busy in (("overload", "compute"), ("producer cannot keep up", "encode")):
        kind = kinds[name]
        ask = shapes.Ask(kind.variants[0], NATURAL, share, (1, 2), 0.4)
        shaped = kind.shape(ask)
        places = shaped.recipe.load["in_flight"]
        work = getattr(shaped.recipe.spent, busy)
        others = sum(us for phase, us in shaped.recipe.spent.plain().items() if phase != busy)
        # Who is no bottleneck must be done within the other's time.
        assert others + sum(NATURAL.values()) < work
        assert shaped.share == pytest.approx(share, abs=0.06)
        assert shaped.share >= 0.9 / places


def test_every_kind_makes_a_cell_at_every_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shapes, "FRAMES", 1)
    with installed():
        for trial in planned([100], [0.35, 0.55, 0.8]):
            kind = next(kind for kind in KINDS if kind.name == trial.kind)
            shaped = kind.shape(shapes.Ask(trial.recipe, NATURAL, trial.share, (1, 2), 0.4))
            cell = shaped.recipe.cell(trial.name)
            assert cell.id == trial.name
            assert 0 <= shaped.share <= 1


def test_names_are_unique_and_healthy_runs_are_shared() -> None:
    trials = planned(range(100, 105), [0.35, 0.55, 0.8])
    assert len({trial.name for trial in trials}) == len(trials) >= 20 * 5 * 3
    assert len({key(trial.recipe) for trial in trials}) < len(trials) / 4


def test_the_planting_parts_are_there_while_the_self_test_runs_and_gone_afterwards() -> None:
    with installed():
        assert "selftest-planted" in registry.entries()
        Trial("json-base64 encode", 0, 0.35, 0).recipe.spending(encode=10.0).cell("a")
    assert "selftest-planted" not in registry.entries()
