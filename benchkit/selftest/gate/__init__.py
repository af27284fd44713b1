"""The gate checked against truth: builds that are alike, and builds that were made slower by a known amount.

::

    trials (real gates: fresh processes, real transports; the slow build's stage spins longer)   trials.jsonl
      -> rates: how often FAIL was said, ours beside rules that others use on the very same runs
      -> simulation: thousands of gates over blocks resampled from the recorded ones

Beside the trials marked `hogs`, other processes take every core in bursts.
"""
