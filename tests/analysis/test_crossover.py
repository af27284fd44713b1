"""Crossover: winners are the ranking's, ties are ties, and a change is claimed only where it was measured."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from benchkit.analysis.crossover import crossover
from benchkit.analysis.sweeps import sweeps

NAMES = ("shm raw", "unix raw", "redis-list raw")


def field(
    size: int, rate: float | None, ratios: dict[str, float | None], tied: set[str], invalid: set[str] = frozenset(),
    **facts: Any,
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:  # fmt: skip
    """Cells and places of one group; a ratio of None has no interval."""
    group = f"{size}/{rate}/{facts.get('arrival', 'constant')}/{facts.get('workers', 1)}"
    cells = [
        {
            "id": f"{name}/{group}", "group": group, "transport": name.split()[0], "payload_bytes": size,
            "stage": "null", "source": "sensors", "workers": facts.get("workers", 1), "replies": True,
            "labels": {"row": name, "group": group}, "has_broker": "redis" in name,
            "parameters": {"load": {"rate": rate} if rate else {}, "source": {"kind": facts.get("kind", "sensors")}},
            "load": {"arrival": facts.get("arrival", "constant"), "offered_per_s": rate},
        }
        for name in (*ratios, *invalid)
    ]  # fmt: skip
    best = min(ratios, key=lambda name: ratios[name] or 1.0) if ratios else ""
    places = [
        {
            "cell": f"{name}/{group}", "group": group, "p50_us": 1.0, "ratio_to_best": ratio or 1.0,
            "ratio_ci95": [1.0, 1.0] if name == best else None if ratio is None else [ratio * 0.9, ratio * 1.1],
            "tied_with_best": name in tied or name == best,
        }
        for name, ratio in sorted(ratios.items(), key=lambda item: item[1] or 1.0)
    ]  # fmt: skip
    return cells, places


def joined(*fields: Any) -> list[dict[str, Any]]:
    return crossover(
        [cell for cells, _ in fields for cell in cells], [each for _, own in fields for each in own]
    )


WON = ({"shm raw": 1.0, "unix raw": 2.0, "redis-list raw": 3.0}, {"shm raw"})
TIED = ({"shm raw": 1.0, "unix raw": 1.01, "redis-list raw": 3.0}, {"shm raw", "unix raw"})


def test_the_sentence_of_the_issue() -> None:
    (found,) = joined(field(1000, 50.0, *TIED), field(64_000, 50.0, *TIED), field(256_000, 50.0, *WON))
    assert found["sentences"] == (
        (
            "Crossover (null stage, constant arrivals, at 50/s): shm raw is fastest at 256 kB, the largest measured;"
            " both brokerless ones tie from 1.0 kB to 64.0 kB; it changes between 64.0 kB and 256 kB."
        ),
    )
    (switch,) = [each for each in found["switches"] if each["along"] == "payload"]
    assert switch["between"] == (64_000, 256_000)
    assert (set(switch["before"]), set(switch["after"])) == ({"shm raw", "unix raw"}, {"shm raw"})


def test_rates_with_the_same_map_are_told_once() -> None:
    fields = [
        field(size, rate, *(WON if size > 1000 else TIED)) for rate in (50.0, 200.0) for size in (1000, 9000)
    ]
    (found,) = joined(*fields)
    (said,) = found["sentences"]
    assert "at 50/s and at 200/s" in said
    assert {(each["payload_bytes"], each["rate_per_s"], each["state"]) for each in found["fields"]} == {
        (1000, 50.0, "tied"), (1000, 200.0, "tied"), (9000, 50.0, "won"), (9000, 200.0, "won")
    }  # fmt: skip


def test_one_payload_is_told_along_its_rates() -> None:
    (found,) = joined(field(1000, 50.0, *TIED), field(1000, 200.0, *WON))
    assert "at 1.0 kB): shm raw is fastest at 200/s, the highest measured" in found["sentences"][0]
    assert "it changes between 50/s and 200/s" in found["sentences"][0]


def test_too_few_rounds_and_no_valid_cell_claim_nothing() -> None:
    unsure = ({"shm raw": 1.0, "unix raw": None}, set())
    (found,) = joined(
        field(1000, 50.0, *TIED), field(2000, 50.0, *unsure), field(3000, 50.0, {}, set(), set(NAMES)),
        field(4000, 50.0, *WON),
    )  # fmt: skip
    states = [each["state"] for each in found["fields"]]
    assert states == ["tied", "undecided", "blank", "won"]
    assert [each["winners"] for each in found["fields"]][1:3] == [(), ()]
    assert "between 1.0 kB and 4.0 kB" in found["sentences"][0]
    assert "too few rounds to tell at 2.0 kB" in found["sentences"][0]
    assert "nothing to compare at 3.0 kB" in found["sentences"][0]


def test_a_winner_that_is_not_valid_elsewhere_is_no_crossover() -> None:
    without = ({"unix raw": 1.0, "redis-list raw": 3.0}, {"unix raw"}, {"shm raw"})
    (found,) = joined(field(1000, 50.0, *WON), field(2000, 50.0, *without))
    assert found["switches"] == ()
    assert "not the same cells are valid" in found["sentences"][0]
    assert "it changes between" not in found["sentences"][0]


def test_a_run_without_a_sweep_has_no_map() -> None:
    assert joined(field(1000, 50.0, *WON)) == []
    assert joined(field(1000, 50.0, *WON), field(2000, 200.0, *TIED)) == []


def test_other_work_is_another_map() -> None:
    fields = [field(size, 50.0, *WON, workers=workers) for workers in (1, 2) for size in (1000, 2000)]
    assert len(joined(*fields)) == 2
    poisson = [
        field(size, 50.0, *WON, arrival=arrival) for arrival in ("constant", "poisson") for size in (1, 2)
    ]
    assert len(joined(*poisson)) == 2


def test_two_sources_of_one_size_are_told_apart() -> None:
    cells = []
    for kind in ("camera", "sensors"):
        for size in (1000, 2000):
            own, _ = field(size, 50.0, *WON, kind=kind)
            cells += [{**cell, "group": f"{kind}-{cell['group']}"} for cell in own]
    assert [len(each.fields) for each in sweeps(cells)] == [2, 2]


@given(
    st.dictionaries(
        st.tuples(st.sampled_from([1000, 2000, 3000, 4000]), st.sampled_from([None, 10.0, 20.0])),
        st.tuples(
            st.dictionaries(st.sampled_from(NAMES), st.one_of(st.none(), st.floats(1.0, 9.0))),
            st.sets(st.sampled_from(NAMES)),
        ),
        min_size=1,
    )
)
def test_every_map_repeats_the_ranking(table: dict[Any, Any]) -> None:
    fields = {place: field(*place, *what, set(NAMES) - set(what[0])) for place, what in table.items()}
    for found in joined(*fields.values()):
        for each in found["fields"]:
            _, places = fields[each["payload_bytes"], each["rate_per_s"]]
            tied = {place["cell"] for place in places if place["tied_with_best"]}
            sure = len(places) > 1 and all(place["ratio_ci95"] is not None for place in places)
            assert set(each["cells"]) == (tied if sure else set())
            assert each["state"] == ("blank" if not places else "alone" if len(places) == 1 else
                                     "undecided" if not sure else "won" if len(tied) == 1 else "tied")  # fmt: skip
        for switch in found["switches"]:
            low, high = switch["between"]
            assert low < high
            assert set(switch["before"]) != set(switch["after"])
