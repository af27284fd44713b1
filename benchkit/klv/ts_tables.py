"""What libavformat does not say about KLV in a transport stream, said afterwards, packet by packet as it is written.

libavformat 62 writes every KLV stream with stream type 0x06 and the registration "KLVA", as asynchronous KLV has it,
but its PES packets as synchronous KLV has them: stream id 0xFC (metadata), with a time stamp. PyAV offers no way to
tell it which of both is meant (`codecpar.profile`). So for synchronous KLV the program map table is retold with stream
type 0x15 and the metadata descriptors, and for asynchronous KLV the PES packets get stream id 0xBD (private stream 1)
and lose their time stamp. Sources: ISO/IEC 13818-1 (2.4.3.6, 2.4.4.9, 2.6.58 to 2.6.63), MISB ST 1402.
"""

from __future__ import annotations

from typing import BinaryIO, Final

PACKET_BYTES: Final = 188
_HEADER_BYTES: Final = 4
_CRC_BYTES: Final = 4
_SECTION_START: Final = 0x40
_ADAPTATION: Final = 0x20

_REGISTRATION: Final = b"\x05\x04KLVA"
_METADATA: Final = b"\x26\x09" + b"\x01\x00" + b"\xffKLVA" + b"\x00" + b"\x0f"
"""metadata_descriptor: application format 0x0100 (ST 1402), format KLVA, service 0, nothing more to configure."""
_METADATA_STD: Final = b"\x27\x09" + b"\xc0\x00\x00" * 3
"""metadata_STD_descriptor: leak rates and buffer size not told."""
_ASYNCHRONOUS, _SYNCHRONOUS = 0x06, 0x15
_PRIVATE_STREAM_1: Final = 0xBD


class Retold:
    """A file for libavformat to write to: what it writes is put right for KLV and handed on to `file`."""

    def __init__(self, file: BinaryIO, *, synchronous: bool) -> None:
        self._write = file.write
        self._synchronous = synchronous
        self._rest = b""
        self._tables_pid = self._klv_pid = -1

    def write(self, data: bytes) -> int:
        """Whole packets are handed on, the rest waits for more."""
        buffer = bytearray(self._rest + bytes(data))
        whole = len(buffer) - len(buffer) % PACKET_BYTES
        for at in range(0, whole, PACKET_BYTES):
            if buffer[at + 1] & _SECTION_START:
                self._started(memoryview(buffer)[at : at + PACKET_BYTES])
        self._write(bytes(buffer[:whole]))
        self._rest = bytes(buffer[whole:])
        return len(data)

    def _started(self, packet: memoryview) -> None:
        """Puts a packet right, in place, in which a table or a PES packet starts."""
        pid = (packet[1] & 0x1F) << 8 | packet[2]
        if pid == 0:
            section = packet[_HEADER_BYTES + 1 :]
            self._tables_pid = (section[10] & 0x1F) << 8 | section[11]
        elif pid == self._tables_pid:
            told = self._retold(bytes(packet[_HEADER_BYTES + 1 :]))
            packet[_HEADER_BYTES + 1 :] = told.ljust(PACKET_BYTES - _HEADER_BYTES - 1, b"\xff")
        elif pid == self._klv_pid and not self._synchronous:
            start = _HEADER_BYTES + (1 + packet[_HEADER_BYTES] if packet[3] & _ADAPTATION else 0)
            packet[start + 3] = _PRIVATE_STREAM_1
            packet[start + 7] &= 0x3F  # neither PTS nor DTS
            header_bytes = packet[start + 8]
            packet[start + 9 : start + 9 + header_bytes] = b"\xff" * header_bytes  # stuffing in their place

    def _retold(self, section: bytes) -> bytes:
        """The program map table with the KLV stream as it is; nothing of it is left out."""
        end = 3 + ((section[1] & 0x0F) << 8 | section[2]) - _CRC_BYTES
        at = 12 + ((section[10] & 0x0F) << 8 | section[11])
        streams = []
        while at < end:
            kind, pid, size = (
                section[at],
                section[at + 1 : at + 3],
                (section[at + 3] & 0x0F) << 8 | section[at + 4],
            )
            told = section[at + 5 : at + 5 + size]
            if kind == _ASYNCHRONOUS and _REGISTRATION in told:
                self._klv_pid = (pid[0] & 0x1F) << 8 | pid[1]
                if self._synchronous:
                    kind, told = _SYNCHRONOUS, told + _METADATA + _METADATA_STD
            streams.append(bytes((kind,)) + pid + (0xF000 | len(told)).to_bytes(2, "big") + told)
            at += 5 + size
        head = section[: 12 + ((section[10] & 0x0F) << 8 | section[11])]
        body = head[3:] + b"".join(streams)
        table = head[:1] + (0xB000 | len(body) + _CRC_BYTES).to_bytes(2, "big") + body
        return table + crc32(table).to_bytes(_CRC_BYTES, "big")


def crc32(data: bytes) -> int:
    """CRC-32/MPEG-2, which zlib's is the mirror image of (ISO/IEC 13818-1, annex A)."""
    crc = 0xFFFFFFFF
    for octet in data:
        crc ^= octet << 24
        for _ in range(8):
            crc = (crc << 1 ^ 0x04C11DB7 if crc & 0x80000000 else crc << 1) & 0xFFFFFFFF
    return crc
