"""A transport with a bug of each class, under load and a fault, through the whole lane: the account names the bug."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from benchkit.analysis.recovery import Accounted, Judged, accounted, judged, recovered
from benchkit.engine.faulted.nursery import Nursery, nursery
from benchkit.engine.faulted.terms import Loaded, Terms
from benchkit.engine.faulted.trial import run_trial
from benchkit.engine.site import Site
from benchkit.faults.base import Fault
from benchkit.faults.stop import Stop
from benchkit.load.constant import Constant
from benchkit.records.faults import Trial
from benchkit.records.operations import Operations
from benchkit.runtime.folders import run_folder
from benchkit.scenario.plan import PlannedCell
from benchkit.sources.sensors import Sensors
from benchkit.stages.null import Null
from benchkit.tensors.codecs.raw import Raw

RATE = 400.0
TERMS = Terms(
    warmup_s=0.05, before_s=0.6, after_s=0.5, spread_s=0.05, window_s=0.05, patience_s=3.0, slack_s=4.0
)
PLUGIN = '''
from typing import ClassVar, Literal

from benchkit.tensors.wire import header, unpack_envelope
from benchkit.transports.unix import Unix


class Buggy(Unix):
    """Sockets, with one message in a hundred mistreated"""

    kind: ClassVar[str] = "buggy"
    bug: Literal["none", "drop", "double", "invent", "tear"] = "none"

    def sender(self, address):
        end = super().sender(address)
        send, bug, count = end.send, self.bug, 0

        def mistreated(parts, timeout):
            nonlocal count
            if (count + 1) % 100 or bug == "none":
                done = send(parts, timeout)
                count += done
                return done
            if bug == "drop":
                count += 1
                return True
            head, *body = parts
            if bug == "tear":
                whole = b"".join(bytes(part) for part in body)
                body = [bytes([whole[0] ^ 1]) + whole[1:]]
            if bug in ("double", "invent"):
                first = unpack_envelope(head)
                other = first.seq + (100_000 if bug == "invent" else 0)
                again = header(other, first.body_bytes, 0, first.fingerprint, first.checksum, first.item)
                while not send([again, *body], 0.01):
                    pass
            done = send([head, *body], timeout)
            count += done
            return done

        end.send = mistreated
        return end
'''


@pytest.fixture(scope="module")
def lane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Nursery, Site]]:
    """Parties that find the plug-in by its entry point, as an installed one is found."""
    home = tmp_path_factory.mktemp("plugin")
    (home / "benchkit_buggy.py").write_text(PLUGIN)
    told = home / "benchkit_buggy-0.1.dist-info"
    told.mkdir()
    (told / "METADATA").write_text("Metadata-Version: 2.1\nName: benchkit-buggy\nVersion: 0.1\n")
    (told / "entry_points.txt").write_text("[benchkit.transports]\nbuggy = benchkit_buggy:Buggy\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(home), prepend=":")
        patch.syspath_prepend(str(home))
        with run_folder() as (name, folder), nursery(folder) as starter, ExitStack() as services:
            yield starter, Site(name, folder, services)


def run(lane: tuple[Nursery, Site], bug: str, fault: Fault | None) -> tuple[Trial, Operations]:
    import benchkit_buggy  # type: ignore[import-not-found]  # the plug-in above

    load = Constant(rate=RATE)
    cell = PlannedCell(
        id=f"buggy/{bug}", group="x", source=Sensors(samples=4, channels=4), codec=Raw(),
        transport=benchkit_buggy.Buggy(bug=bug), stage=Null(), load=load, workers=1, batch_size=1,
        batch_delay_s=0.0, replies=False,
    )  # fmt: skip
    starter, site = lane
    sizes = starter.size(
        source=cell.source.config(), codec=cell.codec.config(), stage=cell.stage.config(),
        transport=cell.transport.config(), seed=0, stage_seed=0,
    )  # fmt: skip
    return run_trial(starter, site, Loaded(cell, load.config(), RATE, sizes), fault, TERMS, number=1, seed=7)


def told(found: tuple[Trial, Operations]) -> tuple[Accounted, Judged]:
    account = accounted(*found)
    return account, judged(found[0], account)


def test_without_a_bug_the_guarantee_is_kept_and_the_outage_is_seen(lane: tuple[Nursery, Site]) -> None:
    trial, rows = run(lane, "none", Stop(party="stage", lasting=0.3))
    account, verdict = told((trial, rows))
    assert verdict == Judged(True, (), verdict.allowed), (account, trial.errors)
    assert (account.lost, account.duplicated, account.unexpected, account.torn) == (0, 0, 0, 0)
    assert account.attempted == account.delivered > 100
    assert trial.proof
    # It did nothing for 0.3 s, so it was steady again no sooner; how much later is the machine's affair.
    way = recovered(trial, rows)
    lasted_s = (trial.healed_ns - trial.injected_ns) / 1e9
    assert way.first_success_s is not None
    assert way.first_success_s >= lasted_s - 2 * way.window_s
    assert way.steady_s is None or way.steady_s >= lasted_s - 2 * way.window_s
    assert way.backlog_most > 1


@pytest.mark.parametrize(
    ("bug", "count", "words"),
    [
        ("drop", "lost", "acknowledged and lost"),
        ("double", "duplicated", "once too often"),
        ("invent", "unexpected", "arrived and never sent"),
        ("tear", "torn", "arrived torn"),
    ],
)
def test_a_transport_s_bug_is_found_without_any_fault(
    lane: tuple[Nursery, Site], bug: str, count: str, words: str
) -> None:
    """In the control of an at-most-once transport, so that no fault excuses it."""
    trial, rows = run(lane, bug, None)
    account, verdict = told((trial, rows))
    assert trial.drained
    assert getattr(account, count) == account.attempted // 100 > 0
    assert verdict.held is False
    assert any(words in breach for breach in verdict.breaches), verdict.breaches


def test_a_fault_does_not_excuse_what_it_had_no_hold_of(lane: tuple[Nursery, Site]) -> None:
    trial, rows = run(lane, "drop", Stop(party="stage", lasting=0.1))
    account, verdict = told((trial, rows))
    assert account.lost == account.attempted // 100
    assert 0 < account.stray <= account.lost
    assert verdict.held is False
