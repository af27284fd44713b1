"""What the server counts of itself, in the words of records.run.BrokerCounts; its system account is told.

https://docs.nats.io/running-a-nats-service/configuration/sys_accounts
"""

from __future__ import annotations

from benchkit.errors import BrokerError
from benchkit.transports._nats.connect import connect
from benchkit.transports._nats.wire import Refused


def counts(url: str) -> dict[str, int]:
    """Bytes and messages in and out, and its memory; raises BrokerError. `url` is of the system account."""
    wire = connect(url)
    try:
        told = wire.ask("$SYS.REQ.SERVER.PING.STATSZ")["statsz"]
    except (Refused, KeyError) as error:
        raise BrokerError("the broker does not tell what it counts", where=wire.where) from error
    finally:
        wire.close()
    received, sent = told["received"], told["sent"]
    return {
        "received_bytes": int(received["bytes"]),
        "sent_bytes": int(sent["bytes"]),
        "commands": int(received["msgs"]),
        "memory_bytes": int(told["mem"]),
    }
