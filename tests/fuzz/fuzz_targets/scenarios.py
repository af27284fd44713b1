"""Scenario files: read, validated, planned. Nothing of what they name is opened, started or imported."""

from __future__ import annotations

import json

from fuzz_target import Target
from fuzz_targets.runs import put
from fuzz_targets.shapes import packed, text, unpacked

from benchkit.errors import ScenarioError
from benchkit.scenario import load

BASE = b"name: x\nsource: sensors\ntransport: shm\nload: {arrival: constant, rate: 5}\n"


def run(data: bytes) -> None:
    """By the first byte: the text as it is; behind a sound beginning; a tree from msgpack; that with a sound one."""
    mode, rest = data[:1], data[1:]
    if mode == b"\1":
        rest = BASE + rest
    elif mode in (b"\2", b"\3"):
        tree = unpacked(rest)
        if mode == b"\3" and isinstance(tree, dict):
            tree = {"name": "x", "source": "sensors", "transport": "shm", "load": {"arrival": "constant", "rate": 5}} | tree
        rest = text(tree)
    path = put("scenario.yaml", rest)
    try:
        plan = load(path, sets=(), only=(), quick=mode == b"\3")
    except ScenarioError as error:
        assert error.problems
        assert all(problem.where and problem.what for problem in error.problems)
        str(error).encode()
        raise
    json.dumps(plan.resolved, allow_nan=False).encode()


_SECTIONS: tuple[dict[str, object], ...] = (
    {"codec": ["raw", "msgpack"]}, {"transport": {"kind": "redis-list", "url": "redis://:pw@h", "depth": [2, 4]}},
    {"load": {"arrival": "poisson", "rate": "9/s"}, "replies": False}, {"load": {"arrival": "closed", "in_flight": 2}},
    {"workers": [1, 2], "batch": {"size": 2, "delay": "1ms"}}, {"slo": {"p99": "20ms", "loss": 0.01}},
    {"blocks": {"rounds": 2, "duration": "1s", "warmup": 0.1}}, {"include": [{"source": {"kind": "camera", "size": "64x48"}}]},
    {"exclude": [{"codec": "raw", "workers": 1}]}, {"link": {"profile": "lan"}}, {"flow": {"policy": "block"}},
    {"load": {"find": "capacity", "arrival": "constant"}, "slo": {"p99": "1s"}}, {"gate": {"p50": "5%"}},
    {"pipeline": [{"name": "a", "stage": "null"}, {"name": "b", "stage": {"kind": "synthetic", "service": "1ms"}}], "replies": False},
    {"what_if": {"phases": ["send"], "slow": ["5%", "10%"]}}, {"promises": ["p99 < 5ms"]}, {"stage": {"kind": "python"}},
    {"producers": 2}, {"on_error": "stop", "seed": 7, "description": "d"}, {"checks": {"full_every": 4}},
)  # fmt: skip


def seeds() -> list[bytes]:
    found = [b"\0" + BASE, b"\0" + BASE + b"codec: &c [raw, npy]\nbatch: {size: 2}\n", b"\1blocks:\n  rounds: 2\n"]
    found += [b"\1a: &a {x: 1}\nb:\n  <<: *a\n", b"\0- x\n", b"\0", b"\1description: |\n  two\n  lines\n", b"\0{a: !!int x}"]
    for section in _SECTIONS:
        found.append(b"\3" + packed(section))
        found.append(b"\1" + b"".join(b"%s: %s\n" % (key.encode(), text(value)) for key, value in section.items()))
    return [*found, b"\2" + packed({"name": "y", "source": "camera", "transport": "unix", "load": {"arrival": "closed", "in_flight": 1}})]


_WORDS = b"""name description seed source codec transport stage load workers producers batch replies link flow pipeline blocks
checks slo what_if gate promises exclude include kind arrival size delay rate depth url model find constant closed poisson
camera sensors http shm unix redis-list raw null synthetic capacity p99 loss 5/s 1ms 10% 64x48 1e999 .inf !!binary &a *a <<
: - [ ] { } | > ? ~ 0x 0o \\ud800""".split()

TARGETS = (Target("scenario", run, (ScenarioError,), seeds, ("scenario", "units.py", "plugins.py", "budgets.py", "link/options.py",
           "link/plan.py", "flow/options.py", "load"), 256, tuple(_WORDS)),)  # fmt: skip
