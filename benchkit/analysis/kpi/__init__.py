"""Figures for a team over many runs: how often it measured, what passed, how fast things recover, what was caught.

`read` makes a small entry of each run.json, gate.json and check.json, `figures` puts entries together by release or
month. What each figure means is said in `figures.DEFINITIONS` and stands in every output.
"""
