"""A coverage-guided campaign against one decoder, or all of them, with atheris (libFuzzer); it can be taken up again.

    python tests/fuzz/campaign.py TARGET --inputs 1000000 --seed 1     # TARGET: a name, several, or `all`
    python tests/fuzz/campaign.py --page results/fuzz                  # the table of what has been done

What a campaign has done stands in WORK/TARGET/: `state.json` (written every few thousand inputs, so that a campaign
that was stopped goes on), `corpus/` (an input a file, those that reached something new), `findings/`. It begins anew
where the decoder's code is another one than it began with. At its end the corpus is made small, packed to
tests/fuzz/corpus/ and run by every test of every change, without atheris.

A finding is any error but the declared ones, more than a second of the thread's CPU time for one input, or a process
that takes 64 MiB more than when its first inputs were done. It is kept with the input, made as small as can be, and
the campaign goes on.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import fuzz_packed
from fuzz_shrink import shrunk
from fuzz_state import State, begun
from fuzz_target import CORPUS, HERE, REPOSITORY
from fuzz_targets import NAMES, target

MOST_KEPT = 200
MOST_PACKED_BYTES = 24_000
"""Of one target's corpus in the repository, compressed."""


def main() -> int:
    """The command line."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("targets", nargs="*", metavar="TARGET", help=f"all, or of: {', '.join(NAMES)}")
    options.add_argument("--inputs", type=int, default=1_000_000)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--work", type=Path, default=REPOSITORY / "build" / "fuzz")
    options.add_argument("--fresh", action="store_true", help="begin anew, from the corpus in the repository")
    options.add_argument("--page", type=Path, help="write the table of all campaigns to this folder")
    asked = options.parse_args()
    if unknown := set(asked.targets) - {*NAMES, "all"}:
        options.error(f"no such target: {', '.join(sorted(unknown))}")
    failed = 0
    for name in NAMES if "all" in asked.targets else asked.targets:
        failed |= campaign(name, asked.inputs, asked.seed, asked.work, fresh=asked.fresh)
    if asked.page:
        from fuzz_page import write

        write(asked.page, asked.work)
    return failed


def campaign(name: str, inputs: int, seed: int, work: Path, *, fresh: bool) -> int:
    """Run until `inputs` inputs are done; 1 where there were findings."""
    folder = work / name
    state = begun(folder, name, seed, fresh=fresh)
    while state.inputs < inputs:
        before = state.inputs
        log = folder / f"log-{state.processes}.txt"
        with log.open("wb") as output:
            child = subprocess.run(
                [sys.executable, str(HERE / "fuzz_child.py"), name, str(inputs), str(folder)],
                stdout=output, stderr=subprocess.STDOUT, check=False, cwd=folder, env=_environment(),
            )  # fmt: skip
        state = State.read(folder)
        state.features = _features(folder, state.processes)
        state.write(folder)
        if child.returncode and state.inputs - before < 1000:
            say(f"{name}: the fuzzer ended with {child.returncode}; see {log}")
            return 1
    if not state.packed:
        _pack(name, folder)
        state.packed = True
        state.write(folder)
    say(json.dumps(state.told()))
    return int(bool(state.findings))


def say(line: str) -> None:
    """Results and nothing else go to standard output."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _environment() -> dict[str, str]:
    path = os.pathsep.join((str(HERE), str(REPOSITORY)))
    return {**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}


def _features(folder: Path, processes: int) -> list[list[int]]:
    """What libFuzzer said of features as it went: [inputs of all processes so far, features, corpus] about ten times."""
    found: list[list[int]] = []
    for number in range(processes):
        log = folder / f"log-{number}.txt"
        before = found[-1][0] if found else 0
        for line in log.read_text("utf-8", "replace").splitlines() if log.exists() else ():
            words = line.split()
            if line.startswith("#") and "ft:" in words and "corp:" in words:
                count = words[0].strip("#:")
                own = [words[words.index("ft:") + 1], words[words.index("corp:") + 1].partition("/")[0]]
                if count.isdigit() and "DONE" not in words:
                    found.append([before + int(count), *map(int, own)])
    places = sorted({0, *(len(found) * part // 12 for part in range(12)), len(found) - 1})
    return [found[place] for place in places if found]


def _pack(name: str, folder: Path) -> None:
    """A few inputs that go where the whole corpus goes, into the repository."""
    found = [path.read_bytes() for path in (folder / "corpus").iterdir()]
    kept = shrunk(target(name), found, MOST_KEPT)
    path = CORPUS / f"{name}.xz"
    while True:
        fuzz_packed.write(path, kept)
        if path.stat().st_size <= MOST_PACKED_BYTES or len(kept) < 2:
            return
        kept = kept[: len(kept) * 9 // 10]


def told(work: Path) -> list[dict[str, Any]]:
    """What has been done, by target."""
    return [State.read(work / name).told() for name in NAMES if (work / name / "state.json").exists()]


if __name__ == "__main__":
    sys.exit(main())
