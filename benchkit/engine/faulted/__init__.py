"""The fault lane: one cell under load while something goes wrong, and what became of each message.

The block runner's parties tell their columns at a block's end and take them along when they die. Here each party
writes down what it does as it does it, where it survives a SIGKILL. In order of flow::

    lane         a plan's cells and faults -> trials, one after the other, kept as they come
    trial        one trial: prepare, warm up, control band, fault, after, drain to quiescence, collect
    moments      when the fault comes: idle, mid-message, backlog, a second that was asked for, a seeded one
    scene        what a fault may do (benchkit.faults.base.Scene)
    supervisor   starts the parties, notices their deaths, starts them again
    nursery      a process that has everything loaded and forks the parties
    programs     what runs in a party: `producing` and `serving`, over the seams of transport, codec and stage
    board        what the supervisor tells the parties while they run: a few numbers in shared memory
    journal      what each of them did: events in a mapped file of its own
    collecting   journals -> operations, one row a message
"""
