"""How a message is cut into fragments and these into groups, as arithmetic.

Fragment i belongs to group i mod groups, so that what is sent one after the other lies in different groups: a burst
that takes no more fragments in a row than there are groups takes one of each at the most. The parity fragments
follow the data and go on in that order.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from benchkit.errors import MessageError


@dataclass(frozen=True, slots=True)
class Cut:
    """A message of `total` bytes in fragments of `size`; raises MessageError where there is no such cut."""

    total: int
    size: int
    group: int = 0
    """Data fragments of a group at the most."""
    parity: int = 0
    """Parity fragments of a group; 0: there are no groups."""
    count: int = field(init=False)
    """Data fragments."""
    groups: int = field(init=False)
    end: int = field(init=False)
    """All fragments, parity included."""

    def __post_init__(self) -> None:
        total, size, group, parity = self.total, self.size, self.group, self.parity
        if size < 8 or size % 8 or (parity and not group):
            raise MessageError(
                f"no message is cut into fragments of {size} bytes, groups of {group} and {parity}"
            )
        count = -(-total // size) or 1
        groups = -(-count // group) if parity else 0
        if parity > 1 and -(-count // groups) + parity > 256:
            raise MessageError(f"no group of Reed-Solomon has {group} fragments and {parity} of parity")
        object.__setattr__(self, "count", count)
        object.__setattr__(self, "groups", groups)
        object.__setattr__(self, "end", count + groups * parity)

    def length(self, index: int) -> int:
        """Bytes of fragment `index`, 0 to end-1: all are full but the last of the data."""
        return self.total - index * self.size if index == self.count - 1 else self.size

    def group_of(self, index: int) -> int:
        """The group of a fragment, 0 to groups-1; where there are any."""
        return index % self.groups

    def members(self, group: int) -> range:
        """Its data fragments."""
        return range(group, self.count, self.groups)
