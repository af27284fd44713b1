"""`benchkit floors` as a person uses it: a process, its tables, its JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchkit.exchange.catalogue import CATALOGUE

pytestmark = pytest.mark.quiet

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SMALL, MIDDLE = 64, 65536
ENTRY_POINTS = """[benchkit.transports]
slow = planted_floors:Slow
wrong = planted_floors:Wrong
absent = planted_floors:Absent
"""


def floors(*arguments: str, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    places = [*([str(path)] if path else []), str(ROOT), os.environ.get("PYTHONPATH", "")]
    return subprocess.run(
        [sys.executable, "-m", "benchkit", "floors", "--quick", *arguments],
        capture_output=True, text=True, check=False, timeout=110,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(places), "COLUMNS": "80", "NO_COLOR": "1"},
    )  # fmt: skip


def row(found: dict[str, Any], name: str, nbytes: int = SMALL) -> dict[str, Any]:
    (one,) = (each for each in found["rows"] if (each["name"], each["bytes"]) == (name, nbytes))
    return one


@pytest.fixture(scope="module")
def whole() -> dict[str, Any]:
    """Everything that there is, for two lengths."""
    done = floors("--json", "-q", "--rounds", "6", "--bytes", str(SMALL), "--bytes", "64KiB")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_every_floor_and_recipe_and_own_transport_was_measured(whole):
    measured = {(each["name"], each["bytes"]) for each in whole["rows"] if each["exchange_us"]}
    missing = {each["name"]: each["missing"] for each in whole["rows"] if each["missing"]}
    carrying = {each.name for each in CATALOGUE.values() if each.carries}
    assert not missing.keys() & (CATALOGUE.keys() | {"http", "redis-list", "redis-stream", "shm", "unix"}), (
        missing
    )
    own = {"http", "redis-list", "redis-stream", "shm", "unix"}
    assert {(name, nbytes) for name in carrying | own for nbytes in (SMALL, MIDDLE)} <= measured
    assert {(name, SMALL) for name in CATALOGUE} <= measured


def test_ratios_are_positive_and_lie_in_their_intervals(whole):
    compared = {(each["of"], each["against"]) for each in whole["ratios"]}
    assert {("http", "tcp-socket"), ("shm", "memcpy-spin"), ("redis-py-list", "redis-list")} <= compared
    for each in whole["ratios"]:
        if each["ratio"] is not None:
            low, high = each["ratio"]["ci95"]
            assert 0 < low <= each["ratio"]["value"] <= high


def test_one_way_is_a_part_of_the_exchange(whole):
    for each in whole["rows"]:
        if each["one_way_us"]:
            assert 0 < each["one_way_us"]["value"] < each["exchange_us"]["value"]


def test_more_bytes_take_longer_where_they_are_copied(whole):
    # Of the others most is a client's own time, and on a busy machine that may hide the bytes'.
    assert row(whole, "memcpy", MIDDLE)["exchange_us"]["value"] > row(whole, "memcpy")["exchange_us"]["value"]


def test_bars_of_the_lengths_that_were_measured_are_judged(whole):
    bars = {(bar["of"], bar["against"]): bar for bar in whole["bars"]}
    assert all(bar["bytes"] == SMALL for bar in bars.values())
    for pair in (("http", "tcp-socket"), ("redis-list", "resp-list"), ("shm", "memcpy-spin"), ("engine", "")):
        bar = bars[pair]
        low, high = bar["measured"]["ci95"]
        assert bar["verdict"] == (
            "met" if high <= bar["limit"] else "undecided" if low <= bar["limit"] else "not met"
        )
    recipe = bars["redis-list", "redis-py-list"]
    assert recipe["sense"] == "at least"
    assert (recipe["verdict"] == "met") == (recipe["measured"]["ci95"][0] >= recipe["limit"])
    assert all((bar["verdict"] == "undecided") <= ("noise" in bar["obstacle"]) for bar in whole["bars"])


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Three faulty transports, and a machine without `requests`."""
    place = tmp_path_factory.mktemp("planted")
    (place / "planted_floors.py").write_text((HERE / "planted_floors.py").read_text())
    (place / "requests.py").write_text("raise ImportError('not here')\n")
    metadata = place / "planted-1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: planted\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text(ENTRY_POINTS)
    only = "slow,wrong,absent,unix,requests"
    done = floors("--json", "-q", "--only", only, "--bytes", str(SMALL), path=place)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_slow_transport_shows_a_larger_ratio(planted):
    ratios = {each["of"]: each["ratio"]["value"] for each in planted["ratios"] if each["ratio"]}
    assert ratios["slow"] > 5 * ratios["unix"]


def test_a_transport_that_changes_a_byte_is_not_timed(planted):
    assert "other bytes arrived" in row(planted, "wrong")["missing"]
    assert row(planted, "wrong")["exchange_us"] is None


def test_what_is_absent_is_named_with_its_install_command(planted):
    assert "pip install 'benchkit[floors]'" in row(planted, "requests")["remedy"]
    assert row(planted, "absent")["remedy"] == "pip install no-such-library-anywhere"


def test_the_tables_fit_80_columns_and_say_what_they_are():
    done = floors("--only", "unix,spin", "--bytes", "64")
    assert done.returncode == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80
    said = " ".join(done.stdout.split())
    assert "unix-socket" in said
    assert "acknowledgement of one byte" in said
    assert "on an idle machine" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(("--only", "nonsense"), "nothing is called 'nonsense'"), (("--bytes", "12 parsecs"), "not a size"),
     (("--bytes", "0"), "one byte at least")],
)  # fmt: skip
def test_wrong_use_is_told(arguments, said):
    done = floors(*arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
