"""What workers know of one another without asking: how many connections and requests each holds, in shared memory.

Each worker writes its own slot only, and counts itself before it looks at the sum: a limit over all of them may be
reached a request early when two come at the same moment, and is never exceeded. The parent clears the slot of a worker
that has ended. ``OwnSlot`` is a ``outpost.proxy.crowd.Crowd``.
"""

import mmap
import os
import struct
from typing import Final

_SLOT: Final = struct.Struct("=III")
"""1 if it takes clients, connections, requests in flight."""


class Slots:
    """A page that all processes of an outpost share."""

    def __init__(self, memory: int, count: int) -> None:
        """``memory`` is the file descriptor of ``make_memory(count)``; it may be closed afterwards."""
        self._count = count
        self._map = mmap.mmap(memory, count * _SLOT.size)

    def clear(self, index: int) -> None:
        """The worker in this slot is gone."""
        self.write(index, accepts=False, connections=0, in_flight=0)

    def write(self, index: int, *, accepts: bool, connections: int, in_flight: int) -> None:
        """For the worker in this slot only."""
        _SLOT.pack_into(self._map, index * _SLOT.size, accepts, connections, in_flight)

    def connections(self) -> int:
        """Clients that all workers together hold."""
        return sum(slot[1] for slot in self._read())

    def in_flight(self) -> int:
        """Requests that all workers together are serving."""
        return sum(slot[2] for slot in self._read())

    def least(self) -> int:
        """Clients of the least busy worker that takes more."""
        return min((slot[1] for slot in self._read() if slot[0]), default=0)

    def _read(self) -> list[tuple[int, int, int]]:
        return [*_SLOT.iter_unpack(self._map[: self._count * _SLOT.size])]


class OwnSlot:
    """One worker's place among the others."""

    def __init__(self, slots: Slots, index: int) -> None:
        self._slots = slots
        self._index = index
        self._accepts = False
        self._connections = 0
        self._in_flight = 0
        self._write()

    def accepts(self, now: bool) -> None:  # noqa: FBT001 - one meaning
        """Whether it takes clients: only then do the others wait for it."""
        self._accepts = now
        self._write()

    @property
    def leads(self) -> bool:
        """Whether this worker holds more clients than the least busy one."""
        return self._connections > self._slots.least()

    def connected(self, change: int) -> int:
        """A client has come (1) or gone (-1); how many all workers hold now."""
        self._connections += change
        self._write()
        return self._slots.connections()

    def enter(self) -> int:
        """Count one more request here; how many all workers serve now, this one included."""
        self._in_flight += 1
        self._write()
        return self._slots.in_flight()

    def leave(self) -> None:
        """One less."""
        self._in_flight -= 1
        self._write()

    def _write(self) -> None:
        self._slots.write(self._index, accepts=self._accepts, connections=self._connections, in_flight=self._in_flight)


def make_memory(count: int) -> int:
    """A file descriptor of memory for ``count`` slots, all zero; it belongs to the caller."""
    memory = os.memfd_create("outpost-workers", os.MFD_CLOEXEC)
    os.ftruncate(memory, count * _SLOT.size)
    return memory
