"""Assertions on measurements: what the pytest plug-in's `benchkit` fixture is made of.

::

    bench (run a scenario in a process of its own) --> result (cells with figures, validity honoured)
    benchmarks (the same figures among pytest-benchmark's)
"""
