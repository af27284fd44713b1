"""The processes that make it happen: runner, producer, stage workers, and how they talk.

::

    runner.py    the whole run: prepare, interleave blocks, save what was measured
    block.py     one block: receivers open, sender opens, measure, drain, close, join
    crew.py      starts the parties, talks to them, notices when one dies
    host.py      a party's process: commands in, events out
    producer.py  due -> taken -> encoded -> sent ... returned
    worker.py    asked -> received -> decoded -> started -> finished -> replied
    oracle.py    what every reply must be: the stage run locally
    feed.py      messages made ahead of their time
    join.py      columns of all parties -> samples and counters
"""
