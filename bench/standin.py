"""The benchmark's provider: a pre-rendered answer at next to no cost, so that it is not what is measured.

Speaks just enough HTTP/1.1 for well-behaved clients: keep-alive, ``Content-Length`` and chunked request bodies.
A body with ``"stream":true`` is answered with paced server-sent events. Not for untrusted input.
"""

import asyncio
import json

import uvloop

from bench.processes import announce, server_arguments
from outpost.demo import answers

TEXT = (
    "A gateway that sits between people and a model reads every prompt before it leaves, decides by a policy that "
    "was signed elsewhere, writes down what it decided, and only then lets the answer through to whoever asked."
)
CHUNK_PAUSE_S = 0.002  # a fast model writes 500 of these five-letter pieces a second at best
STREAM_MARKS = (b'"stream":true', b'"stream": true')


def rendered() -> tuple[bytes, list[bytes]]:
    """The plain answer, whole; and the stream: its head with the first event, then one piece per event."""
    request = answers.parse_chat(
        json.dumps({"model": "standin-chat", "messages": [{"role": "user", "content": f"SAY:{TEXT}"}]}).encode()
    )
    said, stamp = answers.answer(request), answers.deterministic_stamp(b"bench")
    body = answers.encode(answers.completion(request, said, stamp), 2)
    plain = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    frames = [answers.frame(chunk) for chunk in answers.chunks(request, said, stamp)] + [answers.DONE]
    pieces = [b"%x\r\n%b\r\n" % (len(frame), frame) for frame in frames]
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n"
    return plain, [head + pieces[0], *pieces[1:-1], pieces[-1] + b"0\r\n\r\n"]


PLAIN, STREAM = rendered()


class Standin(asyncio.Protocol):
    """One connection: collect a request, answer it, repeat."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.received = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # of TCP, always
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += data
        while (body := self._take_request()) is not None:
            if any(mark in body for mark in STREAM_MARKS):
                self._send_piece(0)
            else:
                self.transport.write(PLAIN)

    def _take_request(self) -> bytes | None:
        head_end = self.received.find(b"\r\n\r\n")
        if head_end < 0:
            return None
        head = self.received[:head_end].lower()
        start = head_end + 4
        if (mark := head.find(b"content-length:")) >= 0:
            end = start + int(head[mark + 15 : mark + 35].split(b"\r\n", 1)[0])
        elif b"transfer-encoding: chunked" in head:
            last = self.received.find(b"0\r\n\r\n", start)
            end = last + 5 if last >= 0 else len(self.received) + 1
        else:
            end = start
        if len(self.received) < end:
            return None
        body, self.received = self.received[start:end], self.received[end:]
        return body

    def _send_piece(self, number: int) -> None:
        if self.transport.is_closing():
            return
        self.transport.write(STREAM[number])
        if number + 1 < len(STREAM):
            self.loop.call_later(CHUNK_PAUSE_S, self._send_piece, number + 1)


async def serve() -> None:
    given = server_arguments("The benchmark's provider.")
    server = await asyncio.get_running_loop().create_server(Standin, "127.0.0.1", given.port, backlog=1024)
    announce(server.sockets[0].getsockname()[1])
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve())
