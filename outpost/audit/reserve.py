"""Disk space kept aside, so that a full disk can still be written to and cleaned up (design §8)."""

import contextlib
import os
from pathlib import Path
from typing import Final

RESERVE_BYTES: Final = 4 << 20  # room for ~1,000 commits and for SQLite's own bookkeeping


class Reserve:
    """A preallocated file that is given back to the disk when the disk is full."""

    def __init__(self, path: Path, size_bytes: int = RESERVE_BYTES) -> None:
        self._path = path
        self._size_bytes = size_bytes

    def hold(self) -> None:
        """Allocate the space, or keep it if it is allocated already.

        Raises:
            OSError: If the disk has not that much room; nothing is kept then.
        """
        descriptor = os.open(self._path, os.O_CREAT | os.O_WRONLY, 0o600)
        try:
            status = os.fstat(descriptor)
            if status.st_blocks * 512 < self._size_bytes:  # stat(2): st_blocks counts 512-byte units
                os.posix_fallocate(descriptor, 0, self._size_bytes)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(descriptor, 0)  # a failed allocation may have taken a part
            raise
        finally:
            os.close(descriptor)

    def release(self) -> None:
        """Give the space back. Cannot fail in a way that matters: then there is just no more room."""
        with contextlib.suppress(OSError):
            os.truncate(self._path, 0)
