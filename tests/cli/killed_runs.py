"""Runs killed at seeded moments of their whole life, and what each of them left behind.

`python tests/cli/killed_runs.py LOG COUNT` adds to LOG, a line of JSON a kill, until it has COUNT of them, so that it
can be ended and taken up again; then it prints the table. A moment is drawn from the whole life of the run by the
clock, or is the operation on a file, socket or process before which the runner signals itself (see killer.py); half
of the latter are among the last, where everything is written and gets its name.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil
from shell import ROOT, environment, small

from benchkit.cli import main
from benchkit.runtime.folders import SEGMENTS, sweep

BLOCKS = {"rounds": 2, "duration": "60ms", "warmup": "0ms", "drain": "1s"}
FRAMES = {"source": {"kind": "camera", "size": "160x120", "distinct": 2}, "blocks": BLOCKS}
LIVES: dict[str, dict[str, Any]] = {
    "redis": {"transport": ["redis-stream", {"kind": "redis-list", "socket": "tcp"}]},
    "memory": {"transport": ["shm", "iceoryx2", "mp-queue"]},
    "sockets": {"transport": ["unix", "http", "zeromq", "udp"]},
    "rabbitmq": {"transport": "rabbitmq"},
    "nats": {"transport": "nats"},
    "link": {"transport": "http", "link": {"delay": "1ms"}},
    "kserve": {"transport": "kserve-http"},
    "pipeline": {"transport": "unix", "workers": 2, "producers": 2},
    "faulted": {
        "transport": [{"kind": "redis-list", "socket": "tcp", "persistence": "aof-always"}, "shm"],
        "faults": {
            "warmup": "50ms", "before": "200ms", "after": "200ms", "spread": "50ms", "patience": "2s",
            "inject": [
                {"kind": "stop", "party": ["stage", "broker"], "lasting": "300ms"},
                {"kind": "broker-restart", "lasting": "100ms"},
                {"kind": "link-half-open", "lasting": "100ms"},
                {"kind": "full-disk", "size": "8MB", "lasting": "100ms"},
                {"kind": "full-shm", "size": "32MB", "lasting": "100ms"},
            ],
        },
    },
}  # fmt: skip
"""What runs consist of: every kind of process, socket and segment that a run starts."""
SIGNALS = [signal.SIGKILL] * 6 + [signal.SIGTERM, signal.SIGINT]
GONE_S = 15.0
"""By then everything that the run had started must be gone."""
_LAST = 60
_GUESS = (2.0, 150)
_FEW = 20
_PATIENCE_S = 90.0
_LOOK_S = 0.2
_SAID = {
    "starting the parties": "starting",
    "making messages": "readying",
    "measuring the machine's floors": "floors",
    "measuring": "first",
    "preparing the faults": "faults",
    "fault": "faults",
    "done": "writing",
}
REACHED = ("imports", *dict.fromkeys(_SAID.values()), "measured", "named")
"""How far a run came; `first`: its first block, with the start of its broker; `measured`: a block was kept before;
`named`: it has its name, and is telling what it found."""


@dataclass(frozen=True)
class Kill:
    """One moment, made from its number."""

    number: int
    life: str
    signal: int
    by: str
    """`clock` or `operation`."""
    at: float
    """Share of the run's whole time, or of its operations."""

    @classmethod
    def of(cls, number: int) -> Kill:
        drawn = random.Random(f"kill {number}")
        life = list(LIVES)[number % len(LIVES)]
        by = drawn.choice(("clock", "operation"))
        last = by == "operation" and drawn.random() < 0.5
        return cls(number, life, drawn.choice(SIGNALS), by, -drawn.random() if last else drawn.random())


@dataclass
class Outcome:
    """What was found after a kill."""

    kill: dict[str, Any]
    code: int | None
    met: bool
    """It was killed, and had not ended before."""
    reached: str
    """One of REACHED."""
    gone_s: float
    """How long it took until nothing of the run lived any more."""
    processes: list[str] = field(default_factory=list)
    """Those that still lived after GONE_S."""
    sockets: list[str] = field(default_factory=list)
    """Listening sockets of the run that still listened."""
    swept: int = 0
    """Segments, folders and locks that waited for the next run."""
    left: list[str] = field(default_factory=list)
    """What the next run's sweep left too."""
    folders: dict[str, int] = field(default_factory=dict)
    """Exit code of `benchkit report` for each directory under --out."""
    wrong: list[str] = field(default_factory=list)
    """Every reason for which this kill counts as failed."""


class Campaign:
    """Kills in a temporary folder of its own, which is all that its runs and nobody else's have."""

    def __init__(self, place: Path, folder: Path, *, guess: bool = False) -> None:
        """`place` must have a short name, sockets live below it; `folder` is for scenarios and results.

        With `guess` nobody measures first how long a run takes: enough for a few kills.
        """
        self.place, self.folder = place, folder
        self.whole: dict[str, tuple[float, int]] = dict.fromkeys(LIVES, _GUESS) if guess else {}
        """Of each life: seconds, and operations."""
        self._env = environment(TMPDIR=str(place), PYTHONDONTWRITEBYTECODE="1")

    def command(self, life: str, *before: str) -> list[str]:
        scenario = self.folder / f"{life}.yaml"
        if not scenario.exists():
            small(self.folder, **FRAMES, **LIVES[life], name=life).rename(scenario)
        told = ["run", str(scenario), "--out", str(self.folder / "out"), "--checkpoint", "20ms"]
        told += ["--faults"] if "faults" in LIVES[life] else []
        return [sys.executable, str(Path(__file__).with_name("killer.py")), *before, *told]

    def calibrate(self, life: str) -> tuple[float, int]:
        """How long a run that nobody kills takes, and how many operations it does."""
        if life not in self.whole:
            file, began = self.folder / "operations", time.monotonic()
            done = subprocess.run(
                self.command(life, "0", "0", str(file)),
                env=self._env, cwd=ROOT, capture_output=True, encoding="utf-8", timeout=_PATIENCE_S, check=False,
            )  # fmt: skip
            assert done.returncode in {0, 3}, done.stderr
            self.whole[life] = time.monotonic() - began, int(file.read_text())
            self._tidy()
        return self.whole[life]

    def run(self, kill: Kill) -> Outcome:
        """Kill one, and look at everything that is left."""
        seconds, operations = self.calibrate(kill.life)
        at = _place(kill.at, operations) if kill.by == "operation" else 0
        log = self.folder / "said"
        with log.open("wb") as said:
            process = subprocess.Popen(
                self.command(kill.life, str(at), str(kill.signal), str(self.folder / "operations")),
                env=self._env, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=said, start_new_session=True,
            )  # fmt: skip
        seen = Seen(str(self.place))
        if kill.by == "clock":
            seen.watch(process, kill.at * seconds)
            seen.look()
            if process.poll() is None:
                _send(process, kill.signal)
        seen.watch(process, _PATIENCE_S)
        process.kill()
        process.wait()
        text = log.read_text("utf-8", "replace")
        began = time.monotonic()
        processes = _await_gone(seen.own())
        gone_s = time.monotonic() - began
        processes += _await_gone(seen.own())  # one that was started by the last of them
        folders = [path.name for path in self._directories()]
        met = process.returncode in {-kill.signal, 130}
        found = Outcome(asdict(kill), process.returncode, met, _reached(text, folders), gone_s, processes)
        found.sockets = seen.listening()
        found.swept, found.left = self._sweep(seen.segments)
        found.folders = {path.name: self._report(path, found.wrong) for path in self._directories()}
        found.wrong += _judged(found, text)
        self._tidy()
        return found

    def _directories(self) -> Iterator[Path]:
        out = self.folder / "out"
        yield from sorted(out.iterdir()) if out.exists() else ()

    def _report(self, path: Path, wrong: list[str]) -> int:
        code, said = told(["report", str(path), "--out", str(self.folder / "reports")])
        if "Traceback" in said or (code != 0 and "nothing was measured" not in said):
            wrong.append(f"report on {path.name} ended with {code}: {said[-300:]}")
        return code

    def _sweep(self, segments: Iterable[Path]) -> tuple[int, list[str]]:
        """How much the sweep of a next run removes, and what it leaves."""
        before = list(self.place.glob("*/*")) + [path for path in segments if path.exists()]
        kept, tempfile.tempdir = tempfile.tempdir, str(self.place)
        try:
            sweep()
        finally:
            tempfile.tempdir = kept
        after = [path for path in self.place.rglob("*") if path.name != f"benchkit-{os.getuid()}"]
        after += [path for path in segments if path.exists()]
        return len(before), [str(path) for path in after]

    def _tidy(self) -> None:
        import shutil

        for name in ("out", "reports"):
            shutil.rmtree(self.folder / name, ignore_errors=True)


def _place(share: float, operations: int) -> int:
    """The number of an operation from 1; a negative share is of the last ones."""
    last = min(_LAST, operations)
    return operations - int(-share * last) if share < 0 else 1 + int(share * operations)


def _send(process: subprocess.Popen[bytes], number: int) -> None:
    """As a terminal does it where it is Ctrl-C."""
    if number == signal.SIGINT:
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)


def _judged(found: Outcome, said: str) -> Iterator[str]:
    if found.processes:
        yield f"lived on: {found.processes}"
    if found.sockets:
        yield f"still listened: {found.sockets}"
    if found.left:
        yield f"left after the sweep: {found.left}"
    if found.kill["signal"] != signal.SIGKILL and "Traceback" in said:
        yield f"a traceback: {said[-600:]}"


def _reached(said: str, folders: list[str]) -> str:
    """By the progress lines of the runner's standard error, and by what lies under --out."""
    told = [name for line in said.splitlines() for phase, name in _SAID.items() if f"] {phase}:" in line]
    if any(not name.startswith(".") for name in folders):
        return "named"
    return "measured" if folders and told[-1] == "first" else told[-1] if told else "imports"


class Seen:
    """What the processes of one run were seen to have."""

    def __init__(self, marker: str) -> None:
        self._marker = f"TMPDIR={marker}".encode()
        self.segments: set[Path] = set()
        self._sockets: set[str] = set()

    def own(self) -> list[psutil.Process]:
        """Anything alive that was started with the campaign's temporary folder."""
        return [each for each in psutil.process_iter() if self._marker in _environ(each.pid)]

    def watch(self, process: subprocess.Popen[bytes], most_s: float) -> None:
        """Look now and then until it ends, or for so long."""
        until = time.monotonic() + most_s
        while (left := until - time.monotonic()) > 0:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(min(left, _LOOK_S))
                return
            self.look()

    def look(self) -> None:
        """Segments that are mapped or open, and sockets, of all of them."""
        for each in self.own():
            with contextlib.suppress(OSError):
                maps = Path(f"/proc/{each.pid}/maps").read_text()
                self.segments |= {
                    Path(line.split(maxsplit=5)[5]) for line in maps.splitlines() if str(SEGMENTS) in line
                }
                for fd in Path(f"/proc/{each.pid}/fd").iterdir():
                    name = str(fd.readlink())
                    if name.startswith("socket:["):
                        self._sockets.add(name[8:-1])
                    elif name.startswith(f"{SEGMENTS}/"):
                        self.segments.add(Path(name))
        self.segments = {path for path in self.segments if not path.name.endswith(" (deleted)")}

    def listening(self) -> list[str]:
        """Of the sockets that were seen, those in which somebody could still connect; by their inodes."""
        found = []
        for table, listens, column in (("tcp", "0A", 9), ("tcp6", "0A", 9), ("udp", "07", 9)):
            lines = Path(f"/proc/net/{table}").read_text().splitlines()[1:]
            found += [
                row[1]
                for line in lines
                if (row := line.split())[3] == listens and row[column] in self._sockets
            ]
        unix = Path("/proc/net/unix").read_text().splitlines()[1:]
        return found + [line for line in unix if line.split()[6] in self._sockets]


def _environ(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []


def _await_gone(processes: Iterable[psutil.Process]) -> list[str]:
    """Those that are still there when their time is up, with what they are; a zombie is gone."""
    _, alive = psutil.wait_procs(list(processes), GONE_S)
    left = []
    for each in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            if each.status() != psutil.STATUS_ZOMBIE:
                left.append(f"{each.pid} {' '.join(each.cmdline())[:120]}")
    return left


def told(arguments: list[str]) -> tuple[int, str]:
    """A command of benchkit in this process: its exit code, and what it said."""
    said, kept = io.StringIO(), sys.argv
    sys.argv = ["benchkit", *arguments]
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            main()
    except SystemExit as done:
        return int(done.code or 0), said.getvalue()
    finally:
        sys.argv = kept
    raise AssertionError("the command line always exits")


def table(outcomes: list[dict[str, Any]]) -> str:
    """By what was run and how far it came."""
    heads = "".join(f"{name:>9}" for name in REACHED)
    lines = [f"{'run':<9}{'kills':>6}{'KILL':>5}{'TERM':>5}{'INT':>4} |{heads}"]
    for life in (*LIVES, ""):
        own = [each for each in outcomes if each["met"] and (not life or each["kill"]["life"] == life)]
        counts = [sum(each["kill"]["signal"] == number for each in own) for number in (9, 15, 2)]
        reached = "".join(f"{sum(each['reached'] == name for each in own):>9}" for name in REACHED)
        lines.append(f"{life or 'all':<9}{len(own):>6}{counts[0]:>5}{counts[1]:>5}{counts[2]:>4} |{reached}")
    folders = [name for each in outcomes for name in each["folders"]]
    codes = [code for each in outcomes for code in each["folders"].values()]
    wrong = [f"kill {each['kill']['number']}: {what}" for each in outcomes for what in each["wrong"]]
    partial = sum(name.endswith(".partial") for name in folders)
    lines += [
        f"directories left under --out: {len(folders)}, of which never ended: {partial}",
        f"benchkit report read or told as empty: {codes.count(0)}, could not: {len(codes) - codes.count(0)}",
        f"kills that left something for the next run's sweep: {sum(each['swept'] > 0 for each in outcomes)}",
        f"longest until nothing of the run lived: {max((each['gone_s'] for each in outcomes), default=0):.2f} s",
        f"ended before they were killed, and were looked at all the same: {sum(not each['met'] for each in outcomes)}",
        f"wrong: {len(wrong)}",
        *wrong,
    ]
    return "\n".join(lines)


def campaign(log: Path, count: int, until: float) -> list[dict[str, Any]]:
    """Go on with `log` until it holds `count` runs that were killed or the clock says `until`; all outcomes so far."""
    outcomes = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    with tempfile.TemporaryDirectory(prefix="bk-") as place, tempfile.TemporaryDirectory() as folder:
        made = Campaign(Path(place), Path(folder), guess=count <= _FEW)
        while sum(each["met"] for each in outcomes) < count and time.monotonic() < until:
            outcomes.append(asdict(made.run(Kill.of(len(outcomes)))))
            with log.open("a") as file:
                file.write(json.dumps(outcomes[-1]) + "\n")
    return outcomes


if __name__ == "__main__":
    limit_s = float(sys.argv[3]) if len(sys.argv) > 3 else float("inf")
    print(table(campaign(Path(sys.argv[1]), int(sys.argv[2]), time.monotonic() + limit_s)))  # noqa: T201  (its purpose)
