"""Traffic control as arithmetic: what waits, what is dropped, when something may be sent, and what is tried again.

Nothing here reads a clock or sends anything: moments come as arguments, in nanoseconds of whatever clock the caller
has, and what is random comes from a seed. `benchkit.engine.flowing` is where it meets a transport.
"""
