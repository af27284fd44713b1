"""The process that fuzzes: benchkit instrumented by atheris, each input timed and weighed. Started by campaign.py."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import atheris
from fuzz_mutate import minimised
from fuzz_state import State, now
from fuzz_target import GROWTH_BYTES, HANG_S, Target, signature
from fuzz_targets import target

_EVERY = 5000
_WARM = 2000
_SPACE_BYTES = 2 << 30
"""Of address space beyond the start's: what is announced and allocated, but never touched, is a MemoryError."""
_MOST_FINDINGS = 40
_STUCK_S = 5.0


class Stuck(BaseException):
    """An input that does not end."""


class Run:
    """Counts, times and weighs inputs; keeps findings."""

    def __init__(self, found: Target, folder: Path, inputs: int) -> None:
        self.target, self.folder, self.wanted = found, folder, inputs
        self.state = State.read(folder)
        self.loading = sum(1 for _ in (folder / "corpus").iterdir())
        self.cpu_s = time.process_time()
        self.calls = 0
        self.base_kib = self.peak_kib = 0
        self.current = self.looked_at = -1
        self.known = {each["signature"] for each in self.state.findings}
        self.state.processes += 1
        self.state.write(folder)

    def one(self, data: bytes) -> None:
        """The function that libFuzzer calls."""
        began = time.thread_time_ns()
        self.calls += 1
        try:
            self.target.run(data)
            self.state.taken += 1
        except self.target.declared:
            pass
        except BaseException as error:  # noqa: BLE001  (whatever it is, it is what is looked for)
            self.keep(data, signature(error), repr(error)[:300])
        took_ms = (time.thread_time_ns() - began) / 1e6
        if took_ms > self.state.slowest_ms and self.calls > 1:
            self.state.slowest_ms = took_ms
            if took_ms > HANG_S * 1000:
                self.keep(data, "hang", f"{took_ms:.0f} ms")
        peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        if peak_kib != self.peak_kib:
            self.weigh(data, peak_kib)
        if self.calls > self.loading:
            self.state.inputs += 1
            if self.state.inputs % _EVERY == 0 or self.state.inputs >= self.wanted:
                self.checkpoint()

    def weigh(self, data: bytes, peak_kib: int) -> None:
        """Look at how much more memory the process has than after its first inputs."""
        self.peak_kib = peak_kib
        if self.calls <= self.loading + _WARM:
            self.base_kib = peak_kib
        grown_mib = (peak_kib - self.base_kib) / 1024
        self.state.growth_mib = max(self.state.growth_mib, round(grown_mib, 1))
        if grown_mib > GROWTH_BYTES >> 20:
            self.keep(data, "growth", f"{grown_mib:.0f} MiB")
            self.base_kib = peak_kib

    def keep(self, data: bytes, sign: str, what: str) -> None:
        """A finding, the first of its kind."""
        if sign in self.known or len(self.known) >= _MOST_FINDINGS:
            return
        self.known.add(sign)
        small = data if sign in ("hang", "growth") else minimised(data, lambda tried: self.same(tried, sign))
        name = hashlib.sha1(small, usedforsecurity=False).hexdigest()[:16]
        (self.folder / "findings").mkdir(exist_ok=True)
        (self.folder / "findings" / name).write_bytes(small)
        self.state.findings.append({"signature": sign, "what": what, "input": small[:400].hex(), "file": name})
        self.checkpoint()

    def same(self, data: bytes, sign: str) -> bool:
        """Whether it is the same finding still."""
        try:
            self.target.run(data)
        except self.target.declared:
            return False
        except BaseException as error:  # noqa: BLE001  (as above)
            return signature(error) == sign
        return False

    def tick(self, *_: Any) -> None:
        """Now and then, by CPU time: the input that was looked at last time is still under way."""
        if self.calls == self.looked_at:
            self.looked_at = -1
            raise Stuck
        self.looked_at = self.calls

    def checkpoint(self) -> None:
        """Say what was done; end the process when it is all."""
        spent_s, self.cpu_s = time.process_time() - self.cpu_s, time.process_time()
        self.state.cpu_s += spent_s
        self.state.corpus = sum(1 for _ in (self.folder / "corpus").iterdir())
        self.state.ended_utc = now()
        self.state.write(self.folder)
        if self.state.inputs >= self.wanted:
            sys.stdout.flush()
            os._exit(0)


def main() -> None:
    """`fuzz_child.py TARGET INPUTS FOLDER`."""
    name, inputs, folder = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    with atheris.instrument_imports(include=["benchkit", "yaml"]):
        found = target(name)
        for data in found.seeds():  # what is imported where it is first used is instrumented too
            with suppress(*found.declared):
                found.run(data)
    corpus = str(folder / "corpus")
    general = [sys.argv[0], f"-max_len={found.max_bytes}", "-rss_limit_mb=0", "-timeout=600", "-print_funcs=0"]
    run = Run(found, folder, inputs)
    words = folder / "words.txt"
    words.write_text("".join(f'"{_quoted(word)}"\n' for word in found.words), "ascii")
    if found.words:
        general.append(f"-dict={words}")
    space = int(Path("/proc/self/statm").read_text("ascii").split()[0]) * resource.getpagesize() + _SPACE_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (space, resource.RLIM_INFINITY))
    signal.signal(signal.SIGPROF, run.tick)
    signal.setitimer(signal.ITIMER_PROF, _STUCK_S, _STUCK_S)
    seed = run.state.seed * 1000 + run.state.processes
    more = [f"-seed={seed}", "-reload=0", f"-artifact_prefix={folder}/fatal-", "-len_control=20", "-use_value_profile=1"]
    atheris.Setup([*general, *more, corpus], run.one)
    atheris.Fuzz()


def _quoted(word: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word)


if __name__ == "__main__":
    main()
