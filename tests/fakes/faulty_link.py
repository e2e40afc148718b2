"""A TCP link that breaks as told, between a real client and a real server: bytes pass or fail, nothing is decrypted.

Deterministic: a fault counts bytes from the server of one connection, or connections, never draws or timings. Which
``Fault`` is in force when a connection is accepted counts for the whole of it; ``cut`` ends those that are open.
"""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum

_CHUNK_BYTES = 16_384
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER of no seconds: closing sends a reset


class Fault(StrEnum):
    """What becomes of a new connection."""

    NONE = "none"
    REFUSE = "refuse"
    """Reset as soon as it is accepted."""
    BLACK_HOLE = "black hole"
    """Accepted, and nothing ever passes."""
    SILENCE = "silence"
    """Requests arrive, answers do not: what was asked for happened, and nobody hears of it."""
    CUT = "cut"
    """Closed in the middle of the server's bytes, cleanly as far as TCP can tell."""
    RESET = "reset"
    """The same with a reset."""
    HALF_CLOSE = "half close"
    """The server's side ends in the middle; the client may go on talking."""
    TRICKLE = "trickle"
    """From the middle of the server's bytes on, one byte at a time."""
    DELAY = "delay"
    """Every chunk of the server's comes a little later, whole and in order: nothing may fail of it."""


@dataclass
class FaultyLink:
    """``port`` leads to ``target``.

    The next ``spare`` connections are served well; of each after them ``after_bytes`` of the server's pass before the
    fault. ``passed`` is how many of its bytes ever did.
    """

    target: tuple[str, int]
    fault: Fault = Fault.NONE
    after_bytes: int = 0
    spare: int = 0
    trickle_s: float = 0.2
    delay_s: float = 0.05
    port: int = 0
    passed: int = 0
    _open: set[asyncio.Task[None]] = field(default_factory=set)

    def cut(self) -> None:
        """End every connection that is open."""
        for task in self._open:
            task.cancel()

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, to its end."""
        fault = Fault.NONE if self.spare else self.fault
        self.spare = max(self.spare - 1, 0)
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            with suppress(OSError, asyncio.CancelledError):
                await self._carry(fault, reader, writer)
        finally:
            self._open.discard(task)
            writer.transport.abort()

    async def _carry(self, fault: Fault, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if fault is Fault.REFUSE:
            _reset(writer)
            return
        if fault is Fault.BLACK_HOLE:
            await asyncio.Event().wait()
        there, back = await asyncio.open_connection(*self.target)
        up = asyncio.ensure_future(_pass_on(reader, back))
        try:
            await self._answer(fault, there, writer)
            if fault in {Fault.SILENCE, Fault.HALF_CLOSE}:
                await up  # until the client has had enough
        finally:
            up.cancel()
            back.transport.abort()

    async def _answer(self, fault: Fault, there: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        passed = 0
        whole = fault in {Fault.NONE, Fault.DELAY}
        while chunk := await there.read(_CHUNK_BYTES):
            if fault is Fault.DELAY:
                await asyncio.sleep(self.delay_s)
            keep = chunk if whole else chunk[: max(self.after_bytes - passed, 0)]
            passed += len(chunk)
            self.passed += len(keep)
            writer.write(keep)
            await writer.drain()
            if whole or len(keep) == len(chunk):
                continue
            if fault in {Fault.CUT, Fault.RESET, Fault.HALF_CLOSE}:
                _break(fault, writer)
                return
            if fault is Fault.TRICKLE:
                for byte in chunk[len(keep) :]:
                    await asyncio.sleep(self.trickle_s)
                    writer.write(bytes([byte]))
                    await writer.drain()
            # SILENCE: read on and say nothing.


def _break(fault: Fault, writer: asyncio.StreamWriter) -> None:
    if fault is Fault.RESET:
        _reset(writer)
    elif fault is Fault.HALF_CLOSE:
        writer.write_eof()


def _reset(writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(_CHUNK_BYTES):
        writer.write(chunk)
        await writer.drain()


@asynccontextmanager
async def faulty_link(port: int, listen_on: int = 0) -> AsyncIterator[FaultyLink]:
    """A link to a loopback port, on a loopback port of its own (``listen_on``, if it is to be that one)."""
    link = FaultyLink(("127.0.0.1", port))
    server = await asyncio.start_server(link.take, "127.0.0.1", listen_on)
    link.port = server.sockets[0].getsockname()[1]
    try:
        yield link
    finally:
        server.close()
        link.cut()
        await server.wait_closed()
