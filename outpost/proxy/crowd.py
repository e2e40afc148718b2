"""How many clients and requests there are at once, for limits that hold for the whole outpost.

One process counts for itself; several count together (``outpost/workers/slots.py``).
"""

from typing import Protocol


class Crowd(Protocol):
    """Counts clients and requests, here and in the other processes of this outpost."""

    def connected(self, change: int) -> int:
        """A client has come (1) or gone (-1); how many there are now."""

    def enter(self) -> int:
        """One more request is being served; how many there are now, this one included."""

    def leave(self) -> None:
        """One less."""


class Alone:
    """The crowd of a single process."""

    def __init__(self) -> None:
        self._connections = 0
        self._in_flight = 0

    def connected(self, change: int) -> int:
        """As ``Crowd``."""
        self._connections += change
        return self._connections

    def enter(self) -> int:
        """As ``Crowd``."""
        self._in_flight += 1
        return self._in_flight

    def leave(self) -> None:
        """As ``Crowd``."""
        self._in_flight -= 1
