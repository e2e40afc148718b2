"""The load clients: one blocking socket for latency, raw asyncio protocols for throughput. The same for every target.

They do the least that still proves an answer right: status 200, complete, and the provider's own text in it.
Every prompt is different, so that no cache on the way can answer for an inspection.
"""

import asyncio
import json
import socket
import string
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

from bench.standin import TEXT

EXPECTED = TEXT[:40].encode()
FIRST_TEXT = b'"content":"' + TEXT[:1].encode()
DONE = b"data: [DONE]\n\n"
TIMEOUT_S = 10.0
RECEIVE_BYTES = 65_536
NONCE = "NONCENONCE"
SENTENCE = (
    "Please read the draft below and tell me which paragraph should come first, which one can go, and how the "
    "ending could be made shorter without losing the point it makes about the garden and the weather. "
)


@dataclass(frozen=True, slots=True)
class Target:
    """One thing to measure: ``pid`` (``None``: nothing in between), and ``beside_pid``, its control plane."""

    name: str
    base_url: str
    api_key: str
    pid: int | None = None
    beside_pid: int | None = None


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds from the first byte sent to: first body byte, first text of the answer, last byte."""

    first_byte_s: float
    first_text_s: float
    end_s: float


class Requests:
    """Ready-made requests to one target that differ in ten letters each."""

    def __init__(self, target: Target, prompt_bytes: int, *, stream: bool) -> None:
        prompt = (f"Note {NONCE}. " + SENTENCE * (prompt_bytes // len(SENTENCE) + 1))[:prompt_bytes]
        fields: dict[str, object] = {"model": "standin-chat", "messages": [{"role": "user", "content": prompt}]}
        body = json.dumps(fields | {"stream": True} if stream else fields, separators=(",", ":")).encode()
        parts = urlsplit(target.base_url)
        head = (
            f"POST /v1/chat/completions HTTP/1.1\r\nHost: {parts.netloc}\r\nAuthorization: Bearer {target.api_key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        ).encode()
        self.address = (str(parts.hostname), int(parts.port or 80))
        self._before, self._after = (head + body).split(NONCE.encode())
        self._count = 0

    def next(self) -> bytes:
        self._count += 1
        number, letters = self._count, []
        for _ in NONCE:
            number, digit = divmod(number, 26)
            letters.append(string.ascii_lowercase[digit])
        return self._before + "".join(letters).encode() + self._after


class LatencyClient:
    """One connection, one request at a time."""

    def __init__(self, requests: Requests) -> None:
        self._requests = requests
        self._socket = socket.create_connection(requests.address, TIMEOUT_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def plain(self) -> float:
        """Seconds of one plain exchange."""
        request = self._requests.next()
        started = time.perf_counter()
        self._socket.sendall(request)
        received = self._receive()
        while not is_complete(received):
            received += self._receive()
        ended = time.perf_counter()
        check(received)
        return ended - started

    def stream(self) -> Timing:
        """Timing of one streamed exchange."""
        request = self._requests.next()
        first_byte = first_text = 0.0
        received = b""
        started = time.perf_counter()
        self._socket.sendall(request)
        while not (DONE in received and received.endswith(b"0\r\n\r\n")):
            received += self._receive()
            now = time.perf_counter()
            if not first_byte and b"data: " in received:
                first_byte = now
            if not first_text and FIRST_TEXT in received:
                first_text = now
        if not received.startswith(b"HTTP/1.1 200") or not first_text:
            raise RuntimeError(f"a bad stream: {received[:300]!r}")
        return Timing(first_byte - started, first_text - started, now - started)

    def close(self) -> None:
        self._socket.close()

    def _receive(self) -> bytes:
        data = self._socket.recv(RECEIVE_BYTES)
        if not data:
            raise RuntimeError("the server closed the connection")
        return data


class Looping(asyncio.Protocol):
    """One connection that sends the next request as soon as the last is answered, until told to stop."""

    def __init__(self, requests: Requests, deadline: float, ended: asyncio.Future[int]) -> None:
        self._requests = requests
        self._deadline = deadline
        self._ended = ended
        self._received = b""
        self._count = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # of TCP, always
        self._transport = transport

    def start(self, deadline: float) -> None:
        self._deadline = deadline
        self._transport.write(self._requests.next())

    def data_received(self, data: bytes) -> None:
        self._received = self._received + data if self._received else data
        if not is_complete(self._received):
            return
        try:
            check(self._received)
        except RuntimeError as err:
            self._end(err)
            return
        self._received = b""
        self._count += 1
        if time.perf_counter() < self._deadline:
            self._transport.write(self._requests.next())
        else:
            self._end(None)

    def connection_lost(self, _: Exception | None) -> None:
        self._end(RuntimeError("the server closed the connection"))

    def _end(self, err: RuntimeError | None) -> None:
        if self._ended.done():
            return
        if err is None:
            self._ended.set_result(self._count)
        else:
            self._ended.set_exception(err)
        self._transport.close()


async def saturate(requests: Requests, connections: int, seconds: float) -> tuple[int, float]:
    """Keep ``connections`` busy for about ``seconds``; gives the answers counted and the seconds they took."""
    loop = asyncio.get_running_loop()
    ends: list[asyncio.Future[int]] = [loop.create_future() for _ in range(connections)]
    protocols = [
        (await loop.create_connection(lambda end=end: Looping(requests, 0.0, end), *requests.address))[1]
        for end in ends
    ]
    started = time.perf_counter()
    for protocol in protocols:
        protocol.start(started + seconds)
    counts = await asyncio.wait_for(asyncio.gather(*ends), seconds + TIMEOUT_S)
    return sum(counts), time.perf_counter() - started


def is_complete(received: bytes) -> bool:
    """True if ``received`` is one whole response: by ``Content-Length``, or by the last chunk."""
    head_end = received.find(b"\r\n\r\n")
    if head_end < 0:
        return False
    head = received[:head_end].lower()
    mark = head.find(b"content-length:")
    if mark < 0:
        return received.endswith(b"0\r\n\r\n")
    return len(received) >= head_end + 4 + int(head[mark + 15 : mark + 35].split(b"\r\n", 1)[0])


def check(received: bytes) -> None:
    """Raises RuntimeError unless this is a 200 with the provider's own text."""
    if not received.startswith(b"HTTP/1.1 200") or EXPECTED not in received:
        raise RuntimeError(f"a bad answer: {received[:300]!r}")
