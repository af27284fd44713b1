"""Measures a scenario for a test, in a process of its own: nothing of pytest's is beside what is measured."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NoReturn

import pytest

from benchkit.asserting.benchmarks import add
from benchkit.asserting.result import Result
from benchkit.cli.exits import BROKEN, DONE, INVALID

_SAID_CHARACTERS: Final = 4000
_GATES: Final = pytest.StashKey[dict[tuple[str, ...], Mapping[str, Any]]]()


@dataclass(frozen=True)
class Settings:
    """What the command line and the ini file say."""

    invalid: str
    """`fail` or `skip`."""
    out: Path
    base: str | None
    blocks: int | None
    gates: dict[tuple[str, ...], Mapping[str, Any]] = field(default_factory=dict)
    """Comparisons already made in this session, by command."""


def settings(config: pytest.Config, folder: Path) -> Settings:
    """Of this session; `folder` takes run directories that nobody asked to keep."""
    invalid = config.getoption("benchkit_invalid") or config.getini("benchkit_invalid")
    if invalid not in ("fail", "skip"):
        raise pytest.UsageError(f"benchkit_invalid is {invalid!r}: write fail or skip")
    kept = config.getoption("benchkit_out")
    gates = config.stash.setdefault(_GATES, {})
    base, blocks = config.getoption("benchkit_base"), config.getoption("benchkit_blocks")
    return Settings(invalid, Path(kept) if kept else folder, base, blocks, gates)


class Bench:
    """The `benchkit` fixture."""

    def __init__(self, node: pytest.Item, asked: Settings) -> None:
        self._node = node
        self._asked = asked

    def run(
        self,
        scenario: str | Path | Mapping[str, Any],
        *,
        only: str | Sequence[str] = (),
        sets: str | Sequence[str] = (),
        quick: bool = False,
    ) -> Result:
        """Measure a scenario (a path from the test's folder, or its content) and return what was found.

        `only` and `sets` are as `--only transport=shm` and `--set load.rate=30/s`. A scenario that cannot be run
        fails the test. With `--benchkit-base` it is compared with that build too, once a session.
        """
        __tracebackhide__ = True
        path = self._path(scenario)
        options = [*_each("--only", only), *_each("--set", sets), *(["--quick"] if quick else [])]
        if self._asked.base is not None:
            self._gate(path, options)
        done = self._command("run", path, options)
        if done.returncode not in (DONE, BROKEN, INVALID) or not done.stdout:
            pytest.fail(f"benchkit run {path}: {_said(done)}", pytrace=False)
        document = json.loads(done.stdout)
        result = Result(document, self._folder(document), self._refuse)
        add(self._node, result)
        return result

    def _gate(self, path: Path, options: Sequence[str]) -> None:
        __tracebackhide__ = True
        asked = self._asked
        more = ["--base", str(asked.base), *(["--blocks", str(asked.blocks)] if asked.blocks else [])]
        key = (str(path), *options, *more)
        if key not in asked.gates:
            done = self._command("check", path, [*options, *more])
            if done.returncode not in (DONE, BROKEN, INVALID) or not done.stdout:
                pytest.fail(f"benchkit check {path} --base {asked.base}: {_said(done)}", pytrace=False)
            asked.gates[key] = json.loads(done.stdout)
        _judge(asked.gates[key], str(asked.base), self._refuse)

    def _command(self, name: str, path: Path, options: Sequence[str]) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-P", "-m", "benchkit", name, str(path), "--json", "-q"]
        return subprocess.run(
            [*command, "--out", str(self._asked.out), *options], capture_output=True, text=True, check=False
        )

    def _path(self, scenario: str | Path | Mapping[str, Any]) -> Path:
        if isinstance(scenario, Mapping):
            import yaml

            self._asked.out.mkdir(parents=True, exist_ok=True)
            written = self._asked.out / f"{scenario.get('name', 'scenario')}.yaml"
            written.write_text(yaml.safe_dump(dict(scenario), sort_keys=False), "utf-8")
            return written.resolve()
        beside = self._node.path.parent / scenario
        return (beside if beside.exists() else self._node.config.rootpath / scenario).resolve()

    def _folder(self, document: Mapping[str, Any]) -> Path | None:
        for each in sorted(self._asked.out.glob(f"{document['scenario']['name']}-*/run.json"), reverse=True):
            if json.loads(each.read_text("utf-8")) == document:
                return each.parent
        return None

    def _refuse(self, why: str) -> NoReturn:
        __tracebackhide__ = True
        if self._asked.invalid == "skip":
            pytest.skip(why)
        pytest.fail(why, pytrace=False)


def _judge(gate: Mapping[str, Any], base: str, refuse: Any) -> None:
    from benchkit.report.exports import Figures
    from benchkit.report.exports.findings import findings

    __tracebackhide__ = True
    if gate["verdict"] in ("PASS", "WARN"):
        return
    grave = [each for each in findings(Figures((), (gate,))) if each.level != "notice"]
    told = "\n".join(f"{each.cell} {each.code}: {each.what}".strip() for each in grave)
    said = f"{gate['scenario']} against {base}: {gate['verdict']}\n{told}"
    if gate["verdict"] == "FAIL":
        pytest.fail(said, pytrace=False)
    refuse(said)


def _each(option: str, values: str | Sequence[str]) -> list[str]:
    found = [values] if isinstance(values, str) else list(values)
    return [part for value in found for part in (option, value)]


def _said(done: subprocess.CompletedProcess[str]) -> str:
    return f"exit code {done.returncode}\n{done.stderr[-_SAID_CHARACTERS:]}"
