"""What each codec costs: bytes on the wire, time to encode and decode, and what is left of the picture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from benchkit.report.text import text
from benchkit.units import show_bytes, show_us
from benchkit.words import say

if TYPE_CHECKING:
    from rich.table import Table

Entry = Mapping[str, Any]
COLUMNS: Final = ("codec", "on the wire", "encode", "decode", "what arrives")


def fidelity(entry: Entry) -> str:
    """`exact`, or `lossy, PSNR 38.2 dB (worst 37.9 dB)`."""
    if not entry["lossy"]:
        return say("exact")
    if "psnr_db" not in entry:  # a run of an earlier version
        return say("lossy")
    psnr = entry["psnr_db"]
    if psnr is None:
        return say("lossy, nothing changed in these messages")
    mean, worst = f"{psnr['mean']:.1f} dB", f"{psnr['worst']:.1f} dB"
    return say("lossy, PSNR {mean}", mean=mean) + (
        say(" (worst {worst})", worst=worst) if worst != mean else ""
    )


def on_the_wire(entry: Entry) -> str:
    """`8.3 MB, 1.33x`: bytes of a message, envelope included, and how many times its tensors' bytes."""
    wire, payload = entry["wire_bytes"], entry["payload_bytes"]
    return show_bytes(wire) + (f", {wire / payload:.2f}x" if payload else "")


def codec_rows(cells: Sequence[Entry]) -> list[tuple[str, ...]]:
    """For COLUMNS, one row for each codec of a group with its options; times are medians over its cells.

    Empty where there is nothing to compare and nothing is lost.
    """
    together: dict[str, list[Entry]] = {}
    for cell in cells:
        if cell["latency_us"]["count"]:
            together.setdefault(_label(cell), []).append(cell)
    if len(together) < 2 and not any(cell["lossy"] for found in together.values() for cell in found):
        return []
    return [
        (label, on_the_wire(found[0]), _time(found, "encode"), _time(found, "decode"), fidelity(found[0]))
        for label, found in together.items()
    ]


def _label(cell: Entry) -> str:
    options = dict(cell["parameters"].get("codec") or {})
    options.pop("kind", None)
    return " ".join([str(cell["codec"]), *(f"{name}={value}" for name, value in options.items())])


def _time(cells: Sequence[Entry], phase: str) -> str:
    medians = [p50 for cell in cells if (p50 := cell["phases_us"][phase]["p50"]) is not None]
    return show_us(median(medians)) if medians else "-"


def codec_table(cells: Sequence[Entry]) -> Iterator[Table]:
    """The rows as a table for a terminal; nothing where there are none."""
    from rich import box
    from rich.table import Table

    if rows := codec_rows(cells):
        table = Table(
            box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), expand=False, show_edge=False
        )
        for name in COLUMNS:
            times = name in ("on the wire", "encode", "decode")
            table.add_column(name, justify="right" if times else "left", overflow="fold", no_wrap=times)
        for row in rows:
            table.add_row(*map(text, row))
        yield table
