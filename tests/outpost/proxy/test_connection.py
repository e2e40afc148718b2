"""HTTP/1.1 as bytes on a real socket: what is ambiguous is refused, answered, counted, recorded and closed."""

import asyncio
import contextlib
import json

import pytest

from outpost.protocol.codes import ErrorCode
from tests.outpost.proxy.setup import CARD, CHAT, assert_kept_nowhere, chat, counted, exchange_raw, metrics_of, port_of
from tests.outpost.proxy.test_server import GOOD, head, refusals

LENGTH = f"Content-Length: {len(GOOD)}"
CHUNKED = "Transfer-Encoding: chunked"
BEHIND = b"GET /v1/behind HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


def chunked(size=b"%x", after=b"\r\n", end=b"\r\n", last=b"0\r\n\r\n"):
    return size % len(GOOD) + after + GOOD + end + last


def asked(running, *lines, first=f"POST {CHAT} HTTP/1.1", host="Host: x"):
    """A request's head, whose lines are all given."""
    start = [first, *([host] if host else []), f"Authorization: Bearer {running.api_key}"]
    return "\r\n".join([*start, *lines]).encode("latin-1") + b"\r\n\r\n"


# Framing: what follows the head, or the length that it gives, can be read in more than one way.
REFUSED_BODIES = {
    "chunk extension over two lines": (CHUNKED, chunked(b'%x;a="b\r\nx"')),
    "bare LF in a chunk extension": (CHUNKED, chunked(b"%x;a\nb")),
    "bare CR in a chunk extension": (CHUNKED, chunked(b"%x;a\rb")),
    "bare LF after a chunk size": (CHUNKED, chunked(after=b"\n")),
    "bare LF after a chunk": (CHUNKED, chunked(end=b"\n")),
    "only LFs": (CHUNKED, chunked(after=b"\n", end=b"\n", last=b"0\n\n")),
    "space before a chunk size": (CHUNKED, chunked(b" %x")),
    "space after a chunk size": (CHUNKED, chunked(b"%x ")),
    "chunk size with 0x": (CHUNKED, chunked(b"0x%x")),
    "chunk size with a sign": (CHUNKED, chunked(b"+%x")),
    "chunk size with an underscore": (CHUNKED, chunked(b"0_%x")),
    "no chunk size": (CHUNKED, b"\r\n" + GOOD + b"\r\n0\r\n\r\n"),
    "length in a trailer": (CHUNKED, chunked(last=b"0\r\nContent-Length: 5\r\n\r\n")),
    "coding in a trailer": (CHUNKED, chunked(last=b"0\r\nTransfer-Encoding: chunked\r\n\r\n")),
    "host in a trailer": (CHUNKED, chunked(last=b"0\r\nHost: y\r\n\r\n")),
    "folded trailer": (CHUNKED, chunked(last=b"0\r\nX: a\r\n b\r\n\r\n")),
    "coding twice": (f"{CHUNKED}\r\n{CHUNKED}", chunked()),
    "coding twice in a list": ("Transfer-Encoding: chunked, chunked", chunked()),
    "two codings": ("Transfer-Encoding: gzip, chunked", chunked()),
    "coding behind a vertical tab": ("Transfer-Encoding: \x0bchunked", chunked()),
    "coding in quotes": ('Transfer-Encoding: "chunked"', chunked()),
    "empty coding": ("Transfer-Encoding:", b""),
    "folded coding": ("Transfer-Encoding:\r\n chunked", chunked()),
    "coding with an underscore": (f"Transfer_Encoding: chunked\r\n{LENGTH}", GOOD),
    "empty length": ("Content-Length:", b""),
    "length with a space": ("Content-Length: 5 6", b"12345"),
    "length behind a vertical tab": (f"Content-Length: \x0b{len(GOOD)}", GOOD),
    "length with a point": ("Content-Length: 5.0", b"12345"),
    "length in other digits": ("Content-Length: \xb2", b"12"),
    "equal lengths in a list": (f"Content-Length: {len(GOOD)}, {len(GOOD)}", GOOD),
    "content type twice": (f"Content-Type: application/json\r\nContent-Type: text/plain\r\n{LENGTH}", GOOD),
    "content coding twice": (f"Content-Encoding: identity\r\nContent-Encoding: gzip\r\n{LENGTH}", GOOD),
    "key twice": (f"Authorization: Bearer x\r\n{LENGTH}", GOOD),
    "host twice": (f"Host: y\r\n{LENGTH}", GOOD),
    "LF in a header": (f"X-A: a\nX-B: b\r\n{LENGTH}", GOOD),
    "control character in a header": (f"X-A: a\x01b\r\n{LENGTH}", GOOD),
    "DEL in a header": (f"X-A: a\x7fb\r\n{LENGTH}", GOOD),
    "name that is not ASCII": (f"X-\xe4: a\r\n{LENGTH}", GOOD),
    "name with a space": (f"X A: a\r\n{LENGTH}", GOOD),
    "name with a parenthesis": (f"X(A: a\r\n{LENGTH}", GOOD),
    "NUL in a name": (f"X\x00A: a\r\n{LENGTH}", GOOD),
    "space before a name": (f" X-A: a\r\n{LENGTH}", GOOD),
    "an expectation that is unknown": (f"Expect: 200-ok\r\n{LENGTH}", GOOD),
    "an old web socket": (f"Sec-WebSocket-Key1: x\r\n{LENGTH}", GOOD),
    "too many headers": ("\r\n".join(f"X-{number}: a" for number in range(130)) + f"\r\n{LENGTH}", GOOD),
    "too much in headers": ("\r\n".join(f"X-{number}: {'a' * 4_000}" for number in range(9)) + f"\r\n{LENGTH}", GOOD),
    "a header too long": (f"X: {'a' * 9_000}\r\n{LENGTH}", GOOD),
}
REFUSED_LINES = [
    f"POST {CHAT}\x00 HTTP/1.1",
    f"POST {CHAT}\xe4 HTTP/1.1",
    f"POST {CHAT}#x HTTP/1.1",
    f"POST {CHAT} x HTTP/1.1",
    f"POST {CHAT} HTTP/1.1 ",
    f"POST\t{CHAT}\tHTTP/1.1",
    f" POST {CHAT} HTTP/1.1",
    f"post {CHAT} HTTP/1.1",
    f"WISH {CHAT} HTTP/1.1",
    "POST /v1\\chat/completions HTTP/1.1",
    "POST v1/chat/completions HTTP/1.1",
    f"POST http://u:p@x{CHAT} HTTP/1.1",
    f"POST ftp://x{CHAT} HTTP/1.1",
    f"POST http://x:99999{CHAT} HTTP/1.1",
    "POST * HTTP/1.1",
    "POST x:80 HTTP/1.1",
    "CONNECT x:80 HTTP/1.1",
    f"POST {CHAT} HTTP/0.9",
    f"POST {CHAT} HTTP/1.2",
    f"POST {CHAT} HTTP/1.10",
    f"POST {CHAT} HTTP/2.0",
    f"POST {CHAT} http/1.1",
    f"POST {CHAT}",
]
REFUSED_HOSTS = [None, "Host: ::1", "Host: a b", "Host: a/b", "Host: u@a", "Host: [::1", "Host: [x]"]


async def assert_refused(running, upstream, sent):
    before = counted(running, ErrorCode.INVALID_REQUEST, surface="unknown")
    received, closed = await exchange_raw(running, sent + BEHIND)

    assert closed
    assert refusals(received) == [(400, ErrorCode.INVALID_REQUEST)]
    assert b"Connection: close" in received or received.startswith(b"HTTP/1.0 ")
    assert not upstream.requests
    # Some are refused when their body is read, and then belong to a surface.
    total = counted(running, ErrorCode.INVALID_REQUEST, surface="unknown") + counted(running, ErrorCode.INVALID_REQUEST)
    assert total >= before + 1


@pytest.mark.parametrize(("lines", "body"), [pytest.param(*case, id=name) for name, case in REFUSED_BODIES.items()])
async def test_what_two_readers_could_frame_differently_is_refused(outpost, upstream, capsys, lines, body):
    await assert_refused(outpost, upstream, asked(outpost, lines) + body)
    assert "Traceback" not in "".join(capsys.readouterr())


@pytest.mark.parametrize("name", ["bare LF after a chunk", "chunk size with a sign", "length in a trailer"])
async def test_a_body_that_is_refused_while_it_is_awaited_goes_nowhere(outpost, upstream, name):
    reader, writer = await asyncio.open_connection("127.0.0.1", port_of(outpost))
    writer.write(asked(outpost, CHUNKED))
    await asyncio.sleep(0.05)
    writer.write(REFUSED_BODIES[name][1] + BEHIND)
    received = await reader.read()
    assert refusals(received) == [(400, ErrorCode.INVALID_REQUEST)]
    writer.close()
    assert not upstream.requests


@pytest.mark.parametrize("first", REFUSED_LINES)
async def test_request_lines_and_targets_of_other_forms_are_refused(outpost, upstream, first):
    await assert_refused(outpost, upstream, asked(outpost, LENGTH, first=first) + GOOD)


@pytest.mark.parametrize("host", REFUSED_HOSTS)
async def test_what_is_no_host_is_refused(outpost, upstream, host):
    await assert_refused(outpost, upstream, asked(outpost, LENGTH, host=host) + GOOD)


TAKEN = {
    "a length with leading zeros": (f"Content-Length: 000{len(GOOD)}", GOOD, {}),
    "white space around a length": (f"Content-Length: \t{len(GOOD)} ", GOOD, {}),
    "chunks": (CHUNKED, chunked(), {}),
    "a coding in capitals": ("transfer-encoding: CHUNKED", chunked(), {}),
    "a chunk extension": (CHUNKED, chunked(b"%x;a=b"), {}),
    "trailers": (CHUNKED, chunked(last=b"0\r\nX-T: a\r\n\r\n"), {}),
    "an absolute target": (LENGTH, GOOD, {"first": f"POST http://evil.example{CHAT} HTTP/1.1"}),
    "a host in brackets": (LENGTH, GOOD, {"host": "Host: [::1]:8300"}),
    "no host in HTTP/1.0": (LENGTH, GOOD, {"first": f"POST {CHAT} HTTP/1.0", "host": None}),
    "a text that is no ASCII in a header": (f"X-A: \xe4\r\n{LENGTH}", GOOD, {}),
    "many headers": ("\r\n".join(f"X-{number}: a" for number in range(100)) + f"\r\n{LENGTH}", GOOD, {}),
}


@pytest.mark.parametrize(("lines", "body", "how"), [pytest.param(*case, id=name) for name, case in TAKEN.items()])
async def test_what_is_unambiguous_is_served_and_nothing_of_its_form_goes_on(outpost, upstream, lines, body, how):
    sent = asked(outpost, lines, "Connection: close", **how) + body
    received, closed = await exchange_raw(outpost, sent)

    assert closed
    assert received.split()[1] == b"200"
    (request,) = upstream.requests
    assert request.body == GOOD
    names = {name.lower() for name, _ in request.headers}
    ours = {"host", "authorization", "content-type", "content-length", "accept", "accept-encoding", "user-agent"}
    assert names <= ours


@pytest.mark.parametrize(
    "target", ["/v1/%63hat/completions", "/v1%2Fchat/completions", "/v1/./chat/completions", "//v1/chat/completions"]
)
async def test_a_path_is_what_was_sent_not_what_it_could_mean(outpost, upstream, target):
    sent = asked(outpost, LENGTH, "Connection: close", first=f"POST {target} HTTP/1.1") + GOOD
    received, _ = await exchange_raw(outpost, sent)
    assert refusals(received) == [(404, ErrorCode.NOT_FOUND)]
    assert not upstream.requests


async def test_http_1_0_is_not_told_to_continue_and_not_kept(outpost):
    sent = asked(outpost, LENGTH, "Expect: 100-continue", first=f"POST {CHAT} HTTP/1.0")
    received, closed = await exchange_raw(outpost, sent + GOOD)
    assert closed
    assert received.startswith(b"HTTP/1.0 200")

    stream = json.dumps(chat(stream=True)).encode()
    sent = asked(outpost, f"Content-Length: {len(stream)}", first=f"POST {CHAT} HTTP/1.0") + stream
    received, closed = await exchange_raw(outpost, sent)
    assert closed
    assert b"chunked" not in received.lower()
    assert received.rstrip().endswith(b"data: [DONE]")


@pytest.mark.parametrize(
    "lines",
    [
        (
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Key: eA==",
            "Sec-WebSocket-Version: 13",
        ),
        ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"),
        ("Connection: upgrade", "Upgrade: TLS/1.3, HTTP/1.1"),
    ],
)
async def test_an_upgrade_that_is_declined_ends_the_connection_and_hides_nothing(outpost, upstream, lines):
    received, closed = await exchange_raw(outpost, asked(outpost, *lines, LENGTH) + GOOD + BEHIND)
    assert closed
    assert b"101" not in received.split(b"\r\n")[0]
    assert received.count(b"HTTP/1.1 ") == 1
    assert len(upstream.requests) == 1


async def test_nothing_of_a_request_can_become_a_header_of_an_answer_or_of_the_call(outpost, client, upstream):
    for name in (
        "x-request-id",
        "x-policy-action",
        "openai-model",
        "anthropic-beta",
        "anthropic-version",
        "connection",
    ):
        sent = asked(outpost, f"{name}: a%0d%0aX-Injected: yes", "Connection: close", LENGTH) + GOOD
        received, _ = await exchange_raw(outpost, sent)
        assert b"injected" not in received.lower()
    response = await client.post(CHAT, json=chat(model="standin-chat\r\nX-Injected: yes"))
    assert "x-injected" not in response.headers
    for request in upstream.requests:
        assert b"njected" not in b"".join(name.encode() + value.encode() for name, value in request.headers)


async def test_a_head_that_grows_is_cut_at_its_bound(start):
    async with start(settings={"max_header_bytes": 4_096}) as running:
        reader, writer = await asyncio.open_connection("127.0.0.1", port_of(running))
        writer.write(f"POST {CHAT} HTTP/1.1\r\n".encode())
        with contextlib.suppress(ConnectionError):
            for _ in range(50):
                writer.write(b"X-More: " + b"a" * 200 + b"\r\n")
                await writer.drain()
                await asyncio.sleep(0.005)
        received = await reader.read()
        assert refusals(received) == [(400, ErrorCode.INVALID_REQUEST)]
        assert b"too large" in received
        assert counted(running, ErrorCode.INVALID_REQUEST, surface="unknown") == 1
        writer.close()


@pytest.mark.parametrize("before", [False, True], ids=["first request", "after another"])
async def test_a_head_that_comes_too_slowly_is_told_so(start, before):
    async with start(settings={"header_timeout_s": 0.2}) as running:
        reader, writer = await asyncio.open_connection("127.0.0.1", port_of(running))
        if before:
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            await reader.readuntil(b"ok\n")
        writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nHost:")
        received = await reader.read()
        assert refusals(received) == [(408, ErrorCode.REQUEST_TIMEOUT)]
        assert counted(running, ErrorCode.REQUEST_TIMEOUT, surface="unknown") == 1
        writer.close()


@pytest.mark.parametrize("drop", [b"1\r\n{\r\n", b"1;" + b"a" * 100, b" "])
async def test_a_body_that_comes_too_slowly_is_told_so_however_it_is_framed(start, drop):
    async with start(settings={"body_timeout_s": 0.3}) as running:
        reader, writer = await asyncio.open_connection("127.0.0.1", port_of(running))
        writer.write(head(running, CHUNKED) if drop != b" " else head(running, length=1_000_000))

        async def drip():
            while True:
                writer.write(drop if drop[:2] != b"1;" else b"a" * 100)
                await asyncio.sleep(0.05)

        if drop[:2] == b"1;":
            writer.write(drop)
        dripping = asyncio.create_task(drip())
        async with asyncio.timeout(8):
            received = await reader.readuntil(b"\r\n\r\n")
        dripping.cancel()
        assert received.startswith(b"HTTP/1.1 408")
        writer.close()


async def test_one_connection_too_many_is_told_so(start):
    async with start(settings={"max_connections": 2}) as running:
        ask = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
        held = [await asyncio.open_connection("127.0.0.1", port_of(running)) for _ in range(2)]
        for reader, writer in held:
            writer.write(ask)
            await reader.readuntil(b"ok\n")
        received, closed = await exchange_raw(running, ask, timeout_s=5)
        assert closed
        assert refusals(received) == [(503, ErrorCode.OVERLOADED)]
        assert b"x-should-retry" not in received
        for _, writer in held:
            writer.close()
        async with asyncio.timeout(5):
            while b"200 OK" not in (await exchange_raw(running, ask, timeout_s=0.2))[0]:  # noqa: ASYNC110 - others go
                await asyncio.sleep(0.02)


async def test_malformed_http_is_recorded_at_the_rate_of_strangers(outpost, capsys):
    for _ in range(130):
        await exchange_raw(outpost, b"GET /" + CARD.encode() + b" HTTP/1.1\r\n\r\n")
    await outpost.audit.append(outpost.events()[0])

    events = outpost.events()[:-1]
    assert 100 <= len(events) < 130
    assert {(event.kind, event.surface, event.code, event.status) for event in events} == {
        ("completion", "unknown", ErrorCode.INVALID_REQUEST, 400)
    }
    assert events[0].detail == "malformed HTTP"
    assert counted(outpost, ErrorCode.INVALID_REQUEST, surface="unknown") == 130
    assert_kept_nowhere(outpost, "".join(capsys.readouterr()))


async def test_data_behind_a_connection_that_was_closed_is_not_read(outpost, upstream):
    sent = asked(outpost, "Connection: close", LENGTH) + GOOD
    reader, writer = await asyncio.open_connection("127.0.0.1", port_of(outpost))
    writer.write(sent)
    await asyncio.sleep(0.05)
    writer.write(head(outpost, length=len(GOOD)) + GOOD)
    assert (await reader.read()).count(b"HTTP/1.1 ") == 1
    writer.close()
    assert len(upstream.requests) == 1
    assert "outpost_requests_in_flight 0.0" in metrics_of(outpost)


async def test_what_speaks_an_old_version_is_answered_in_ours(outpost, upstream):
    received, closed = await exchange_raw(outpost, asked(outpost, LENGTH, first=f"POST {CHAT} HTTP/0.9") + GOOD)
    assert closed
    assert received.startswith(b"HTTP/1.1 400")
    assert not upstream.requests
