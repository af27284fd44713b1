"""What holds for the whole suite."""

from __future__ import annotations

import signal

# A shell starts jobs in the background with the interrupt ignored, and so would every process started here.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
