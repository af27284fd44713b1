"""The gate: is the candidate slower than its base?

::

    --base REF --bases--> what it is --trees, environments--> two sides, each with its own files and interpreter
      --runs: `benchkit run` again and again, both sides shuffled in every block, fresh processes each
      --pairs: differences within blocks --statistics, looks--> rows: PASS, WARN, INCONCLUSIVE, FAIL
      --document--> gate.json, the terminal's table, the exit code

One difference is made of two runs that stood next to each other: on shared machines the level wanders by tens of
percent within minutes, and what is left between neighbours is about one percent.
"""
