"""The page of results: what every campaign did, as a table and as JSON lines that a campaign's state was written to."""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path
from typing import Any

import fuzz_packed
from fuzz_state import EARLIER, State, commit, digest, now
from fuzz_target import CORPUS, GROWTH_BYTES, HANG_S, HERE
from fuzz_targets import NAMES, target

WANTED = 1_000_000
_HEADS = (
    "| decoder | inputs | taken | CPU s | inputs/CPU s | features: first, last | corpus: reached, kept | slowest "
    "| growth: campaign, replay | findings |"
)
FOUND = HERE / "found.md"
"""What was found and fixed, in words; by hand, since nobody else knows what an exception meant."""


def write(folder: Path, work: Path) -> None:
    """`campaigns.jsonl`, a line a campaign, and `README.md` of it; a target not fuzzed here keeps its lines."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = folder / "campaigns.jsonl"
    known = [json.loads(line) for line in lines.read_text("utf-8").splitlines()] if lines.exists() else []
    campaigns: list[dict[str, Any]] = []
    for name in NAMES:
        here = work / name
        own = [each for each in known if each["target"] == name]
        if (here / "state.json").exists():
            earlier = here / EARLIER
            own = (
                [json.loads(line) for line in earlier.read_text("utf-8").splitlines()]
                if earlier.exists()
                else []
            )
            own.append(State.read(here).told())
        code, kept = digest(target(name).code), len(fuzz_packed.read(CORPUS / f"{name}.xz"))
        campaigns += [{**each, "current": each["code"] == code, "kept": kept} for each in own]
    lines.write_text("".join(json.dumps(each) + "\n" for each in campaigns), "utf-8")
    (folder / "README.md").write_text(page(campaigns), "utf-8")


def page(campaigns: list[dict[str, Any]]) -> str:
    """The Markdown."""
    now_, before = ([each for each in campaigns if each["current"] is current] for current in (True, False))
    done: dict[str, int] = {}
    for each in now_:
        done[each["target"]] = done.get(each["target"], 0) + each["inputs"]
    missing = ", ".join(f"{name} ({done.get(name, 0):,})" for name in NAMES if done.get(name, 0) < WANTED)
    left = f"Not yet at {WANTED:,} inputs on the code as it is: {missing}.\n" if missing else ""
    listed = "".join(
        f"- {each['target']}: {finding['signature']}: {finding['what']}\n"
        for each in now_
        for finding in each["findings"]
    )
    found = FOUND.read_text("utf-8").strip() if FOUND.exists() else "Nothing."
    return f"""# Fuzzing of every decoder

Written by `python tests/fuzz/campaign.py --page results/fuzz` on {now()[:10]} at commit {commit()}.
Machine: {_machine()}; atheris (libFuzzer) in one process at the lowest priority, beside other work.

{sum(each["inputs"] for each in campaigns):,} coverage-guided inputs. Each campaign looks for any error but the declared
ones, an input that takes more than {HANG_S:g} s of CPU time, one that takes 16 MiB at once, and a process that grows by
more than {GROWTH_BYTES >> 20} MiB over many. A campaign begins anew when the code of its decoder changes.

## The code as it is

{left}
{_table(now_)}

- *taken*: inputs that the decoder accepted; it refused the others with a declared error. A server's protocol refuses
  nothing by raising.
- *features*: what libFuzzer counts of branches and comparisons in benchkit's code after the seeds, and at the end.
- *slowest*: of one input, thread CPU time; a full collection of garbage falls into it now and then.
- *growth*: peak resident size beyond that after the first inputs. In the campaign the fuzzer's own tables are
  included, and what atheris keeps of comparisons of arrays (it grows by that; a process is begun anew at 48 MiB).
  The replay runs the corpus and up to 100,000 mutations of it without atheris.

Open findings: {"none." if not listed else ""}
{listed}
## Code that was changed since

Most of these changes are what was found by then, in this decoder or in one that shares a file with it.

{_table(before)}

## Found and fixed

{found}

A campaign again: `pip install atheris`, then `python tests/fuzz/campaign.py TARGET --inputs {WANTED} --seed 1`; it
goes on where it was stopped. `pytest tests/fuzz` runs the kept corpus and fresh mutations of it without atheris.
"""


def _table(campaigns: list[dict[str, Any]]) -> str:
    return "\n".join((_HEADS, "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|", *map(_row, campaigns)))


def _row(each: dict[str, Any]) -> str:
    features = each["features"]
    first, last = (features[0][1], features[-1][1]) if features else (0, 0)
    name = each["target"] if each["seed"] == 1 else f"{each['target']}, seed {each['seed']}"
    return (
        f"| {name} | {each['inputs']:,} | {each['taken'] / max(1, each['inputs']):.1%} | {each['cpu_s']:.0f} "
        f"| {each['per_cpu_s']:,} | {first}, {last} | {each['corpus']}, {each['kept']} | {each['slowest_ms']:.0f} ms "
        f"| {each['growth_mib']:.0f}, {each.get('replay_mib') or 0:.0f} MiB | {len(each['findings'])} |"
    )


def _machine() -> str:
    cpu = (
        next(
            (
                line.partition(":")[2].strip()
                for line in Path("/proc/cpuinfo").read_text("ascii", "replace").splitlines()
                if line.startswith("model name")
            ),
            platform.machine(),
        )
        if Path("/proc/cpuinfo").exists()
        else platform.machine()
    )
    return f"{cpu}, {os.cpu_count()} cores, Python {platform.python_version()}"
