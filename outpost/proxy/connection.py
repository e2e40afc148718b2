"""Client connections: how many there are, how large and how slow a head may be, how malformed HTTP is answered.

aiohttp's parser (llhttp, strict) refuses what RFC 9112 forbids; here it gets bounds of size and time, our envelope, and
no log line that quotes the bytes. A connection that broke a rule is closed: its framing cannot be trusted any more.
"""

import asyncio
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, Protocol

from aiohttp import HttpVersion, HttpVersion11, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_exceptions import LineTooLong
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader
from aiohttp.web_protocol import RequestHandler, _ErrInfo

from outpost.errors import Rejected
from outpost.protocol.codes import ErrorCode
from outpost.proxy.cors import Cors
from outpost.proxy.crowd import Crowd
from outpost.proxy.request_head import SPOKEN

LINGER_S: Final = 2.0  # a refused body is read on for so long, so that the refusal is not lost in a reset
MAX_HEADERS: Final = 128  # aiohttp's own default; the SDKs of both vendors send below 30
_LAST_RECORD_S: Final = 2.0  # for what a request does when it is cancelled: it writes its last record


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """Bounds of one connection's heads, and of all connections."""

    keepalive_timeout_s: float = 75.0
    header_timeout_s: float = 10.0
    max_header_bytes: int = 32_768
    max_connections: int = 10_000


class Handler(Protocol):
    """What serves requests (``outpost/proxy/server.py``)."""

    cors: Cors
    crowd: Crowd
    leaving: bool
    """May be set: this process is about to end."""

    @property
    def draining(self) -> bool:
        """The outpost is about to end: answers close their connections."""

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a request."""

    def malformed(self, refusal: Rejected, address: str | None) -> web.Response:
        """Record and word what is answered to something that is no request."""


class ProxyRequest(web.BaseRequest):
    """A request whose answer says ``Connection: close`` where the connection has to end."""

    ATTRS = web.BaseRequest.ATTRS | frozenset({"handler"})
    handler: Handler

    @property
    def sent_version(self) -> HttpVersion:
        """As the client gave it."""
        return self._message.version

    @property
    def version(self) -> HttpVersion:
        """As it is answered: what speaks no version of ours is told so in HTTP/1.1."""
        return self.sent_version if self.sent_version in SPOKEN else HttpVersion11

    @property
    def keep_alive(self) -> bool:
        """The client wants to use the connection again, and may."""
        # After an upgrade that was declined the parser would not read on: nothing more can be asked here.
        ends = self._message.should_close or self._message.upgrade or self.handler.draining
        return not (ends or (isinstance(self._protocol, Connection) and self._protocol.is_closing))

    async def _prepare_hook(self, response: web.StreamResponse) -> None:
        """Where aiohttp lets an application touch the head of every answer, streams and refusals alike."""
        response.headers.update(self.handler.cors.answer_headers(self.headers.get("Origin")))


class Connection(RequestHandler):
    """Bounds heads in size and time. ``_waiter`` (of aiohttp) is pending while the next head is waited for."""

    def __init__(self, server: "ProxyConnections", *, loop: asyncio.AbstractEventLoop, **options: Any) -> None:
        super().__init__(server, loop=loop, **options)
        self._server = server
        self._head_bytes = 0
        self._head_timer: asyncio.TimerHandle | None = None
        self._refused = False
        self._body: StreamReader | None = None
        """Of the last request; it may still be coming."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count it in; one too many is told so and closed."""
        super().connection_made(transport)
        self._server.all_gone.clear()
        if self._server.handler.crowd.connected(1) > self._server.limits.max_connections:
            self._refuse(Rejected(ErrorCode.OVERLOADED, "too many connections are open"))

    def connection_lost(self, exc: BaseException | None) -> None:
        """Forget its timer, and count it out."""
        self._end_head()
        self._server.handler.crowd.connected(-1)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came; a head that is not whole is counted and timed."""
        if self._refused:
            return
        parsed = self._request_count
        super().data_received(data)
        if self._request_count != parsed:
            self._end_head()
            self._fail_body()
        elif self.is_idle:
            self._head_bytes += len(data)
            if self._head_bytes > self._server.limits.max_header_bytes:
                self._refuse(Rejected(ErrorCode.INVALID_REQUEST, "the request's headers are too large"))
            elif self._head_timer is None:
                self._head_timer = self._loop.call_later(self._server.limits.header_timeout_s, self._head_is_late)

    @property
    def is_closing(self) -> bool:
        """The next answer is the last one."""
        return self._close

    @property
    def is_idle(self) -> bool:
        """No request is being served or waits to be."""
        return not self._messages and self._waiter is not None and not self._waiter.done()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - the library's text quotes the offending bytes
    ) -> web.StreamResponse:
        """Refuse what is not HTTP."""
        if request.writer.output_size > 0:
            raise ConnectionError("a response is on its way already")
        code = ErrorCode.INVALID_REQUEST if status < HTTPStatus.INTERNAL_SERVER_ERROR else ErrorCode.INTERNAL_ERROR
        text = (
            "the request's headers are too large" if isinstance(exc, LineTooLong) else "the request is not valid HTTP"
        )
        refusal = Rejected(code, text)
        refusal.__cause__ = exc
        response = self._server.handler.malformed(refusal, request.remote)
        response.force_close()
        return response

    def _fail_body(self) -> None:
        """Tell the reader of a body that it is malformed.

        aiohttp queues this as if it were another request, behind the one whose body will then never end.
        """
        last, payload = self._messages[-1]
        if not isinstance(last, _ErrInfo):
            self._body = payload
        elif self._body is not None and not self._body.is_eof():
            self._messages.pop()
            self.close()
            self._body.set_exception(web.RequestPayloadError("malformed"))
            self._body.feed_eof()

    def _head_is_late(self) -> None:
        self._head_timer = None
        if self.is_idle:
            seconds = self._server.limits.header_timeout_s
            message = f"the request's headers did not arrive within {seconds:g} s"
            self._refuse(Rejected(ErrorCode.REQUEST_TIMEOUT, message))

    def _end_head(self) -> None:
        self._head_bytes = 0
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _refuse(self, refusal: Rejected) -> None:
        """Answer where there is no request yet; then read nothing more, and close."""
        self._end_head()
        self._refused = True
        if self.transport is None:
            return
        peer = self.transport.get_extra_info("peername")
        response = self._server.handler.malformed(refusal, str(peer[0]) if isinstance(peer, tuple) else None)
        body = response.body if isinstance(response.body, bytes) else b""
        lines = [f"HTTP/1.1 {response.status} {response.reason}", "Connection: close", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in response.headers.items() if name.lower() != "content-length"]
        self.transport.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        self.close()
        self._loop.call_later(LINGER_S, self.force_close)


class ProxyConnections(web.Server):
    """Makes a ``Connection`` for each that is accepted, and ends them (``outpost/proxy/drain.py``)."""

    def __init__(self, handler: Handler, limits: ConnectionLimits) -> None:
        super().__init__(
            handler.handle,
            handler_cancellation=True,
            keepalive_timeout=limits.keepalive_timeout_s,
            lingering_time=LINGER_S,
            max_headers=MAX_HEADERS,
            auto_decompress=False,  # body.py does it, with a bound
            access_log=None,
        )
        self.handler = handler
        self.limits = limits
        self.all_gone = asyncio.Event()
        self.all_gone.set()
        self._early: set[RequestHandler] = set()
        self._early_gone = asyncio.Event()

    def __call__(self) -> Connection:
        """A protocol for one connection."""
        return Connection(self, loop=self._loop, **self._kwargs)

    def connection_lost(self, handler: RequestHandler, exc: BaseException | None = None) -> None:
        """Forget a connection once its last request has ended."""
        super().connection_lost(handler, exc)
        task = handler._task_handler  # noqa: SLF001 - aiohttp's own base class forgets it when this task is done
        if task is None:
            self._note_gone(handler)
        else:
            task.add_done_callback(lambda _: self._note_gone(handler))

    def turnover(self) -> asyncio.Event:
        """Set once everybody is gone who is connected now."""
        self._early, self._early_gone = {*self.connections}, asyncio.Event()
        self._note_gone()
        return self._early_gone

    def end_idle(self) -> int:
        """Close connections on which nothing is asked; how many are left.

        The others go on reading: the rest of a body, the close of a web socket. As ``draining`` is true, they end
        with their answer.
        """
        for one in self.connections:
            if isinstance(one, Connection) and one.is_idle:
                one.force_close()
        return sum(not (isinstance(one, Connection) and one.transport is None) for one in self.connections)

    async def cut(self) -> None:
        """End every request that is being served, and every connection."""
        serving = [one._task_handler for one in self.connections if one._task_handler]  # noqa: SLF001 - as above
        for task in serving:
            task.cancel()
        if serving:
            await asyncio.wait(serving, timeout=_LAST_RECORD_S)
        for one in self.connections:
            one.force_close()
        self._note_gone()

    def _note_gone(self, handler: RequestHandler | None = None) -> None:
        if handler is not None:
            self._early.discard(handler)
        if not self._early:
            self._early_gone.set()
        if not self._connections:
            self.all_gone.set()

    def _make_request(
        self,
        message: RawRequestMessage,
        payload: StreamReader,
        protocol: RequestHandler,
        writer: AbstractStreamWriter,
        task: "asyncio.Task[None]",
    ) -> web.BaseRequest:
        request = ProxyRequest(message, payload, protocol, writer, task, self._loop)
        request.handler = self.handler
        return request
