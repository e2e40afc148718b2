"""Has a file read by a child process, few at a time, each for a bounded time; whatever goes wrong, it is not read.

A file that cannot be read is a finding of kind ``unscannable.file``: the policy decides. Only the lack of a child is
a refusal of its own.
"""

import asyncio
import json
import sys
from dataclasses import dataclass
from typing import Final

from outpost.documents.kinds import FILE
from outpost.errors import CouldNotInspect
from outpost.protocol.codes import ErrorCode

TIMEOUT_S: Final = 30.0  # above the child's own limit of processor time, for a machine that is busy
MAX_CHILDREN: Final = 2  # each may take a processor and a gigabyte
MAX_WAITING: Final = 32
_COMMAND: Final = (sys.executable, "-I", "-m", "outpost.documents.child")


@dataclass(frozen=True, slots=True)
class DocumentText:
    """What was read of one file: its texts, and the kinds (``unscannable.*``) of what in it is no text."""

    texts: tuple[str, ...]
    unread: tuple[str, ...]


class DocumentReader:
    """Reads files; made once by the app."""

    def __init__(
        self, command: tuple[str, ...] = _COMMAND, timeout_s: float = TIMEOUT_S, children: int = MAX_CHILDREN
    ) -> None:
        """``command`` is the child; tests give others. ``children`` run at once at most."""
        self._command = command
        self._timeout_s = timeout_s
        self._children = asyncio.Semaphore(children)
        self._waiting = 0

    async def read(self, data: bytes) -> DocumentText:
        """The texts of a file.

        Raises:
            CouldNotInspect: ``inspection_unavailable``: too many files wait, or no child can be started.
        """
        if self._waiting >= MAX_WAITING:
            raise CouldNotInspect(ErrorCode.INSPECTION_UNAVAILABLE, "too many documents wait to be read")
        self._waiting += 1
        try:
            async with self._children:
                return await self._run(data)
        finally:
            self._waiting -= 1

    async def _run(self, data: bytes) -> DocumentText:
        pipe = asyncio.subprocess.PIPE
        try:
            child = await asyncio.create_subprocess_exec(
                *self._command, stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.DEVNULL, env={}
            )
        except OSError as err:
            message = "no process can be started to read a document"
            raise CouldNotInspect(ErrorCode.INSPECTION_UNAVAILABLE, message) from err
        try:
            async with asyncio.timeout(self._timeout_s):
                out, _ = await child.communicate(data)
        except (TimeoutError, OSError):
            return _UNREAD
        finally:
            if child.returncode is None:
                child.kill()
                await child.wait()
        return _result(out) if child.returncode == 0 else _UNREAD


_UNREAD: Final = DocumentText((), (FILE,))


def _result(out: bytes) -> DocumentText:
    try:
        result = json.loads(out)
        return DocumentText(tuple(map(str, result["texts"])), tuple(map(str, result["unread"])))
    except (ValueError, KeyError, TypeError):
        return _UNREAD
