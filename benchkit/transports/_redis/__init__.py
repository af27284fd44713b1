"""What the two Redis transports share: the scatter/gather client, its buffers, and the embedded broker.

redis-py connects, authenticates, wraps in TLS and greets (HELLO); its socket is then driven here, because its
packer joins what it sends and its parsers copy what they receive: several times the cost of the transfer.

::

    resp.py      commands and answers on a link (RESP2 and RESP3)
    connect.py   a URL to a connection; what went wrong, without the password
    valkey.py    the embedded broker
    place.py     where the ends meet: the keys of a cell, prepared and removed
    claims.py    layouts: the payload in the list or stream, or in a key of its own
    sender.py    the producer's end, the same for both
    worker.py    the stage worker's end, what both have in common
    plain.py     `client: plain`, ordinary redis-py; plain_worker.py its worker
    commands.py  what is sent, and the rights that a user needs for it

A user of one's own on a shared server needs no more than (`commands.rights()`, tested)::

    ACL SETUSER bench on >password resetkeys ~benchkit-* -@all +auth +blmove +blpop +client|id +client|kill
      +client|list +client|reply +del +exec +expire +get +hdel +hello +hget +hgetall +hkeys +hset +info +llen +lmove
      +lpop +lrem +lset +ltrim +multi +ping +rpush +set +type +unlink +xack +xadd +xautoclaim +xdel +xgroup|create
      +xlen +xrange +xreadgroup
"""
