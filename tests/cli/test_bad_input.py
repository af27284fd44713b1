"""Whatever is wrong: what, where and the remedy, the right exit code, no traceback."""

from __future__ import annotations

import resource
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from shell import (
    COMMAND,
    ROOT,
    Done,
    benchkit,
    codes,
    environment,
    measure,
    messages_of,
    small,
    start,
    write,
)

from benchkit.records.folder import load

NOISE = np.random.default_rng(5).bytes(4096)
FRAMES = {"kind": "camera", "size": "64x48", "distinct": 2}

STAGES = '''
import os, signal, sys
import numpy as np

class Kth:
    """Does something on the 20th message that this process handles."""
    def __init__(self):
        self.count = 0

    def __call__(self, arrays):
        self.count += 1
        if self.count == 20:
            self.twentieth()
        return {"level": np.asarray(3.5)}

class Raises(Kth):
    def twentieth(self):
        raise ValueError("no water in the picture")

class Kills(Kth):
    def twentieth(self):
        os.kill(os.getpid(), signal.SIGKILL)

class Tells(Kth):
    """Says that its block is under way."""
    def twentieth(self):
        open(os.path.join(os.path.dirname(__file__), "under-way"), "w").close()

class Exits(Kth):
    def twentieth(self):
        sys.exit("enough")

class Wrong(Kth):
    def __call__(self, arrays):
        return "level"
'''


@dataclass(frozen=True)
class Case:
    """A mistake and what must be said about it."""

    words: tuple[str, ...]
    sections: dict[str, Any] | None = None
    arguments: tuple[str, ...] = ()
    text: bytes | None = None
    code: int = 2


MODEL = str(ROOT / "scenarios" / "models" / "dam" / "dam-level.onnx")
CASES = {
    "yaml": Case(("scenario.yaml:2:", "not YAML"), text=b"name: [a\nb: {"),
    "duplicate": Case(("scenario.yaml:2:1", "name"), text=b"name: a\nname: b\n"),
    "binary": Case(("scenario.yaml", "UTF-8"), text=NOISE),
    "empty": Case(("scenario.yaml",), text=b""),
    "transport": Case(
        ("scenario.yaml:", "unknown transport 'redis-lst'", "did you mean 'redis-list'"), {"transport": "redis-lst"}
    ),
    "key": Case(("scenario.yaml:", "unknown key 'blocs'", "did you mean 'blocks'"), {"blocs": {"rounds": 1}}),
    "two at once": Case(("unknown key 'blocs'", "unknown codec 'rwa'"), {"blocs": 1, "codec": "rwa"}),
    "no model": Case(("no such file 'none.onnx'", "relative to"), {"stage": {"kind": "onnx", "model": "none.onnx"}}),
    "no fit": Case(
        ("dam-level.onnx", "'frame' wants uint8", "float32", "remedy"), {"stage": {"kind": "onnx", "model": MODEL}}
    ),
    "video": Case(("noise.avi", "video", "remedy"), {"source": {"kind": "video", "path": "noise.avi"}}),
    "images": Case(("nothing-in-it", "no image", "remedy"), {"source": {"kind": "images", "path": "nothing-in-it"}}),
    "set": Case(("--set nonsense", "path.to.key=value"), {}, ("--set", "nonsense")),
    "set key": Case(("did you mean 'rounds'",), {}, ("--set", "blocks.ronds=3")),
    "set value": Case(("--set blocks.duration",), {}, ("--set", "blocks.duration=long")),
    "only": Case(("no cell has transport 'shm'", "unix"), {}, ("--only", "transport=shm")),
    "only key": Case(("--only way=shm", "way"), {}, ("--only", "way=shm")),
    "option": Case(("No such option",), {}, ("--fast",)),
    "closed": Case(("closed loop needs replies",), {"load": {"arrival": "closed", "in_flight": 2}, "replies": False}),
    "noise model": Case(
        ("noise.onnx", "no ONNX model", "remedy"), {"stage": {"kind": "onnx", "model": "noise.onnx"}}, code=4
    ),
    "depth": Case(
        ("depth", "bytes are free", "remedy"), {"transport": {"kind": "shm", "depth": 1_000_000}, "source":
            {"kind": "camera", "size": "1920x1080", "distinct": 1}}, code=4),
    "import": Case(("no_such_module", "remedy"), {"stage": {"kind": "python", "target": "no_such_module:run"}}, code=4),
    "wrong stage": Case(
        ("stages:Wrong", "not a dict", "remedy"), {"stage": {"kind": "python", "target": "stages:Wrong", "path": "."}},
        code=3,
    ),
}  # fmt: skip


def prepared(folder: Path, case: Case) -> Path:
    (folder / "noise.onnx").write_bytes(NOISE)
    (folder / "noise.avi").write_bytes(NOISE)
    (folder / "nothing-in-it").mkdir()
    (folder / "stages.py").write_text(STAGES)
    scenario = folder / "scenario.yaml"
    if case.text is not None:
        scenario.write_bytes(case.text)
        return scenario
    return small(folder, **case.sections or {}).rename(scenario)


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Done]:
    def outcome(name: str, folder: Path) -> Done:
        case = CASES[name]
        return measure(prepared(folder, case), folder / "out", *case.arguments)

    folders = [tmp_path_factory.mktemp("bad") for _ in CASES]
    with ThreadPoolExecutor(4) as pool:
        return dict(zip(CASES, pool.map(outcome, CASES, folders), strict=True))


@pytest.mark.parametrize("name", CASES)
def test_it_says_what_where_and_the_remedy(outcomes: dict[str, Done], name: str) -> None:
    done, case = outcomes[name], CASES[name]
    assert done.code == case.code, done.said
    said = " ".join(done.said.split())
    assert [word for word in case.words if word not in said] == [], done.said
    assert "Traceback" not in done.said
    if case.code == 2:
        assert done.stdout == ""
        assert not done.out.exists()


def test_a_missing_scenario(tmp_path: Path) -> None:
    done = measure(tmp_path / "none.yaml", tmp_path / "out")
    assert done.code == 2
    assert "none.yaml: no such file" in done.stderr
    assert "benchkit new" in done.stderr


def test_a_mistake_in_the_second_scenario_is_found_before_the_first_is_measured(tmp_path: Path) -> None:
    good, bad = small(tmp_path), write(tmp_path, {"name": "Bad Name"}, "bad.yaml")
    done = benchkit("run", good, bad, "--out", tmp_path / "out", out=tmp_path / "out")
    assert done.code == 2
    assert "bad.yaml:1:" in done.stderr
    assert not done.out.exists()


def test_out_that_is_a_file_is_refused_before_anything_is_measured(tmp_path: Path) -> None:
    scenario = small(tmp_path)
    for out in (scenario, scenario / "below"):
        done = measure(scenario, out)
        assert done.code == 2
        assert f"{scenario} is a file" in done.stderr
        assert "remedy" in done.stderr


@contextmanager
def tiny_disk(folder: Path) -> Iterator[Callable[[], None] | None]:
    """A file system of 64 KiB where this user may mount one, else a limit on the size of files."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], capture_output=True, check=False
    )
    try:
        if mounted.returncode == 0:
            yield None
        else:
            yield lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))
    finally:
        if mounted.returncode == 0:
            subprocess.run(["umount", folder], check=True)


def test_a_full_disk_loses_no_answer_and_no_block_that_had_room(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    scenario = small(tmp_path, load={"arrival": "constant", "rate": "2000/s"})
    with tiny_disk(out) as limit:
        done = subprocess.run(
            [*COMMAND, "run", scenario, "-q", "--out", out], capture_output=True, text=True, check=False, cwd=ROOT,
            env=environment(), preexec_fn=limit,
        )  # fmt: skip
        # No run directory; blocks that did find room are kept for a resume.
        assert all(path.name.endswith(".partial") for path in out.iterdir())
        assert all(load(path).blocks and str(path) in done.stderr for path in out.iterdir())
    assert done.returncode == 4, done.stderr
    assert "could not be saved" in done.stderr
    assert "free some space" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert "In words" in done.stdout


CLOSED = {"arrival": "closed", "in_flight": 1}


def staged(folder: Path, name: str, **more: Any) -> Done:
    (folder / "stages.py").write_text(STAGES)
    own = {"kind": "python", "target": f"stages:{name}", "path": "."}
    # A closed loop: no other program on the machine can make a cell miss its offered rate.
    return measure(small(folder, stage=["null", own], load=CLOSED, **more), folder / "out")


def cell_of(done: Done, stage: str) -> dict[str, Any]:
    return next(cell for cell in done.document["cells"] if cell["stage"] == stage)


@pytest.mark.parametrize("name", ["Raises", "Exits"])
def test_a_stage_that_raises_on_one_message_is_counted_and_the_block_goes_on(
    tmp_path: Path, name: str
) -> None:
    done = staged(tmp_path, name)
    cell = cell_of(done, "python")
    assert cell["account"]["dead_lettered"] == 1
    assert cell["account"]["delivered"] == cell["account"]["scheduled"] - 1
    assert "stage-failed" in codes(cell)
    assert codes(cell_of(done, "null")).count("stage-failed") == 0
    assert done.code == 0, done.said
    assert "Traceback" not in done.said
    what = {"Raises": "no water in the picture", "Exits": "SystemExit"}[name]
    assert what in " ".join(done.stdout.split())
    blocks = [block for block in done.record["blocks"] if block["failures"]]
    (failure,) = blocks[0]["failures"]
    assert failure["count"] == 1
    assert "stages.py" in failure["traceback"]
    assert "twentieth" in failure["traceback"]


def test_a_stage_that_raises_ends_its_block_where_the_scenario_says_stop(tmp_path: Path) -> None:
    done = staged(tmp_path, "Raises", on_error="stop")
    cell = cell_of(done, "python")
    assert done.code == 4, done.said
    assert cell["account"]["dead_lettered"] == 1
    assert cell["account"]["delivered"] > 0
    assert {"drain-timed-out", "offered-load-not-reached"}.isdisjoint(codes(cell))
    assert cell_of(done, "null")["validity"]["valid"]


def test_a_stage_that_kills_its_process_costs_one_block(tmp_path: Path) -> None:
    done = staged(
        tmp_path, "Kills", blocks={"rounds": 3, "duration": "200ms", "warmup": "30ms", "drain": "1s"}
    )
    cell = cell_of(done, "python")
    assert done.code == 4, done.said
    assert "killed by signal 9" in done.stdout
    assert "Traceback" not in done.said
    assert "party-died" in codes(cell)
    assert cell["account"]["delivered"] > 0
    assert sum(cell["account"][k] for k in ("delivered", "lost", "pending")) == cell["account"]["scheduled"]
    other = cell_of(done, "null")
    assert "party-died" not in codes(other)
    assert other["account"]["delivered"] == other["account"]["scheduled"] > 0


@pytest.mark.parametrize("transport", ["redis-list", "redis-stream"])
def test_a_broker_that_is_killed_costs_one_block(tmp_path: Path, transport: str) -> None:
    import psutil

    (tmp_path / "stages.py").write_text(STAGES)
    own = {"kind": "python", "target": "stages:Tells", "path": "."}
    blocks = {"rounds": 2, "duration": "1s", "warmup": "30ms", "drain": "1s"}
    process = start(
        "run", small(tmp_path, transport=[transport], stage=own, blocks=blocks), "--out", tmp_path / "out"
    )
    while not (tmp_path / "under-way").exists() and process.poll() is None:
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.01)
    (broker,) = [each for each in psutil.Process(process.pid).children() if "valkey" in each.name()]
    broker.kill()
    stdout, stderr = process.communicate(timeout=60)
    done = Done(process.returncode, stdout, stderr, tmp_path / "out")
    assert done.code == 4, done.said
    assert "Traceback" not in done.said
    (cell,) = done.document["cells"]
    assert "party-died" in codes(cell)
    assert "the broker closed the connection" in messages_of([cell])
    # The second block had a new broker, and that is said too.
    assert [failure["party"] for failure in done.document["failures"]] == ["broker"]
    first, second = done.record["blocks"]
    assert first["failures"]
    assert not second["failures"]
    assert second["drained"]
