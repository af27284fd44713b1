"""What a campaign has done so far, on disk."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import shutil
import subprocess
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import fuzz_packed
from fuzz_target import CORPUS, REPOSITORY


@dataclass(slots=True)
class State:
    """Of one target; `inputs` and all figures are since its code last changed."""

    target: str
    seed: int
    code: str
    """Digest of the decoder's files."""
    commit: str
    began_utc: str
    max_bytes: int = 0
    inputs: int = 0
    taken: int = 0
    """By the decoder; the others were refused with a declared error."""
    cpu_s: float = 0.0
    processes: int = 0
    """How often it was begun or taken up again."""
    features: list[list[int]] = field(default_factory=list)
    corpus: int = 0
    slowest_ms: float = 0.0
    growth_mib: float = 0.0
    """The largest of all processes: peak resident size over that after the first inputs."""
    findings: list[dict[str, Any]] = field(default_factory=list)
    ended_utc: str = ""
    packed: bool = False

    def told(self) -> dict[str, Any]:
        """One line of the results."""
        rate = self.inputs / self.cpu_s if self.cpu_s else 0.0
        return {**dataclasses.asdict(self), "per_cpu_s": round(rate), "cpu_s": round(self.cpu_s, 1)}

    def write(self, folder: Path) -> None:
        """Whole or not at all."""
        fresh = folder / "state.json.new"
        fresh.write_text(json.dumps(dataclasses.asdict(self)), "utf-8")
        fresh.replace(folder / "state.json")

    @classmethod
    def read(cls, folder: Path) -> Self:
        """As it was last written."""
        return cls(**json.loads((folder / "state.json").read_text("utf-8")))


def begun(folder: Path, name: str, seed: int, *, fresh: bool) -> State:
    """The state to go on from; a new one where there is none, or the code is not the same any more."""
    from fuzz_targets import target

    found = target(name)
    code = digest(found.code)
    if not fresh and (folder / "state.json").exists():
        state = State.read(folder)
        if state.code == code:
            return state
    shutil.rmtree(folder / "findings", ignore_errors=True)
    for log in folder.glob("log-*.txt"):
        log.unlink()
    corpus = folder / "corpus"
    if fresh:
        shutil.rmtree(corpus, ignore_errors=True)
    corpus.mkdir(parents=True, exist_ok=True)
    for data in (*found.seeds(), *fuzz_packed.read(CORPUS / f"{name}.xz")):
        (corpus / hashlib.sha1(data, usedforsecurity=False).hexdigest()).write_bytes(data)
    state = State(name, seed, code, commit(), now(), found.max_bytes)
    state.write(folder)
    return state


def digest(code: tuple[str, ...]) -> str:
    """Of the decoder's source, all files of folders included."""
    found = hashlib.sha256()
    for name in code:
        path = REPOSITORY / "benchkit" / name
        for file in sorted(path.rglob("*.py")) if path.is_dir() else (path,):
            found.update(file.read_bytes())
    return found.hexdigest()[:16]


def commit() -> str:
    """Of the working tree; empty where nobody knows."""
    asked = subprocess.run(
        ["git", "rev-parse", "--short=10", "HEAD"], capture_output=True, text=True, check=False, cwd=REPOSITORY,
        env={**os.environ, "LC_ALL": "C"},
    )  # fmt: skip
    return asked.stdout.strip()


def now() -> str:
    """UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
