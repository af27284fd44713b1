"""Stored baselines: figures of saved runs, and what a later run says against them.

::

    run.json of some runs --figures, noise, make--> the content of a baseline (records.baseline writes it)
    the content and a later run.json --scale, judge, compare--> rows: PASS, WARN, INCONCLUSIVE, FAIL

Nothing of a stored run stood next to anything of the new one, so what varies from run to run is in the difference:
24% (standard deviation, as far as anybody measured on a two-core virtual machine) against 1% between neighbours.
A baseline of runs that were spread over time learns it; otherwise it is assumed, and most answers are INCONCLUSIVE.
That is what a stored number can honestly say; `benchkit check --base REF` says more.
"""
