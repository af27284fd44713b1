"""A run whose every text wants to be something else: markup, script, a link, a page long."""

from __future__ import annotations

from dataclasses import replace

from synthetic import a_cell, a_run

from benchkit.records.run import Failure, Run

SCRIPT = "<script>alert(1)</script>"
IMAGE = '"><img src=x onerror=alert(1)>'
TURNED = "\u202egnp.exe\u2066\u200f right to left \u2069"
LONG = "W" * 10_000
CONTROL = "\x1b[31mred\x07\x00\r\nnext line\tend"
MARKDOWN = (
    "`code` | [a link](javascript:alert(1)) ![x](https://evil.example/x.png) https://evil.example"
    " <b>@somebody</b> $x^2$"
)
TEMPLATE = "{{ 7 * 7 }}{% raw %}"
TEXTS = (SCRIPT, IMAGE, TURNED, LONG, CONTROL, MARKDOWN, TEMPLATE)


def hostile_run() -> Run:
    cells = [
        a_cell(
            f"{text}/raw/{SCRIPT}{IMAGE}|`{LONG}",
            transport=text,
            group=f"{SCRIPT}{IMAGE}|`{MARKDOWN}{LONG}",
            path=text,
            source=text,
            load=text,
            durability=text,
            parameters={text: {text: text}},
            stage_facts={text: [text]},
        )
        for text in TEXTS
    ]
    cells.append(a_cell(f"skipped/raw/{IMAGE}", skipped=f"{SCRIPT}{LONG}", skipped_remedy=IMAGE + MARKDOWN))
    run = a_run(cells[:-1])
    run.cells.append(cells[-1])
    run.scenario = {"name": SCRIPT + IMAGE + TURNED + LONG, "description": IMAGE + MARKDOWN, IMAGE: [*TEXTS]}
    run.environment = {"cpu": SCRIPT, IMAGE: TEXTS, "warnings": list(TEXTS), "cores": 8}
    run.placement = {text: text for text in TEXTS}
    traceback = f"{CONTROL}\n" * 50 + "```\n</pre>" + SCRIPT
    failure = Failure("stage-0", IMAGE, SCRIPT + MARKDOWN + LONG, TURNED, traceback, 2)
    run.failures = [failure, replace(failure, what=LONG)]
    run.blocks[0] = replace(run.blocks[0], failures=(failure,))
    run.slo = {"p50": 0.002, "p99": 0.01, "loss": 0.001}
    return run
