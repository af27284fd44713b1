"""The processes that make it happen: runner, producer, stage workers, and how they talk.

::

    the runner's side
      runner.py      the whole run: make ready, interleave blocks, keep what was measured
      ready.py       a cell that can be measured: messages made, replies foreseen, transport up
      block.py       one block: receivers open, sender opens, measure, drain, close
      fan_in.py      several producers: one schedule, one start, one result
      underway.py    where a block stands, its parties and their commands; leaving.py what it leaves behind
      join.py        columns of all parties -> samples and counters
      crew.py        starts the parties, talks to them, notices when one dies
      linking.py     the link of a block, between what carries and those whose link it is
      placement.py   which core each party gets
      profiling.py   a cell's block under the profilers
      floors.py      what the machine can do at best; doctor.py what would spoil a measurement
    between them
      channel.py     length-prefixed msgpack over a socket
      task.py        one block, as plain data
    a party's side
      host.py        the process: commands in, events out; work.py one command under way
      handlers.py    prepare, foresee, produce, serve
      specs.py       what a cell's arrays are called and shaped
      feed.py        messages made ahead of their time
      producer.py    due -> taken -> encoded -> sent ... returned; pacing.py how it waits
      worker.py      asked -> received -> decoded -> started -> finished -> replied
      oracle.py      what every reply must be: the stage run locally
      usage.py       CPU time and memory by the kernel's accounts
      profile.py     its part of a block under pyinstrument; profile_phases.py, profile_frames.py and
                     profile_pages.py what samples mean, what they are called, and their files
"""
