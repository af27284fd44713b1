"""MISB ST 0601 KLV: telemetry that travels beside video, packed, parsed, carried and aligned with its frames.

::

    from benchkit.klv import TAGS, pack, parse

    data = pack({2: time_us, 13: latitude_deg, 14: longitude_deg, 65: 17})   # bytes, with checksum
    packet = parse(data)                # strict: KlvError (a MessageError) with the position of what is wrong
    packet.time_us                      # tag 2, microseconds since 1970, None without one
    packet.value(13)                    # in the units of TAGS[13]; None absent, NaN out of range, bytes unknown
    packet.pack() == data               # byte for byte, whatever form of lengths the encoder chose
    packet.replaced({13: 37.5})         # other values for some tags, all else untouched

`packet` parses and packs, `tags` is the table of the standard, `encodings` and `ber` are how values and lengths are
written, `checksum` is item 1, `ts` carries packets in an MPEG transport stream beside video, `skew` aligns packets
with frames. The codec `klv` (benchkit.tensors.codecs.klv) carries a packet as a message's metadata.
"""

from benchkit.errors import KlvError
from benchkit.klv.checksum import checksum
from benchkit.klv.encodings import Value
from benchkit.klv.packet import UNIVERSAL_LABEL, Item, Packet, pack, parse, split
from benchkit.klv.tags import CHECKSUM, PRECISION_TIME_STAMP, TAGS, VERSION, Tag, tag_name

__all__ = [
    "CHECKSUM", "PRECISION_TIME_STAMP", "TAGS", "UNIVERSAL_LABEL", "VERSION", "Item", "KlvError", "Packet", "Tag",
    "Value", "checksum", "pack", "parse", "split", "tag_name",
]  # fmt: skip
