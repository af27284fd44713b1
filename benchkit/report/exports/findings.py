"""What speaks against a run or a candidate, as sentences: broken promises, invalid cells, regressions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from benchkit.report import promised
from benchkit.report.exports import Figures

Entry = Mapping[str, Any]
Level = Literal["error", "warning", "notice"]
RULES: Final[Mapping[str, str]] = {
    "promise-broken": "A promise of the scenario was not kept.",
    "promise-undecided": "A promise of the scenario could not be decided with what was measured.",
    "cell-invalid": "A cell's figures are not valid, and carry no verdict.",
    "failure": "Something that the run needed failed.",
    "regression": "The candidate is worse than what it is compared with, beyond what is allowed.",
    "slower": "The candidate is worse, and it is not sure that it is so beyond what is allowed.",
    "undecided": "What was measured does not decide whether the candidate is worse.",
    "missing": "A cell could be compared with nothing.",
    "improved": "The candidate is better.",
}
"""Every code, with what it means."""
_ROWS: Final[Mapping[str, tuple[str, Level]]] = {
    "FAIL": ("regression", "error"), "WARN": ("slower", "warning"), "INCONCLUSIVE": ("undecided", "warning"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is to be known."""

    level: Level
    code: str
    """One of RULES."""
    scenario: str
    file: str
    """The scenario's, where it is known."""
    cell: str
    what: str
    metric: str = ""
    remedy: str = ""


def findings(source: Figures) -> list[Finding]:
    """Of all runs and comparisons, the gravest first."""
    found: list[Finding] = []
    for at, run in enumerate(source.runs):
        found += _of_run(run, _file(source, at))
    for at, each in enumerate(source.comparisons):
        found += _of_comparison(each, _file(source, at))
    return sorted(found, key=lambda each: ("error", "warning", "notice").index(each.level))


def change(row: Entry) -> str:
    """`p50 +11.2% (+9.0% to +13.1%)` of a row of a comparison."""
    if row.get("change") is None:
        return str(row["metric"]) or "nothing compared"
    interval = row.get("interval")
    within = f" ({_end(interval[0])} to {_end(interval[1])})" if interval else ""
    return f"{row['metric']} {row['change']:+.1%}{within}"


def _end(value: float | None) -> str:
    return "unknown" if value is None else f"{value:+.1%}"


def _file(source: Figures, at: int) -> str:
    return source.files[at] if at < len(source.files) else ""


def _of_run(run: Entry, file: str) -> Iterator[Finding]:
    scenario = str(run["scenario"].get("name") or "run")
    for each in run["promises"]:
        if each["kept"] is True:
            continue
        level: Level = "error" if each["kept"] is False else "warning"
        code = "promise-broken" if each["kept"] is False else "promise-undecided"
        said = f"{promised.asked(each)}, measured {promised.quantity(each, 'value')}: {promised.said(each)}"
        yield Finding(level, code, scenario, file, each["cell"], said, each["name"])
    for cell in run["cells"]:
        if not cell["validity"]["valid"]:
            grave = [each for each in cell["validity"]["reasons"] if each.get("severity") != "note"]
            yield Finding("warning", "cell-invalid", scenario, file, cell["id"], *_reasons(grave))
    for each in run["failures"]:
        what = f"{each['party']}: {each['type']}: {each['what']}"
        yield Finding("error", "failure", scenario, file, "", what, "", each["remedy"])


def _reasons(reasons: Sequence[Entry]) -> tuple[str, str, str]:
    """What, no metric, remedy."""
    what = "; ".join(f"{each['code']}: {each['message']}" for each in reasons)
    remedies = dict.fromkeys(each["remedy"] for each in reasons if each["remedy"])
    return what or "no reason is given", "", "; ".join(remedies)


def _of_comparison(found: Entry, file: str) -> Iterator[Finding]:
    scenario = str(found["scenario"])
    for row in found["rows"]:
        what = change(row) + (f": {row['why']}" if row.get("why") else "")
        if row["verdict"] in _ROWS:
            code, level = _ROWS[row["verdict"]]
            yield Finding(level, code, scenario, file, row["cell"], what, row["metric"])
        elif row["improved"]:
            yield Finding("notice", "improved", scenario, file, row["cell"], what, row["metric"])
    level = "warning" if found.get("on_missing") == "ignore" else "error"
    for each in found.get("missing", ()):
        yield Finding(level, "missing", scenario, file, each["cell"], each["why"])
    if found["verdict"] == "INCONCLUSIVE":
        for reason in found["reasons"]:
            yield Finding("warning", "undecided", scenario, file, "", reason)
