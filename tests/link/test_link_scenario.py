"""Links in a scenario: names, numbers, what they become, and what is refused with the remedy."""

from pathlib import Path

import pytest
import yaml

from benchkit.errors import ScenarioError
from benchkit.link.options import LinkOptions
from benchkit.link.profiles import ASSUMED, PROFILES
from benchkit.scenario import load

BASE = "name: dam\nsource: camera\nload: {arrival: constant, rate: 30/s}\n"
TCP = "transport: http\n"


@pytest.fixture
def plan(tmp_path, monkeypatch):
    """The plan of a scenario's text, written to s.yaml in the working directory."""
    monkeypatch.chdir(tmp_path)

    def planned(text, only=()):
        Path("s.yaml").write_text(text, encoding="utf-8")
        return load(Path("s.yaml"), sets=(), only=only, quick=False)

    return planned


def refused(plan, text):
    with pytest.raises(ScenarioError) as caught:
        plan(text)
    return str(caught.value)


def test_no_link_is_the_default_and_none_says_the_same(plan):
    assert plan(BASE + TCP).cells[0].link is None
    assert plan(BASE + TCP + "link: none\n").cells[0].link is None
    assert plan(BASE + TCP + "link: {profile: none, side: producer}\n").cells[0].link is None


def test_a_link_is_an_axis_like_any_other(plan):
    swept = plan(BASE + TCP + "link: [none, 5g-good, {delay: 10ms, rate: [1MB/s, 16Mbit/s]}]\n")
    found = [(cell.link.label, cell.link.rate) if cell.link else None for cell in swept.cells]
    assert found == [None, ("5g-good", None), ("own numbers", 1e6), ("own numbers", 2e6)]
    assert len({cell.group for cell in swept.cells}) == 4
    assert [cell.group.split("/")[2:] for cell in swept.cells] == [
        ["link=none"],
        ["link=5g-good"],
        ["link-delay=0.01", "link-rate=1e+06"],
        ["link-delay=0.01", "link-rate=2e+06"],
    ]
    assert len({cell.link_seed for cell in swept.cells}) == 1


def test_the_record_of_a_scenario_with_links_makes_the_same_cells(plan):
    text = (
        BASE
        + TCP
        + "link: [5g-mobile, {profile: 5g-edge, up: {rate: 1MB/s}, blackouts: [{at: 1s, lasts: 50ms}]}]\n"
    )
    first = plan(text)
    again = plan(yaml.safe_dump(first.resolved))
    assert [cell.link for cell in again.cells] == [cell.link for cell in first.cells]
    assert [cell.id for cell in again.cells] == [cell.id for cell in first.cells]


def test_only_and_exclude_know_links(plan):
    text = BASE + TCP + "link: [none, 5g-good, 5g-edge]\nexclude: [{link: 5g-edge}]\n"
    assert [cell.link.label for cell in plan(text, only=["link=5g-good"]).cells] == ["5g-good"]


@pytest.mark.parametrize("name", [name for name in PROFILES if name.startswith("5g")])
def test_every_number_of_a_profile_has_a_source_or_is_called_assumed(name):
    options = LinkOptions(profile=name)
    for way in ("up", "down"):
        sources = options.sources(way)
        assert {"delay", "jitter", "rate", "loss"} <= sources.keys()
        for source in sources.values():
            assert source.startswith(ASSUMED) or any(mark in source for mark in ("arXiv:", "20", ".com"))
        asked = options.impairment(way)
        assert asked.floor_ns < asked.delay_ns
        assert asked.rate_bytes_per_s > 0


def test_a_number_is_the_directions_own_else_the_links_else_the_profiles():
    options = LinkOptions(profile="5g-edge", rate="3MB/s", up={"rate": "1MB/s"})
    typical = LinkOptions(profile="5g-edge")
    assert options.impairment("up").rate_bytes_per_s == 1e6
    assert options.impairment("down").rate_bytes_per_s == 3e6
    assert options.impairment("up").delay_ns == typical.impairment("up").delay_ns
    assert options.label == "5g-edge, changed"
    assert options.sources("up")["rate"] == "the scenario"


def test_a_table_replaces_the_delay_of_a_profile():
    asked = LinkOptions(profile="5g-good", table=["1ms", "2ms", "6ms"]).impairment("up")
    assert asked.distribution == "table"
    assert asked.delay_ns == pytest.approx(2.75e6)


@pytest.mark.parametrize(
    ("link", "place", "words"),
    [
        ("5g-godo", "5:7", "no such link; did you mean '5g-good'? known: none, direct, 5g-good"),
        ("{delay: 5}", "", None),
        ("{delay: fast}", "5:15", "delay: not a duration"),
        ("{rate: 5MB}", "5:14", "not a rate of bytes; write for example 2MB/s or 16Mbit/s"),
        ("{rate: true}", "5:14", "expected a number"),
        ("{delay: 1ms, jitter: 5ms, distribution: normal}", "5:7", "needs a delay of 15.0 ms or more"),
        ("{delay: 1ms, floor: 2ms}", "5:7", "mean delay of 1.0 ms is below its floor of 2.0 ms; lower floor"),
        ("{jitter: 5ms, distribution: constant}", "5:7", "a constant delay has no jitter"),
        ("{distribution: table}", "5:7", "takes its delays from `table` alone"),
        ("{table: [3ms, 1ms], distribution: table}", "5:7", "quantiles never fall; sort them"),
        ("{blackouts: [{lasts: 2s, every: 1s}]}", "5:", "never ends; make `every` longer"),
        ("{dealy: 5ms}", "5:8", "did you mean 'delay'?"),
        ("{up: {rat: 5}}", "5:", "did you mean 'rate'?"),
        ("{side: broker}", "5:14", "'producer', 'stage' or 'both'"),
        ("{loss: 0.1}", "5:14", "TCP loses, doubles and reorders nothing"),
        ("{down: {reorder: 0.1, reorder_by: 5ms}}", "5:14", "link: down.reorder: TCP loses"),
        ("{side: stage, delay: 5ms}", "5:14", "producer and stage meet directly: there is one link only"),
        ("{delay: 2s}", "", "blocks.drain: 8s or more"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_at_its_place_with_the_remedy(plan, link, place, words):
    text = BASE + TCP + f"link: {link}\n"
    if words is None:
        words = "blocks.drain"
    said = refused(plan, text)
    assert words in said
    assert f"s.yaml:{place}" in said


@pytest.mark.parametrize(
    ("transport", "remedy"),
    [
        ("shm", "a transport over TCP such as http"),
        ("inproc", "a transport over TCP such as http"),
        ("unix", "a transport over TCP such as http"),
        ("redis-list", "transport.socket: tcp"),
        ("{kind: redis-stream, url: 'rediss://host:1'}", "transport.a url of redis://host:port"),
        ("{kind: redis-list, url: 'unix:///tmp/s'}", "transport.a url of redis://host:port"),
        ("zeromq", "transport.via: tcp"),
    ],
)
def test_a_transport_without_a_connection_to_impair_is_refused(plan, transport, remedy):
    said = refused(plan, BASE + f"transport: {transport}\nlink: 5g-good\n")
    assert "has no TCP or UDP connection that a link could impair" in said
    assert remedy in said
    assert "s.yaml:5:7" in said


def test_a_broker_has_a_link_on_either_side(plan):
    text = (
        BASE
        + "transport: {kind: redis-list, url: 'redis://127.0.0.1:1'}\nlink: {profile: 5g-good, side: both}\n"
    )
    assert plan(text).cells[0].link.side == "both"
