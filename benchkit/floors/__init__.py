"""`benchkit floors`: how near each transport is to the floor beneath it, and what people write first to it.

::

    bars.py        what must be reached, as data
    plan.py        who is measured: floors, the transports that are installed, recipes; and how long it takes
    measure.py     short blocks in seeded random order, round after round
    ratios.py      pure arithmetic: ratios paired by round, with intervals
    document.py    what `--json` prints
    table.py       what a terminal shows

It is a report and no gate: it ends with exit code 0 whether or not a bar is met.
"""
