"""The call to a provider: a pool of connections for each, bounded answers, every failure a typed refusal.

Nothing of an upstream's error goes to the client verbatim: OpenAI-style ``code``, ``type`` and ``param`` pass
if they look like the identifiers they should be, the message is ours. Redirects are not followed, so requests
go to the providers of the signed bundle and nowhere else.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import lru_cache, partial
from http import HTTPStatus
from typing import Final, Literal

import aiohttp

from outpost.errors import Rejected
from outpost.protocol.codes import ErrorCode
from outpost.protocol.routing import Provider, Timeouts
from outpost.proxy.attempts import Outcome
from outpost.proxy.json_document import parse_json
from outpost.proxy.pools import Connection, PoolBusy, Pools, noting

HANDSHAKE_S: Final = 30.0  # for connection, TLS and the answer to an upgrade; a provider thinks about nothing yet
SOCKET_CLOSE_S: Final = 1.0  # for a provider's own closing frame; nothing depends on it
MAX_ERROR_BYTES: Final = 65_536  # an error body is read only for its identifiers
# Words of an API's vocabulary and paths into a request. No run of mixed letters and digits fits, so no key does.
_CODE: Final = re.compile(r"[a-z]{1,32}(?:_[a-z]{1,32}){0,7}")
_PARAM: Final = re.compile(r"[a-z_]{1,32}(?:\[[0-9]{1,4}\]|\.[a-z_]{1,32}){0,8}")
_RETRY_AFTER: Final = re.compile(r"[0-9]{1,5}")
_OVERLOADED: Final = frozenset({503, 529})  # RFC 9110 §15.6.4; Anthropic API reference, "Errors"
_NO_TIMEOUTS: Final = Timeouts()
# The caller's mistakes: the status goes on. Everything else is between the outpost and its provider.
CALLERS_FAULT: Final = frozenset({400, 404, 409, 413, 415, 422})


@dataclass(frozen=True, slots=True)
class ForwardTimeouts:
    """Seconds to wait for a connection, for the next bytes, and for a whole answer."""

    connect_s: float
    read_s: float
    total_s: float


class ProviderRefused(Rejected):
    """The provider answered with an error, or not at all.

    Attributes:
        outcome: What may follow.
        status: Status for the client.
        param: The field the provider objected to, if it named one.
        retry_after_s: As the provider wished, in whole seconds.
    """

    def __init__(
        self,
        code: ErrorCode,
        message: str,
        outcome: Outcome = Outcome.REFUSED,
        *,
        status: HTTPStatus | None = None,
        param: str | None = None,
        retry_after_s: str | None = None,
    ) -> None:
        super().__init__(code, message)
        self.outcome = outcome
        self.status = status
        self.param = param
        self.retry_after_s = retry_after_s


def bearer(key: str) -> Mapping[str, str]:
    """How OpenAI and those who speak its API take a key."""
    return {"Authorization": f"Bearer {key}"}


class Forwarder:
    """Sends inspected bodies to providers."""

    def __init__(
        self, provider_key: Callable[[str], str | None], *, timeouts: ForwardTimeouts, max_answer_bytes: int
    ) -> None:
        """``provider_key`` gives an API key by its id; ``None`` for a provider that needs none. ``aclose`` it."""
        self._pools = Pools()
        self._provider_key = provider_key
        self._max_answer_bytes = max_answer_bytes
        self._timeouts = timeouts

    async def aclose(self) -> None:
        """Close every connection."""
        await self._pools.close()

    def credentials(
        self, provider: Provider, carry: Callable[[str], Mapping[str, str]] = bearer, key_id: str | None = None
    ) -> Mapping[str, str]:
        """Headers with a key of the provider, by which ``carry`` says; none for a provider that needs no key.

        Args:
            provider: Whose key.
            carry: A key to headers.
            key_id: Which of its keys; the first that is here if not given.

        Raises:
            ProviderRefused: ``no_key``: the bundle names keys, and this one is not here.
        """
        found = (self._provider_key(one) for one in ((key_id,) if key_id else provider.key_ids))
        key = next((one for one in found if one is not None), None)
        if key is None and provider.keys is not None:
            message = "this outpost does not hold the provider's key; tell its operator"
            raise ProviderRefused(ErrorCode.PROVIDER_UNAVAILABLE, message, Outcome.NO_KEY)
        return {} if key is None else carry(key)

    def post(
        self,
        provider: Provider,
        path: str,
        body: bytes,
        headers: Mapping[str, str] | None = None,
        *,
        fresh: bool = False,
    ) -> "Call":
        """POST ``body``; the context is a successful answer whose body is still to be read.

        ``headers`` include the credentials; without any, the provider's key goes as ``bearer`` does it. ``fresh``: over
        a connection made for it alone.

        Raises:
            Rejected: On entering: ``provider_unavailable``, ``provider_timeout`` or ``ProviderRefused``.
        """
        given = self.credentials(provider) if headers is None else headers
        return self._exchange("POST", provider, path, body, given, fresh=fresh)

    def get(self, provider: Provider, path: str, headers: Mapping[str, str] | None = None) -> "Call":
        """GET ``path``; as ``post``."""
        return self._exchange("GET", provider, path, None, self.credentials(provider) if headers is None else headers)

    def delete(self, provider: Provider, path: str) -> "Call":
        """DELETE ``path``; as ``post``."""
        return self._exchange("DELETE", provider, path, None, self.credentials(provider))

    async def begun(self, call: "Call") -> tuple[aiohttp.ClientResponse, bytes]:
        """``call`` opened, and ``first`` of its answer; both in time, if its provider has such a bound. Raises as they.

        The call is to be closed whatever comes of it.
        """
        timeouts = call.provider.timeouts
        if timeouts is None or not timeouts.first_byte_s:
            answer = await call.open()
            return answer, await self.first(answer)
        with _typed_failures():
            async with asyncio.timeout(timeouts.first_byte_s):
                answer = await call.open()
                return answer, await self.first(answer)

    async def read(self, answer: aiohttp.ClientResponse, begun: bytes = b"") -> bytes:
        """The whole body of an answer, of which ``begun`` has been read.

        Raises:
            Rejected: ``provider_invalid_response`` beyond the size limit; otherwise as ``post``.
        """
        parts, size, content = [begun], len(begun), answer.content
        if content.at_eof() and content.exception() is None and size <= self._max_answer_bytes:
            return begun  # it came at once, as most do
        with _typed_failures():
            async for part in content.iter_any():
                size += len(part)
                if size > self._max_answer_bytes:
                    break
                parts.append(part)
        if size > self._max_answer_bytes:
            raise _unusable(f"the provider's answer is larger than {self._max_answer_bytes} bytes")
        return b"".join(parts)

    async def first(self, answer: aiohttp.ClientResponse) -> bytes:
        """The first part of an answer's body as soon as it is there; empty if there is none. Raises as ``post``."""
        with _typed_failures():
            return await answer.content.readany()

    async def stream(self, answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
        """The body of an answer as it arrives. Raises as ``post``."""
        with _typed_failures():
            async for part in answer.content.iter_any():
                yield part

    @asynccontextmanager
    async def socket(
        self, provider: Provider, path: str, headers: Mapping[str, str], *, max_event_bytes: int, ping_s: float
    ) -> AsyncIterator[aiohttp.ClientWebSocketResponse[Literal[False]]]:
        """A WebSocket at a provider, uncompressed; ``headers`` as for ``post``. Frames may hold ``max_event_bytes``.

        Raises:
            Rejected: On entering, as ``post``.
        """
        with self._leased(provider, fresh=True) as pool:  # it keeps its connection for itself anyway
            async with aiohttp.ClientSession(
                connector=pool.connector,
                connector_owner=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                middlewares=(_only_upgrades,),
            ) as session:
                with _typed_failures():
                    async with asyncio.timeout(HANDSHAKE_S):
                        socket = await session.ws_connect(
                            provider.base_url + path,
                            headers={"User-Agent": "hybrid-outpost", **headers},
                            max_msg_size=max_event_bytes + 1,  # aiohttp refuses what reaches it
                            heartbeat=ping_s,
                            timeout=aiohttp.ClientWSTimeout(ws_receive=None, ws_close=SOCKET_CLOSE_S),
                            decode_text=False,
                        )
                try:
                    yield socket
                finally:
                    await socket.close()

    def _exchange(
        self,
        method: str,
        provider: Provider,
        path: str,
        body: bytes | None,
        more: Mapping[str, str],
        *,
        fresh: bool = False,
    ) -> "Call":
        headers = {"Accept-Encoding": "identity", "User-Agent": "hybrid-outpost", **more}
        if body is not None:
            headers.setdefault("Content-Type", "application/json")
        own, ours = provider.timeouts or _NO_TIMEOUTS, self._timeouts
        timeout = _client_timeout(
            own.total_s or ours.total_s, own.connect_s or ours.connect_s, own.read_s or ours.read_s
        )
        return Call(self._pools, method, provider, path, body, headers, timeout, fresh=fresh)

    @contextmanager
    def _leased(self, provider: Provider, *, fresh: bool) -> Iterator[aiohttp.ClientSession]:
        session = _taken(self._pools, provider, fresh=fresh)
        try:
            yield session
        finally:
            self._pools.give_back(provider)


@dataclass(slots=True, eq=False)
class Call:
    """One request at a provider, from its place in the pool to the end of its answer.

    A context manager, or opened and closed by hand where that is the cheaper way to hold it.
    """

    pools: Pools = field(repr=False)
    method: str
    provider: Provider
    path: str
    body: bytes | None = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    timeout: aiohttp.ClientTimeout
    fresh: bool = field(default=False, kw_only=True)
    """Over a connection made for it alone."""
    _answer: aiohttp.ClientResponse | None = field(default=None, init=False)
    _is_leased: bool = field(default=False, init=False)

    async def __aenter__(self) -> aiohttp.ClientResponse:
        """``open``."""
        try:
            return await self.open()
        except BaseException:
            self.close()
            raise

    async def __aexit__(self, *_: object) -> None:
        """``close``."""
        self.close()

    async def open(self) -> aiohttp.ClientResponse:
        """Send it. A successful answer whose body is still to be read; ``close`` it, and also after a failure.

        Raises:
            Rejected: ``provider_unavailable``, ``provider_timeout`` or ``ProviderRefused``.
        """
        session = _taken(self.pools, self.provider, fresh=self.fresh)
        self._is_leased = True
        over = Connection()
        try:
            with _typed_failures(), noting(over):
                answer = self._answer = await session.request(
                    self.method,
                    self.provider.base_url + self.path,
                    data=self.body,
                    headers=self.headers,
                    timeout=self.timeout,
                    allow_redirects=False,
                )
        except ProviderRefused as err:
            if over.kept and _said_nothing(err.__cause__):
                err.outcome = Outcome.STALE
            raise
        _disarm(answer)
        if answer.status != HTTPStatus.OK:
            raise await _refusal(answer)
        if answer.headers.get("Content-Encoding", "identity") != "identity":
            raise _unusable("the provider compressed an answer that was asked for uncompressed")
        return answer

    def close(self) -> None:
        """Let go of it. Harmless if repeated."""
        answer, self._answer = self._answer, None
        if answer is not None:
            answer.close()  # one fully read has given its connection back already; an unread one must not be reused
        if self._is_leased:
            self._is_leased = False
            self.pools.give_back(self.provider)


def _taken(pools: Pools, provider: Provider, *, fresh: bool) -> aiohttp.ClientSession:
    try:
        return pools.take(provider, fresh=fresh)
    except PoolBusy:
        message = "as many requests are with the provider as the policy bundle allows"
        raise ProviderRefused(ErrorCode.PROVIDER_UNAVAILABLE, message, Outcome.BUSY) from None


@lru_cache(maxsize=256)  # a few settings and providers, asked of for every request
def _client_timeout(total_s: float, connect_s: float, read_s: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=total_s, sock_connect=connect_s, sock_read=read_s)


async def _only_upgrades(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Refuse whatever a provider answers in place of a WebSocket; a redirect would lead to where no bundle says."""
    answer = await handler(request)
    if answer.status != HTTPStatus.SWITCHING_PROTOCOLS:
        try:
            raise await _refusal(answer)
        finally:
            answer.close()
    return answer


class _typed_failures:  # noqa: N801 - reads as a statement
    """Turn what aiohttp raises into our refusals; messages of the library may quote addresses, so they stay here."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, err: BaseException | None, _traceback: object) -> None:
        if kind is None or issubclass(kind, asyncio.CancelledError | Rejected):
            return
        if issubclass(kind, TimeoutError):
            # Whether the request went out is not known of every kind of it; of this one it did not.
            outcome = Outcome.UNREACHABLE if issubclass(kind, aiohttp.ConnectionTimeoutError) else Outcome.TIMEOUT
            message = "the provider did not answer in time"
            raise ProviderRefused(ErrorCode.PROVIDER_TIMEOUT, message, outcome) from err
        if issubclass(kind, aiohttp.ClientConnectionError | OSError):
            outcome = Outcome.UNREACHABLE if issubclass(kind, aiohttp.ClientConnectorError) else Outcome.BROKEN
            message = "the provider cannot be reached or broke off"
            raise ProviderRefused(ErrorCode.PROVIDER_UNAVAILABLE, message, outcome) from err
        if issubclass(kind, aiohttp.ClientError | ValueError):
            message = "the provider's answer is not valid HTTP or broke off"
            raise ProviderRefused(ErrorCode.PROVIDER_INVALID_RESPONSE, message, Outcome.BROKEN) from err


def _disarm(answer: aiohttp.ClientResponse) -> None:
    """Have the connection forget its read timeout once the answer has ended.

    aiohttp 3.14 starts the timer again when whoever reads lets a paused connection go on to its end, and so after it
    was given back; the timer then fails the request that comes next over it, whoever's that is, before anybody answers.
    """
    connection = answer.connection
    if connection is not None and connection.protocol is not None:  # else it has ended, and nothing was paused
        answer.content.on_eof(partial(setattr, connection.protocol, "read_timeout", None))


def _said_nothing(err: BaseException | None) -> bool:
    """Whether a connection ended without a byte of an answer; of one that was reset it is taken to be so."""
    if isinstance(err, aiohttp.ServerDisconnectedError):
        return isinstance(err.message, str)  # else what had come of the head
    return isinstance(err, aiohttp.ClientOSError | aiohttp.ClientConnectionResetError)


def _unusable(message: str) -> ProviderRefused:
    return ProviderRefused(ErrorCode.PROVIDER_INVALID_RESPONSE, message, Outcome.INVALID)


async def _refusal(answer: aiohttp.ClientResponse) -> Rejected:
    status = answer.status
    code, param = await _identifiers(answer)
    said = f" (code {code})" if code else ""
    wish = answer.headers.get("Retry-After", "")
    retry_after_s = wish if _RETRY_AFTER.fullmatch(wish) else None
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        message = f"the provider limits requests at the moment{said}"
        return ProviderRefused(
            ErrorCode.PROVIDER_RATE_LIMITED, message, Outcome.RATE_LIMITED, retry_after_s=retry_after_s
        )
    if status in CALLERS_FAULT:
        message = f"the provider refused the request with status {status}{said}"
        return ProviderRefused(ErrorCode.PROVIDER_ERROR, message, status=HTTPStatus(status), param=param)
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        message = f"the provider refused the outpost's own credentials with status {status}; tell its operator"
        return ProviderRefused(ErrorCode.PROVIDER_ERROR, message, Outcome.KEY_REFUSED)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        message = f"the provider failed with status {status}{said}"
        outcome = Outcome.OVERLOADED if status in _OVERLOADED else Outcome.FAILED
        return ProviderRefused(ErrorCode.PROVIDER_UNAVAILABLE, message, outcome, retry_after_s=retry_after_s)
    return _unusable(f"the provider answered with status {status}")


async def _identifiers(answer: aiohttp.ClientResponse) -> tuple[str | None, str | None]:
    """``code`` and ``param`` of an OpenAI-style error, if they are identifiers and nothing else."""
    with _typed_failures():
        raw = await answer.content.read(MAX_ERROR_BYTES)
    try:
        body = parse_json(raw).value
    except Rejected:
        return None, None
    error = body.get("error") if isinstance(body, dict) else None
    if not isinstance(error, dict):
        return None, None
    code, param = error.get("code") or error.get("type"), error.get("param")
    return _matching(_CODE, code), _matching(_PARAM, param)


def _matching(pattern: re.Pattern[str], value: object) -> str | None:
    return value if isinstance(value, str) and pattern.fullmatch(value) else None
