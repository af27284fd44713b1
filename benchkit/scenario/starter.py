"""A commented scenario to start from."""

from __future__ import annotations

from pathlib import Path

from benchkit.errors import StorageError, UsageError

TEXT = """\
# A benchkit scenario. Try it with: benchkit run THIS-FILE --dry-run
# Any value may be a list: the list is swept, and every combination is one cell of the table.
# `benchkit list` shows what may be named here, `benchkit schema` what an editor needs to complete it.

name: my-scenario             # small letters, digits and -; names the run directory
description: What I want to know.
seed: 1                       # all randomness is derived from it

# Where messages come from. `source: camera` alone would take the defaults.
source: {kind: camera, size: 640x360}

# How tensors become bytes, and the ways to move them.
codec: raw
transport: [http, redis-list, shm]

# What happens to each message: `null` does nothing and shows the cost of moving alone.
stage: "null"

# When messages are due. Open loop: constant, poisson, gamma (cv), mmpp (bursts), ramp, trace (recorded timestamps).
# Closed loop: {arrival: closed, in_flight: 4}
# Searched: {find: capacity, slo: {p99: 100ms, loss: 0}}, {find: backlog, messages: 8}
load: {arrival: constant, rate: 20/s}

workers: 1                    # processes that run the stage
producers: 1                  # processes that send; they share one schedule
batch: {size: 1, delay: 0ms}  # most messages run together, longest wait for them
replies: true                 # send the stage's output back

# What the producer does when messages cannot be sent at once: block, drop-oldest, drop-newest, latest-only; and limits
# (rate, credits, deadline), time-outs and second tries: {policy: latest-only, deadline: 200ms}
flow: block

# Each cell is measured `rounds` times, in shuffled order.
blocks: {rounds: 3, duration: 1s, warmup: 200ms, drain: 2s}

# Promises that the run is held to; a broken one makes the exit code 1.
# A percentile needs its sample: 7 messages for p50, 44 for p90, 459 for p99, 4603 for p999.
# slo: {p90: 100ms, loss: 0}

# What a change would buy: predicted, tried by slowing phases, and with `confirm` really made (`--what-if --confirm`).
# what_if: {phases: [encode, compute], confirm: true, workers: [2], longest: 2min}

# How much slower than another build is still the same, for `benchkit check --base REF`.
# gate: {p50: 3%, p99: 10%, throughput: 3%, blocks: 20, cells: [{transport: http, p50: 5%}]}

# What is told at once: a dead party, a stalled queue, a growing backlog, loss, a promise that burns its budget.
# alerts: default
# alerts: {heartbeat: 1s, rules: [default, {rule: frame-age, above: 500ms}], sinks: [terminal]}

# Combinations to leave out, and further groups, each laid over the sections above.
# exclude:
#   - {transport: http, codec: json-base64}
# include:
#   - {source: {size: 1920x1080}, load: {rate: 15/s}}
"""


def write(path: Path) -> None:
    """Create `path` and its folder; UsageError where it exists, StorageError where it cannot be."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(TEXT)
    except FileExistsError:
        raise UsageError("the file exists", where=str(path), remedy="choose another name") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "not a path"
        raise StorageError(
            f"cannot be written: {reason}", where=str(path), remedy="choose another folder"
        ) from None
