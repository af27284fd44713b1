"""The protocol of the shared-memory transport: why it is right, in one place.

One file holds `depth` message slots, `depth` reply slots, a header of four words per slot, two queues and a
stack of slot numbers, one lock, and one sleep word per party::

    FREE -> WRITING -> READY -> HELD(worker) -> DONE(worker) -> FREE       the message word
     sender    sender    worker       ack            release
    NONE -> REPLIED -> TAKEN -> SEEN                                       the reply word
      worker   sender    sender

*Truth and index.* The two words of a slot are the truth, and every step is one store of one of them. The
lists (free, ready, replied) only index it. When a party dies inside the lock, the next one to take the lock
is told and rebuilds the queues from the words (`table.py`); so death between any two instructions leaves
either the state before a step or the state after it.

*Memory order.* All words are changed under the lock, and a payload is written before and read after a step
under it, whether it was copied or written into a lent slot. POSIX (XBD 4.12 of 2018, "Memory Synchronization")
lists pthread_mutex_trylock, _timedlock and _unlock among the functions that synchronise memory, on every
processor: what was stored before an unlock is seen after the next lock of that mutex. Where there are no
robust mutexes, flock takes and leaves a lock of the kernel's, which orders the same way. Reads outside the
lock are hints, confirmed under it; the interpreter's own stores have no order of their own and need none.
The one store outside (`ack`) changes a word that nobody else may change before its owner is dead, which the
kernel tells by a lock; it makes nothing readable, since its slot comes back under the lock, by `release`.

*Words.* A word is read and written by `memoryview.cast("Q")`, in CPython a memcpy of a constant eight bytes
to an aligned address: one load or store. It carries a generation, raised whenever the slot changes hands, so
a delivery whose slot has gone to another sees that.

*Loans.* A lent slot is a slot being written (WRITING), like the one that `send` copies into; what its owner
has not sent when it dies is free again for the next sender. Free slots are taken from the top of a stack: the
one freed last is in the caches still. What a slot held stays in it until it is written again.

*Sleep.* Who finds nothing says so under the lock (its sleep word), after looking once more; who brings
something looks at the sleep words under the same lock. So no wake-up is lost, and nobody pays a system call
for a party that is awake. Sleeps are bounded besides, because a party may be killed between being woken and
taking its message. Before it sleeps a party spins for its budget, but only while at least a quarter of its
last sixteen waits were short enough for that to catch their end (`party.py`).

*Replies.* Each message slot has its own reply slot, so a reply has its place from the moment its message was
sent: `reply` never waits, whatever the producer does. A slot whose reply was not looked at is not free; a
sender that runs out of slots takes such replies into its own memory instead of waiting for its caller to
read them.
"""
