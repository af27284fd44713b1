"""The page of results: what every campaign did, as a table and as JSON lines that a campaign's state was written to."""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path
from typing import Any

import fuzz_packed
from fuzz_state import State, commit, now
from fuzz_target import CORPUS, GROWTH_BYTES, HANG_S, HERE
from fuzz_targets import NAMES

WANTED = 1_000_000
_HEADS = (
    "| decoder | inputs | taken | CPU s | inputs/CPU s | features: first, last | corpus: reached, kept | slowest "
    "| growth | findings |"
)
FOUND = HERE / "found.md"
"""What was found and fixed, in words; by hand, since nobody else knows what an exception meant."""


def write(folder: Path, work: Path) -> None:
    """`campaigns.jsonl`, one line a target, and `README.md` of it; a target that was not fuzzed here keeps its line."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = folder / "campaigns.jsonl"
    known = {}
    if lines.exists():
        known = {each["target"]: each for each in map(json.loads, lines.read_text("utf-8").splitlines())}
    for name in NAMES:
        if (work / name / "state.json").exists():
            told = State.read(work / name).told()
            told["kept"] = len(fuzz_packed.read(CORPUS / f"{name}.xz"))
            known[name] = told
    ordered = [known[name] for name in NAMES if name in known]
    lines.write_text("".join(json.dumps(each) + "\n" for each in ordered), "utf-8")
    (folder / "README.md").write_text(page(ordered), "utf-8")


def page(campaigns: list[dict[str, Any]]) -> str:
    """The Markdown."""
    short = [each for each in campaigns if each["inputs"] < WANTED]
    absent = [name for name in NAMES if name not in {each["target"] for each in campaigns}]
    rows = "\n".join(_row(each) for each in campaigns)
    total = sum(each["inputs"] for each in campaigns)
    missing = ", ".join(
        [f"{each['target']} ({each['inputs']:,})" for each in short] + [f"{name} (0)" for name in absent]
    )
    found = FOUND.read_text("utf-8").strip() if FOUND.exists() else "Nothing."
    left = f"Not yet at {WANTED:,} inputs: {missing}.\n\n" if missing else ""
    open_findings = [(each["target"], finding) for each in campaigns for finding in each["findings"]]
    listed = "".join(f"- {name}: {each['signature']}: {each['what']}\n" for name, each in open_findings)
    return f"""# Fuzzing of every decoder

Written by `python tests/fuzz/campaign.py --page results/fuzz` on {now()[:10]} at commit {commit()}.
Machine: {_machine()}; atheris (libFuzzer) in one process at the lowest priority, beside other work.

{total:,} coverage-guided inputs in {len(campaigns)} campaigns. Each campaign looks for any error but the declared ones,
an input that takes more than {HANG_S:g} s of CPU time, and a process that grows by more than {GROWTH_BYTES >> 20} MiB.
A campaign begins anew when the code of its decoder changes (`code` in campaigns.jsonl is that code's digest).

{left}{_HEADS}
|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|
{rows}

- *taken*: inputs that the decoder accepted; it refused the others with a declared error. A server's protocol refuses
  nothing by raising.
- *features*: what libFuzzer counts of branches and comparisons in benchkit's code after the seeds, and at the end.
- *slowest*: of one input, thread CPU time; a full collection of garbage falls into it now and then.
- *growth*: peak resident size beyond that after the first inputs, the fuzzer's own tables and corpus included.

## Open findings

{listed or "None."}

## Found and fixed

{found}

A campaign again: `pip install atheris`, then `python tests/fuzz/campaign.py TARGET --inputs {WANTED} --seed 1`; it
goes on where it was stopped. `pytest tests/fuzz` runs the kept corpus and fresh mutations of it without atheris.
"""


def _row(each: dict[str, Any]) -> str:
    features = each["features"]
    first, last = (features[0][1], features[-1][1]) if features else (0, 0)
    return (
        f"| {each['target']} | {each['inputs']:,} | {each['taken'] / max(1, each['inputs']):.1%} | {each['cpu_s']:.0f} "
        f"| {each['per_cpu_s']:,} | {first}, {last} | {each['corpus']}, {each['kept']} | {each['slowest_ms']:.0f} ms "
        f"| {each['growth_mib']:.0f} MiB | {len(each['findings'])} |"
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
