"""``/v1/realtime`` over real sockets: OpenAI's own client, refusals, and what each side sees of the other."""

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest
from openai import AsyncOpenAI
from websockets.exceptions import ConnectionClosedError

from outpost.protocol.decisions import Action, Redaction
from outpost.protocol.documents import PolicyDocument
from outpost.protocol.routing import RoutingDocument
from outpost.proxy.enforcement import compile_bundle
from outpost.proxy.surfaces.openai_realtime import RealtimeLimits
from tests.fakes.outpost import PEPPER, make_bundle, make_key, running_outpost
from tests.fakes.realtime import scripted_provider
from tests.fakes.upstream import UPSTREAM_KEY
from tests.outpost.proxy.setup import CARD, EMAIL, assert_kept_nowhere, counted, policy, provider_saying, routing

MODEL = "standin-chat"
SURFACE = "openai.realtime"
INVALID = "provider_invalid_response"


def sdk(running, key=None):
    return AsyncOpenAI(base_url=f"{running.base_url}/v1", api_key=key or running.api_key, max_retries=0)


def item(text):
    return {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}


async def ask(connection, text):
    """Say something, ask for a response; its events."""
    await connection.conversation.item.create(item=item(text))
    await connection.response.create()
    events = []
    async for event in connection:
        events.append(event)
        if event.type in {"response.done", "error"}:
            return events
    return events


def spoken(events):
    return "".join(event.delta for event in events if event.type == "response.output_text.delta")


@asynccontextmanager
async def raw_socket(running, *, key=None, query="?model=standin-chat", **more):
    """A plain WebSocket to the outpost."""
    headers = {"Authorization": f"Bearer {key or running.api_key}"} | more.pop("headers", {})
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{running.base_url}/v1/realtime{query}", headers=headers, **more) as socket,
    ):
        yield socket


async def until_closed(socket, timeout_s=10):
    """Every event to the end, and the close code."""
    async with asyncio.timeout(timeout_s):
        return [json.loads(message.data) async for message in socket], socket.close_code


async def end_of(running):
    """Wait until the connection's end is recorded."""
    async with asyncio.timeout(10):
        while running.events()[-1].kind != "completion":  # noqa: ASYNC110 - it is read from the disk
            await asyncio.sleep(0.01)


@asynccontextmanager
async def between(start, script, limits=None, **more):
    """A provider that runs ``script``, an outpost before it, and a client of that."""
    async with (
        scripted_provider(script) as provider,
        start(base_url=provider.base_url, realtime=limits, **more) as running,
        raw_socket(running) as socket,
    ):
        yield running, socket


def event(kind, **members):
    return {"type": kind, "event_id": "e", **members}


def text_delta(text, **more):
    place = {"response_id": "r", "item_id": "i", "output_index": 0, "content_index": 0}
    return event("response.output_text.delta", **place, delta=text, **more)


DONE = event("response.done", response={"id": "r", "output": [], "usage": {"input_tokens": 3, "output_tokens": 4}})


def saying(*events):
    async def script(socket):
        for one in events:
            if isinstance(one, bytes):
                await socket.send_bytes(one)
            else:
                await socket.send_str(one if isinstance(one, str) else json.dumps(one))

    return script


async def test_openais_client_talks_through_the_outpost_as_directly(outpost, upstream):
    async def conversation(client):
        async with client.realtime.connect(model=MODEL) as connection:
            await connection.session.update(session={"type": "realtime", "instructions": "Be brief."})
            first = await ask(connection, "SAY:Grüße \U0001f30d, all is well")
            await connection.session.update(
                session={
                    "type": "realtime",
                    "tools": [{"type": "function", "name": "weather", "parameters": {"type": "object"}}],
                }
            )
            return first + await ask(connection, 'use the tool ARGS:{"city":"Ulm"}')

    direct = await conversation(AsyncOpenAI(base_url=upstream.openai_url, api_key=UPSTREAM_KEY))
    through = await conversation(sdk(outpost))
    assert [one.to_dict() for one in through] == [one.to_dict() for one in direct]
    assert spoken(through) == "Grüße \U0001f30d, all is well"
    assert outpost.api_key.encode() not in upstream.received()
    await end_of(outpost)
    kinds = [(one.kind, one.direction, one.action) for one in outpost.events()]
    assert kinds.count(("decision", "input", "ALLOW")) == 7
    assert kinds.count(("decision", "output", "ALLOW")) == 2
    assert kinds.count(("completion", "output", "ALLOW")) == 1
    end = outpost.events()[-1]
    assert (end.surface, end.model, end.provider, end.outcome) == (SURFACE, MODEL, "standin", "ok")
    assert end.prompt_tokens > 0
    assert len({one.request_id for one in outpost.events()}) == 1


async def test_a_secret_of_the_client_never_leaves_and_ends_the_connection(outpost, upstream):
    async with sdk(outpost).realtime.connect(model=MODEL) as connection:
        await connection.conversation.item.create(item=item("hello"))
        await connection.conversation.item.create(item=item(f"pay {CARD}"), event_id="my_event")
        said = []
        with pytest.raises(ConnectionClosedError) as closed:  # noqa: PT012 - whatever was said before
            while True:
                said.append(await connection.recv())
    (error,) = [one for one in said if one.type == "error"]
    assert closed.value.rcvd.code == 1008
    assert (error.error.code, error.error.event_id) == ("policy_blocked", "my_event")
    assert CARD not in error.to_json()
    assert b"hello" in upstream.received()
    assert CARD.encode() not in upstream.received()
    assert counted(outpost, "policy_blocked", surface=SURFACE) == 1
    blocked, end = outpost.events()[-2:]
    assert (blocked.action, [one.kind for one in blocked.findings]) == (Action.BLOCK, ["pci.pan"])
    assert (end.outcome, end.code) == ("blocked", "policy_blocked")
    assert_kept_nowhere(outpost)


async def test_what_is_redacted_is_replaced_on_the_way_and_restored_in_the_answer(start, upstream):
    chosen = policy("REDACT", kinds=("pii.email",))
    async with start(chosen) as running:
        async with sdk(running).realtime.connect(model=MODEL) as connection:
            events = await ask(connection, f"SAY:write to {EMAIL} today")
        assert spoken(events) == "write to [REDACTED:pii.email] today"
    rule = chosen.packs[0].rules[0].model_copy(update={"redaction": Redaction.RESTORE})
    pack = chosen.packs[0].model_copy(update={"rules": [rule]})
    rules = chosen.model_copy(update={"packs": [pack]})
    allowed = rules.model_copy(update={"packs": [_input_only(pack)]})
    async with start(allowed) as running:
        async with sdk(running).realtime.connect(model=MODEL) as connection:
            first = await ask(connection, f"SAY:write to {EMAIL} today")
            again = await ask(connection, f"SAY:and <EMAIL_2> and again {EMAIL} and other@example.com now")
        assert spoken(first) == f"write to {EMAIL} today"
        assert spoken(again) == f"and <EMAIL_2> and again {EMAIL} and other@example.com now"
        assert first[-1].response.output[0].content[0].text == spoken(first)
    assert EMAIL.encode() not in upstream.received()
    assert b"<EMAIL_1>" in upstream.received()
    assert b"<EMAIL_3>" in upstream.received()


def _input_only(pack):
    rule = pack.rules[0]
    when = rule.when.model_copy(update={"directions": ["input"]})
    return pack.model_copy(update={"rules": [rule.model_copy(update={"when": when})]})


@pytest.mark.parametrize(
    "events",
    [
        [text_delta("pay 4111 1111"), text_delta(" 1111 1111 now"), text_delta(" and more"), DONE],
        [event("session.created", session={"instructions": CARD})],
        [event("response.function_call_arguments.done", arguments=json.dumps({"to": EMAIL}))],
        [event("something.new", deep=[{"er": EMAIL}])],
    ],
)
async def test_a_secret_of_the_provider_never_arrives(start, events):
    created = event("response.created", response={"id": "r", "status": "in_progress"})
    async with scripted_provider(saying(created, *events)) as provider, start(base_url=provider.base_url) as running:
        async with raw_socket(running) as socket:
            got, code = await until_closed(socket)
        assert code == 1008
        assert [one["type"] for one in got[-2:]] == ["response.done", "error"]
        assert got[-2]["response"]["status_details"]["reason"] == "content_filter"
        assert got[-1]["error"]["code"] == "policy_blocked"
        for secret in (CARD, EMAIL, "4111"):
            assert secret not in json.dumps(got)
        found = [one for one in running.events() if one.direction == "output" and one.kind == "decision"]
        assert [one.action for one in found] == ["BLOCK"]
        assert running.events()[-1].outcome == "blocked"
        async with asyncio.timeout(5):
            await provider.gone.wait()


async def test_sound_is_refused_by_default_and_passes_where_a_policy_lets_it(start, upstream):
    sound = event("input_audio_buffer.append", audio="AAAA")
    async with start(policy("BLOCK")) as running, raw_socket(running) as socket:
        await socket.send_json(sound)
        got, code = await until_closed(socket)
        assert (got[-1]["error"]["code"], code) == ("unscannable", 1008)
    assert b"AAAA" not in upstream.received()
    answer = event("response.output_audio.delta", response_id="r", item_id="i", delta="BBBB")
    async with scripted_provider(saying(answer)) as provider:
        async with start(policy("BLOCK"), base_url=provider.base_url) as running, raw_socket(running) as socket:
            got, code = await until_closed(socket)
            assert (got[-1]["error"]["code"], code) == ("unscannable", 1008)
            assert "BBBB" not in json.dumps(got)
        lenient = policy("BLOCK", kinds=("pci.*",))
        async with start(lenient, base_url=provider.base_url) as running, raw_socket(running) as socket:
            await socket.send_json(sound)
            assert (await socket.receive_json()) == answer
    assert json.loads(provider.texts[0]) == sound


async def test_what_is_no_event_ends_the_connection(outpost, upstream):
    for send, close_code, code in (
        (lambda s: s.send_bytes(b"{}"), 1003, "invalid_request"),
        (lambda s: s.send_str("no JSON"), 1007, "invalid_request"),
        (lambda s: s.send_str('{"type":"a","type":"b"}'), 1007, "invalid_request"),
        (lambda s: s.send_json({"type": "session.update", "session": {"model": "o"}}), 1008, "model_not_allowed"),
    ):
        async with raw_socket(outpost) as socket:
            await send(socket)
            got, closed = await until_closed(socket)
        assert (got[-1]["error"]["code"], closed) == (code, close_code)
    assert len(upstream.requests) == 4  # the handshakes


async def test_an_event_may_be_as_large_as_the_limit_and_no_larger(start, upstream):
    limits = RealtimeLimits(max_event_bytes=10_000)
    async with start(realtime=limits) as running:
        fitting = json.dumps(event("response.cancel", reason=""))
        fitting = fitting.replace('"reason": ""', f'"reason": "{"a " * ((10_000 - len(fitting)) // 2)}"')
        async with raw_socket(running) as socket:
            await socket.send_str(fitting)
            await socket.send_json(event("conversation.item.create", item=item("hello")))
            assert [(await socket.receive_json())["type"] for _ in range(2)] == [
                "session.created",
                "conversation.item.added",
            ]
            await socket.send_str(fitting + " " * 20)
            _, code = await until_closed(socket)
        assert code == 1009
        await end_of(running)
        assert running.events()[-1].code == "request_too_large"
    huge = saying(event("session.created", session="a " * 10_000))
    async with scripted_provider(huge) as provider, start(base_url=provider.base_url, realtime=limits) as running:
        async with raw_socket(running) as socket:
            got, code = await until_closed(socket)
        assert (got[-1]["error"]["code"], code) == ("provider_invalid_response", 1011)


async def refused(running, *, status, code, headers=None, **more):
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        async with raw_socket(running, headers=headers or {}, **more):
            pass
    assert caught.value.status == status
    assert counted(running, code, surface=SURFACE) > 0


async def test_a_connection_is_opened_for_who_may_and_for_what_is_served(start, upstream):
    narrow = make_key(id="narrow", allowed_models=["other"])
    expired = make_key(id="expired", expires_at=datetime.now(UTC) - timedelta(days=1))
    keys = [make_key(), narrow, expired]
    async with start(keys=keys) as running:
        await refused(running, status=401, code="invalid_api_key", key="sk-op-test-nonsense")
        await refused(running, status=401, code="expired_api_key", key=expired[0])
        await refused(running, status=403, code="model_not_allowed", key=narrow[0])
        await refused(running, status=400, code="invalid_request", query="")
        await refused(running, status=400, code="invalid_request", query="?model=a&call_id=b")
        await refused(running, status=403, code="policy_blocked", query=f"?model={EMAIL}")
        await refused(running, status=401, code="invalid_api_key", headers={"x-api-key": narrow[0]})
        async with aiohttp.ClientSession() as session:
            headers = {"Authorization": f"Bearer {running.api_key}"}
            async with session.get(f"{running.base_url}/v1/realtime?model=m", headers=headers) as answer:
                assert (answer.status, (await answer.json())["error"]["code"]) == (400, "invalid_request")
            async with session.post(f"{running.base_url}/v1/realtime?model=m", headers=headers) as answer:
                assert answer.status == 405
        running.admission.revoked = True
        await refused(running, status=403, code="outpost_revoked")
    assert not upstream.requests


async def test_browsers_send_the_key_as_a_subprotocol(outpost, upstream, caplog):
    offered = ["realtime", f"openai-insecure-api-key.{outpost.api_key}", "openai-beta.realtime-v1"]
    url = f"{outpost.base_url}/v1/realtime?model={MODEL}"
    async with aiohttp.ClientSession() as session:
        async with session.ws_connect(url, protocols=offered) as socket:
            assert socket.protocol == "realtime"
            assert (await socket.receive_json())["type"] == "session.created"
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await session.ws_connect(url, protocols=offered[1:2])
        assert caught.value.status == 400
        other = {"Authorization": f"Bearer {make_key()[0]}"}
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await session.ws_connect(url, protocols=offered, headers=other)
        assert caught.value.status == 401
    (received,) = upstream.requests
    assert received.header("OpenAI-Beta") == "realtime=v1"
    assert received.header("Sec-WebSocket-Protocol") is None
    assert received.header("Authorization") == f"Bearer {UPSTREAM_KEY}"
    assert outpost.api_key.encode() not in upstream.received()
    assert outpost.api_key not in caplog.text


async def provider_of_silence(socket):
    await socket.send_json(event("session.created"))


def replaced(running, **more):
    """Another bundle in force."""
    given = {
        "policy": running.admission.enforcement.bundle.policy,
        "keys": running.admission.enforcement.bundle.keys.keys,
    }
    given |= {"routing": running.admission.enforcement.bundle.routing} | more
    bundle = make_bundle(given["policy"], given["routing"], given["keys"])
    running.admission.enforcement = compile_bundle(bundle, {"p1": PEPPER})


CHANGES = {
    "key revoked": (lambda r: replaced(r, keys=[make_key()[1]]), "invalid_api_key", 1008),
    "another provider": (lambda r: replaced(r, routing=routing("http://127.0.0.1:9/v1")), "unknown_model", 1008),
    "policy blocks": (lambda r: replaced(r, policy=policy(default="BLOCK")), "policy_blocked", 1008),
    "outpost revoked": (lambda r: setattr(r.admission, "revoked", True), "outpost_revoked", 1008),
    "no policy": (lambda r: setattr(r.admission, "enforcement", None), "no_policy", 1011),
    "expired": (
        lambda r: setattr(
            r.admission,
            "enforcement",
            replace(
                r.admission.enforcement,
                bundle=replace(
                    r.admission.enforcement.bundle,
                    signed_at=datetime.now(UTC) - timedelta(days=400),
                    expires_at=datetime.now(UTC) - timedelta(days=399),
                ),
            ),
        ),
        "policy_expired",
        1011,
    ),
}


@pytest.mark.parametrize(("change", "code", "close_code"), CHANGES.values(), ids=CHANGES)
async def test_the_next_event_is_refused_once_the_caller_may_not_go_on(start, change, code, close_code):
    slow = RealtimeLimits(tick_s=3600)
    async with (
        scripted_provider(provider_of_silence) as provider,
        start(base_url=provider.base_url, realtime=slow) as running,
        raw_socket(running) as socket,
    ):
        assert (await socket.receive_json())["type"] == "session.created"
        change(running)
        await socket.send_json(event("conversation.item.create", item=item("hello")))
        got, closed = await until_closed(socket)
        assert (got[-1]["error"]["code"], closed) == (code, close_code)
        assert not provider.texts


async def test_who_may_not_go_on_is_told_without_asking(start):
    quick = RealtimeLimits(tick_s=0.05)
    async with between(start, provider_of_silence, quick) as (running, socket):
        await socket.receive_json()
        CHANGES["key revoked"][0](running)
        got, closed = await until_closed(socket)
        assert (got[-1]["error"]["code"], closed) == ("invalid_api_key", 1008)


async def test_a_new_policy_holds_for_what_is_said_next(start, upstream):
    lenient = policy("BLOCK", kinds=("pci.*",))
    async with start(lenient) as running, sdk(running).realtime.connect(model=MODEL) as connection:
        assert EMAIL in spoken(await ask(connection, f"SAY:write to {EMAIL} today"))
        replaced(running, policy=policy("REDACT", kinds=("pii.*",)))
        assert EMAIL not in spoken(await ask(connection, f"SAY:write to {EMAIL} today"))


async def test_the_outpost_says_goodbye_when_it_drains_but_ends_no_response(start):
    go_on = asyncio.Event()

    async def script(socket):
        await socket.send_json(event("response.created", response={"id": "r"}))
        await go_on.wait()
        await socket.send_json(DONE)

    quick = RealtimeLimits(tick_s=0.05)
    async with between(start, script, quick) as (running, socket):
        await socket.receive_json()
        running.admission.draining = True
        with pytest.raises(TimeoutError):
            await socket.receive(timeout=0.3)
        go_on.set()
        got, closed = await until_closed(socket)
    assert ([one["type"] for one in got], closed) == (["response.done"], 1001)


async def test_a_connection_on_which_nothing_is_said_ends(start):
    quick = RealtimeLimits(tick_s=0.05, idle_s=0.2)
    async with between(start, provider_of_silence, quick) as (running, socket):
        got, closed = await until_closed(socket)
        assert (got[-1]["error"]["code"], closed) == ("request_timeout", 1008)
        assert running.events()[-1].code == "request_timeout"


async def test_a_client_that_answers_no_ping_is_gone(start):
    quick = RealtimeLimits(ping_s=0.3)
    async with (
        scripted_provider(provider_of_silence) as provider,
        start(base_url=provider.base_url, realtime=quick) as running,
        raw_socket(running, autoping=False) as socket,
    ):
        await socket.receive_json()
        async with asyncio.timeout(10):
            await provider.gone.wait()
        await end_of(running)
        assert running.events()[-1].outcome == "client_gone"


async def test_a_provider_that_answers_no_ping_is_gone(start):
    quick = RealtimeLimits(ping_s=0.3)

    async def script(socket):
        await socket.send_json(event("session.created"))
        await asyncio.sleep(5)  # reads nothing, so answers nothing

    async with between(start, script, quick) as (running, socket):
        got, closed = await until_closed(socket)
        assert (got[-1]["error"]["code"], closed) == ("provider_unavailable", 1011)
        assert running.events()[-1].outcome == "provider_error"


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ([b"{}"], INVALID),
        (["no JSON"], INVALID),
        (['{"no":"type"}'], INVALID),
        (
            [text_delta("a"), {**text_delta(""), "type": "response.output_text.done"}, text_delta("b")],
            "provider_invalid_response",
        ),
    ],
)
async def test_what_a_provider_says_beside_the_protocol_is_not_passed_on(start, said, code):
    async with scripted_provider(saying(*said)) as provider, start(base_url=provider.base_url) as running:
        async with raw_socket(running) as socket:
            got, closed = await until_closed(socket)
        assert (got[-1]["error"]["code"], closed) == (code, 1011)
        assert "no JSON" not in json.dumps(got)


@pytest.mark.parametrize(("close_code", "expected"), [(1000, 1000), (1001, 1000), (1011, 1011), (1008, 1011)])
async def test_a_provider_that_closes_ends_the_connection(start, close_code, expected):
    async def script(socket):
        await socket.close(code=close_code, message=b"SECRET sk-123")

    async with scripted_provider(script) as provider, start(base_url=provider.base_url) as running:
        async with raw_socket(running) as socket:
            got, closed = await until_closed(socket)
        assert closed == expected
        assert [one["error"]["code"] for one in got] == ["provider_unavailable"] * (expected != 1000)
        assert "SECRET" not in json.dumps(got)


REFUSED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
REFUSALS = [
    (
        b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/steal\r\nContent-Length: 0\r\n\r\n",
        502,
        INVALID,
    ),
    (b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 13\r\n\r\nSECRET sk-123", 502, "provider_error"),
    (b"HTTP/1.1 429 Too Many\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n", 429, "provider_rate_limited"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 502, INVALID),
    (
        REFUSED + b"Sec-WebSocket-Accept: no\r\n\r\n",
        502,
        INVALID,
    ),
    (b"nonsense\r\n\r\n", 502, INVALID),
    (b"", 502, "provider_unavailable"),
]


@pytest.mark.parametrize(("raw", "status", "code"), REFUSALS, ids=[row[2] + str(n) for n, row in enumerate(REFUSALS)])
async def test_a_provider_that_refuses_is_a_refusal_in_http(start, raw, status, code):
    async with provider_saying(raw) as (url, seen, _), start(base_url=url) as running:
        await refused(running, status=status, code=code)
        assert len(seen) <= 2  # aiohttp asks again where a connection was closed without an answer


async def test_a_provider_that_is_not_there_is_a_refusal_in_http(start):
    async with start(base_url="http://127.0.0.1:9/v1") as running:
        await refused(running, status=502, code="provider_unavailable")


async def test_nothing_passes_while_the_audit_log_fails(start, upstream):
    async with start() as running, raw_socket(running) as socket:
        assert (await socket.receive_json())["type"] == "session.created"
        await asyncio.to_thread(running.audit.close)
        await socket.send_json(event("conversation.item.create", item=item("hello")))
        got, closed = await until_closed(socket)
    assert (got[-1]["error"]["code"], closed) == ("audit_unavailable", 1011)
    assert [one["type"] for one in got] == ["error"]


async def test_a_client_that_goes_takes_the_provider_along(start):
    async with scripted_provider(provider_of_silence) as provider, start(base_url=provider.base_url) as running:
        async with raw_socket(running) as socket:
            await socket.receive_json()
            socket._response.connection.transport.abort()
            async with asyncio.timeout(5):
                await provider.gone.wait()
        await end_of(running)
        assert running.events()[-1].outcome == "client_gone"


async def test_a_client_that_reads_nothing_holds_the_provider_up(start):
    """The provider can say no more than the sockets' buffers take; the rest waits on its side."""
    told = 0

    async def script(socket):
        nonlocal told
        for _ in range(4000):
            await socket.send_json(event("rate_limits.updated", rate_limits=["all work and no play " * 10] * 50))
            told += 1

    limits = RealtimeLimits(stall_s=1.0)
    async with between(start, script, limits) as (running, socket):
        socket._conn.transport.pause_reading()
        await end_of(running)
        assert running.events()[-1].outcome == "client_gone"
        assert told < 2000
        assert running.events()[-1].output_bytes < 20_000_000
        socket._conn.transport.abort()


async def test_a_provider_that_reads_nothing_holds_the_client_up(start):
    sent = 0

    async def script(socket):
        socket._req.transport.pause_reading()
        await asyncio.sleep(30)

    limits = RealtimeLimits(stall_s=1.0)
    async with between(start, script, limits) as (running, socket):

        async def say():
            nonlocal sent
            while True:
                await socket.send_json(event("conversation.item.create", item=item("all work and no play " * 500)))
                sent += 1

        saying_on = asyncio.ensure_future(say())
        await end_of(running)
        saying_on.cancel()
        await asyncio.gather(saying_on, return_exceptions=True)
        assert running.events()[-1].code == "provider_unavailable"
        assert sent < 2000


async def test_what_the_policy_wants_elsewhere_never_leaves(upstream):
    inside = {"id": "inside", "surface": "openai", "base_url": "http://127.0.0.1:9/v1", "models": ["llama"]}
    providers = [{"id": "cloud", "surface": "openai", "base_url": upstream.openai_url, "models": ["*"]}, inside]
    rule = {
        "id": "inside",
        "sequence": 1,
        "when": {"findings": ["pii.email"], "directions": ["input"]},
        "action": "ROUTE_TO",
        "route_to": {"provider": "inside"},
    }
    packs = [{"id": "p", "sequence": 1, "default": "ALLOW", "rules": [rule]}]
    documents = (
        PolicyDocument.model_validate_json(json.dumps({"schema_version": "1", "packs": packs})),
        RoutingDocument.model_validate_json(json.dumps({"schema_version": "1", "providers": providers})),
    )
    async with (
        running_outpost(policy=documents[0], routing=documents[1]) as running,
        raw_socket(running) as socket,
    ):
        await socket.send_json({"type": "conversation.item.create", "item": item(f"write to {EMAIL}")})
        events, _ = await until_closed(socket)
        await end_of(running)

        assert events[-1]["error"]["code"] == "route_unavailable"
        assert running.events()[-1].code == "route_unavailable"
        assert EMAIL.encode() not in upstream.received()
