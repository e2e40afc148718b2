"""Buries processes that nobody waits for: what a killed worker had started becomes a child of a container's first.

Those that somebody waits for are waited for within milliseconds of their end; only what is still there at the next
look, seconds later, is an orphan.
"""

import os
from pathlib import Path


class Orphans:
    """Remembers who was dead at the last look."""

    def __init__(self, processes: Path = Path("/proc")) -> None:
        self._processes = processes
        self._dead: frozenset[int] = frozenset()

    def bury(self) -> int:
        """Wait for children that were dead at the last look already; how many. Call it every few seconds."""
        dead = frozenset(self._look())
        buried = 0
        for pid in dead & self._dead:
            try:
                os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                continue
            buried += 1
        self._dead = dead
        return buried

    def _look(self) -> list[int]:
        found = []
        for entry in self._processes.iterdir():
            if not entry.name.isdigit():
                continue
            try:
                # proc(5): the name is in parentheses and may hold any sign; state and parent follow.
                state, parent = (entry / "stat").read_bytes().rpartition(b")")[2].split()[:2]
            except (OSError, ValueError):
                continue  # gone meanwhile
            if state == b"Z" and int(parent) == os.getpid():
                found.append(int(entry.name))
        return found
