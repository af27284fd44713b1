"""The tool checked against truth: pipelines with a planted bottleneck, and how often the verdict finds it.

::

    kinds (what is planted, where, what the verdict must say)
      -> recipes (one pipeline: transport, codec, stage, load, fills)   parts/: plug-ins that plant
      -> a healthy block of each recipe is measured -> sizing: how much to plant for the share that is claimed
      -> trials, measured and analysed like any scenario's cells        trials.jsonl: one line each, resumable
      -> bars: counted by kind

Every pipeline is built from benchkit's own transports, codecs, stages and loads. What is planted is real work of
the part that is to blame (the codec runs again and again, the client copies, the collector collects), until it
has used as much CPU time as was asked; the other phases are filled up with plain spinning and waiting so that none of
them comes near. Where other programs take the cores a message takes longer than was planted: such a trial is known by
that, and is repeated.
"""
