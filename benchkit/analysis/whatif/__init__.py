"""What a change would buy: predicted from service demands, tried by slowing phases, confirmed by making it.

Everything is made of `Run.trials` and the cell's own figures; nothing here measures. `run.json` holds for each cell
with trials, under `what_if` (None without them; microseconds and messages per second throughout)::

    {"now": {"capacity_per_s": 41.0, "capacity_ci95": [40.1, 41.8] | None, "blocks": 6, "in_flight": 4,
             "limited_by": "stage", "explained": 0.97, "p50_us": 26100.0 | None,
             "resources": [{"name": "stage", "demand_us": 23700.0, "servers": 1, "saturates_per_s": 42.2,
                            "utilisation": 0.97}]} | None,
     "predictions": [
       {"kind": "phase" | "transport" | "codec" | "workers" | "batch",
        "name": "compute" | "shm" | "msgpack" | "2" | "8",     phase halved, or what it is changed to
        "from": "" | "redis-list" | "raw" | "1" | "1",
        "change": "compute/2" | "transport=shm",               the key that `confirmed` repeats
        "words": "compute twice as fast" | "transport shm instead of redis-list",
        "capacity_per_s": {"now": 41.0, "predicted": 78.0 | None, "limited_by": "stage", "why_not": ""},
        "latency_us": {"now": 26100.0 | None, "predicted": 14200.0 | None, "why_not": "overloaded ..."},   of p50
        "source": "demands of this cell", "assumption": ""}],
     "sensitivity": [
       {"phase": "compute", "mean_us": 20100.0, "added_us": [0.0, 1005.0, 2010.0, 4020.0], "rounds": 6,
        "throughput": {"slope": 0.93, "ci95": [0.9, 0.96], "per_added": 1.01, "per_added_ci95": [0.98, 1.04]} | None,
        "latency": {"slope": 1.3, "ci95": [1.1, 1.5], "p50_slope": 1.1, "p50_ci95": [1.0, 1.2]} | None,
        "words": "on the critical path: ..."}],
     "confirmed": [
       {"change": "transport=shm", "words": "transport shm instead of redis-list", "rounds": 6,
        "capacity_per_s": {"now": 41.0, "predicted": 44.0 | None, "measured": 43.0, "ci95": [42.0, 45.0] | None,
                           "inside": True | None} | None,
        "latency_us": {the same of p50} | None, "failed": ""}],
     "disturbed": 3,                    trials left out: upset by the machine, or too few messages
     "left_out": ["reply: 12 us, too short to be slowed by 5%"]}

`throughput.slope` is the share of throughput lost per share by which the phase is slowed (0: off the critical path;
in a closed loop of depth 1 it is the phase's share of the time per message). `per_added` is the growth of the time
per message per time added to the phase (1: every added microsecond is paid, 0: none). `latency.slope` is the growth
of the mean latency per time added: above 1 the phase also creates queueing. `inside` is None where there is no
prediction or no interval. `explained` is the measured capacity over the one that the demands alone would give.
"""
