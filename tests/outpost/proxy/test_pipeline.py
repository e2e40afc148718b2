import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from outpost.demo.faults import MARKER
from outpost.demo.provider import StandinOptions
from outpost.errors import AuditUnavailable, CouldNotInspect
from outpost.protocol.codes import ErrorCode
from outpost.protocol.detectors import CustomRule, DetectorsDocument
from outpost.protocol.findings import Finding
from outpost.proxy.enforcement import compile_bundle
from tests.fakes.upstream import UPSTREAM_KEY, running_upstream
from tests.outpost.proxy.setup import (
    CARD,
    CHAT,
    EMAIL,
    Broken,
    answer,
    assert_kept_nowhere,
    chat,
    counted,
    error_of,
    exchange_raw,
    metrics_of,
    policy,
    provider_saying,
)

PROMPT = chat(f"SAY:{EMAIL} says hello")
OPEN = policy(None)


def revoke(running):
    running.admission.revoked = True


def forget(running):
    running.admission.enforcement = None


def turn_back(running):
    running.admission.clock_floor_at = datetime.now(UTC) + timedelta(hours=1)


def break_audit(running):
    running.admission.audit_is_healthy = lambda: False


CLOSED = {
    "no policy": (forget, 503, ErrorCode.NO_POLICY, True),
    "clock behind the floor": (turn_back, 503, ErrorCode.CLOCK_UNTRUSTED, True),
    "revoked": (revoke, 403, ErrorCode.OUTPOST_REVOKED, True),
    "audit known to fail": (break_audit, 503, ErrorCode.AUDIT_UNAVAILABLE, False),
}


@pytest.mark.parametrize(
    ("close", "status", "code", "audited"), [pytest.param(*case, id=name) for name, case in CLOSED.items()]
)
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
async def test_a_closed_gate_is_closed_for_everybody(  # noqa: PLR0917 - fixtures and a row
    start, client_of, upstream, capsys, close, status, code, audited, *, stream
):
    async with start(OPEN) as running, client_of(running) as client:
        close(running)
        response = await client.post(CHAT, json=PROMPT | {"stream": stream})
        models = await client.get("/v1/models")
        ready = await client.get("/readyz")

        error_of(response, status, code)
        error_of(models, status, code)
        assert ready.status_code == 503
        assert response.headers["x-should-retry"] == "false"
        assert response.headers["X-Policy-Action"] == "BLOCK"
        assert counted(running, code) == 1
        assert not upstream.requests
        events = running.events()
        assert [event.code for event in events] == [code, code] * audited
        assert all(event.rule_id == f"fail-closed/{code}" for event in events)
        assert_kept_nowhere(running, "".join(capsys.readouterr()))


async def test_beyond_its_time_a_policy_lets_nothing_pass(start, client_of, upstream):
    now = datetime(2026, 1, 1, tzinfo=UTC)
    async with start(OPEN, clock=lambda: now) as running, client_of(running) as client:
        assert (await client.post(CHAT, json=PROMPT)).status_code == 200
        now += timedelta(days=6)  # stale, but still enforced
        assert (await client.post(CHAT, json=PROMPT)).status_code == 200
        now += timedelta(days=1, seconds=1)
        error_of(await client.post(CHAT, json=PROMPT), 503, ErrorCode.POLICY_EXPIRED)
        assert len(upstream.requests) == 2
        now -= timedelta(days=8)
        error_of(await client.post(CHAT, json=PROMPT), 503, ErrorCode.CLOCK_UNTRUSTED)
        assert [event.code for event in running.events()[-2:]] == ["policy_expired", "clock_untrusted"]


class Failing:
    """An audit log whose ``failing`` event and all later ones cannot be made durable."""

    def __init__(self, audit, failing, *, at_once):
        self.submit_really, self.failing, self.at_once, self.count = audit.submit, failing, at_once, 0

    def submit(self, event, **how):
        self.count += 1
        if self.count < self.failing:
            return self.submit_really(event, **how)
        if self.at_once:
            raise AuditUnavailable("the disk is full")
        future = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_later(0.05, future.set_exception, AuditUnavailable("the disk is full"))
        return future


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("failing", [1, 2], ids=["decision", "completion"])
@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("model", ["standin-chat", "standin-500"])
async def test_without_a_durable_record_nothing_is_released(  # noqa: PLR0917 - likewise
    start, client_of, monkeypatch, failing, at_once, model, stream
):
    async with start(OPEN) as running, client_of(running) as client:
        monkeypatch.setattr(running.audit, "submit", Failing(running.audit, failing, at_once=at_once).submit)
        response = await client.post(CHAT, json=chat("SAY:one two", model=model, stream=stream))

        if stream and failing == 2 and model == "standin-chat":
            # The stream had begun under a durable decision; its last bytes stay here.
            assert response.status_code == 200
            last = response.text.strip().rsplit("\n\n", 1)[1]
            assert json.loads(last.removeprefix("data: "))["error"]["code"] == ErrorCode.AUDIT_UNAVAILABLE
            assert "[DONE]" not in response.text
            assert counted(running, ErrorCode.AUDIT_UNAVAILABLE, "ALLOW") == 1
        else:
            error_of(response, 503, ErrorCode.AUDIT_UNAVAILABLE)
            assert "one" not in response.text
            assert counted(running, ErrorCode.AUDIT_UNAVAILABLE) == 1


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        (CouldNotInspect(ErrorCode.INSPECTION_UNAVAILABLE, "too much"), 503, ErrorCode.INSPECTION_UNAVAILABLE),
        (None, 500, ErrorCode.INTERNAL_ERROR),
    ],
    ids=["bounds", "bug"],
)
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
async def test_what_cannot_be_inspected_does_not_pass(  # noqa: PLR0917 - likewise
    start, client_of, upstream, capsys, fault, status, code, *, stream
):
    async with start(OPEN, engine=Broken(fault, "tripwire")) as running, client_of(running) as client:
        refused = await client.post(CHAT, json=chat(f"tripwire {CARD} {EMAIL}", stream=stream))

        error_of(refused, status, code)
        assert not upstream.requests
        assert running.events()[-1].code == code
        assert counted(running, code) == 1
        assert_kept_nowhere(running, "".join(capsys.readouterr()))


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
async def test_what_passed_under_an_older_policy_is_inspected_again(start, client_of, upstream, *, stream):
    """Nothing is remembered beyond the policy in force: what it looks for is found in texts that were clean before."""
    said = chat("the plans of quxley", stream=stream)
    async with start(policy("BLOCK")) as running, client_of(running) as client:
        assert [(await client.post(CHAT, json=said)).status_code for _ in range(2)] == [200, 200]
        now = running.admission.enforcement
        rule = CustomRule(id="projects", kind="custom.projects", keywords=["quxley"])
        detectors = DetectorsDocument(schema_version="1", custom=[rule])
        running.admission.enforcement = compile_bundle(replace(now.bundle, detectors=detectors), now.peppers, now)

        for _ in range(2):
            error_of(await client.post(CHAT, json=said), 403, ErrorCode.POLICY_BLOCKED)
        assert len(upstream.requests) == 2
        running.admission.enforcement = now
        assert (await client.post(CHAT, json=said)).status_code == 200


async def test_more_findings_than_are_counted_do_not_pass(start, client_of, upstream):
    async with start(OPEN) as running, client_of(running) as client:
        refused = await client.post(CHAT, json=chat(f"{EMAIL} " * 11_000))
        split = chat()
        split["messages"] = [{"role": "user", "content": f"{EMAIL} " * 1_000}] * 11
        error_of(await client.post(CHAT, json=split), 503, ErrorCode.INSPECTION_UNAVAILABLE)

        error_of(refused, 503, ErrorCode.INSPECTION_UNAVAILABLE)
        assert not upstream.requests


FAILURES = {
    "not JSON": (answer(b"<html>"), 502, ErrorCode.PROVIDER_INVALID_RESPONSE),
    "not a completion": (answer(b'{"error":{"message":"x"}}'), 502, ErrorCode.PROVIDER_INVALID_RESPONSE),
    "duplicate names": (answer(b'{"choices":[],"choices":[]}'), 502, ErrorCode.PROVIDER_INVALID_RESPONSE),
    "not UTF-8": (answer(b'{"choices":["\xff"]}'), 502, ErrorCode.PROVIDER_INVALID_RESPONSE),
    "an event stream nobody asked for": (
        answer(b"data: {}\n\n", kind="text/event-stream"),
        502,
        ErrorCode.PROVIDER_INVALID_RESPONSE,
    ),
    "compressed": (answer(b"\x1f\x8b", "Content-Encoding: gzip"), 502, ErrorCode.PROVIDER_INVALID_RESPONSE),
    "redirect": (
        answer(b"", "Location: http://127.0.0.1:1/evil", status="307 Temporary Redirect"),
        502,
        ErrorCode.PROVIDER_INVALID_RESPONSE,
    ),
    "no content": (answer(b"", status="204 No Content"), 502, ErrorCode.PROVIDER_INVALID_RESPONSE),
    "not HTTP": (b"SSH-2.0-x\r\n\r\n", 502, ErrorCode.PROVIDER_INVALID_RESPONSE),
    "nothing": (b"", 502, ErrorCode.PROVIDER_UNAVAILABLE),
    "cut off": (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{",
        502,
        ErrorCode.PROVIDER_INVALID_RESPONSE,
    ),
    "an error with the key": (
        answer(
            json.dumps({"error": {"message": UPSTREAM_KEY, "code": UPSTREAM_KEY, "param": UPSTREAM_KEY}}).encode(),
            status="400 Bad Request",
        ),
        400,
        ErrorCode.PROVIDER_ERROR,
    ),
    "its key refused": (answer(UPSTREAM_KEY.encode(), status="401 Unauthorized"), 502, ErrorCode.PROVIDER_ERROR),
    "a teapot": (answer(b"", status="418 Teapot"), 502, ErrorCode.PROVIDER_INVALID_RESPONSE),
    "overloaded": (answer(b"{}", status="529 Overloaded"), 502, ErrorCode.PROVIDER_UNAVAILABLE),
    "rate limited": (
        answer(b"{}", f"Retry-After: {CARD}", status="429 Too Many"),
        429,
        ErrorCode.PROVIDER_RATE_LIMITED,
    ),
    "endless error": (answer(b"x" * 1_000_000, status="500 Oops"), 502, ErrorCode.PROVIDER_UNAVAILABLE),
    "usage that is none": (
        answer(b'{"choices":[],"usage":{"prompt_tokens":-1,"completion_tokens":99999999999999999999}}'),
        200,
        None,
    ),
    "odd headers": (answer(b'{"choices":[]}', f"openai-version: {EMAIL}", f"Set-Cookie: {EMAIL}"), 200, None),
}


@pytest.mark.parametrize(("raw", "status", "code"), [pytest.param(*case, id=name) for name, case in FAILURES.items()])
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
async def test_whatever_the_provider_answers_the_client_gets_ours(
    start, client_of, capsys, raw, status, code, *, stream
):
    if stream and b"data: {}" in raw:
        pytest.skip("here somebody asked for it")
    async with (
        provider_saying(raw) as (url, seen, _),
        start(OPEN, url) as running,
        client_of(running) as client,
    ):
        response = await client.post(CHAT, json=PROMPT | {"stream": stream})

        assert response.status_code == status, response.text
        assert EMAIL not in str(response.headers)
        assert len(seen) == 1
        event = running.events()[-1]
        assert (event.kind, event.status) == ("completion", status)
        if code is not None:
            error_of(response, status, code)
            retried = code in {ErrorCode.PROVIDER_UNAVAILABLE, ErrorCode.PROVIDER_RATE_LIMITED}
            assert ("x-should-retry" in response.headers) != retried
            assert (event.outcome, event.code) == ("provider_error", code)
            assert counted(running, code) == 1
        assert_kept_nowhere(running, "".join(capsys.readouterr()), texts=(UPSTREAM_KEY, EMAIL, CARD))


async def test_a_provider_that_is_not_there_is_said_to_be_so(start, client_of):
    async with start(OPEN, "http://127.0.0.1:9/v1") as running, client_of(running) as client:
        error_of(await client.post(CHAT, json=chat()), 502, ErrorCode.PROVIDER_UNAVAILABLE)


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize(
    "model", ["standin-stall", "standin-reset", "standin-cut", "standin-huge", "standin-notjson", "standin-error-event"]
)
async def test_a_provider_that_breaks_off_ends_the_exchange(start, client_of, capsys, model, *, stream):
    settings = {"provider_read_timeout_s": 0.5, "max_answer_bytes": 1_000_000}
    options = StandinOptions(deterministic=True, huge_bytes=3_000_000)
    async with (
        running_upstream(options) as upstream,
        start(OPEN, upstream.openai_url, settings=settings) as running,
        client_of(running) as client,
    ):
        response = await client.post(CHAT, json=chat(model=model, stream=stream))
        event = running.events()[-1]

        assert MARKER not in response.text
        if response.status_code == 200:
            assert stream
            last = response.text.strip().rsplit("\n\n", 1)[-1]
            assert model == "standin-cut" or json.loads(last.removeprefix("data: "))["error"]["code"] == event.code
        else:
            error_of(response, 504 if model == "standin-stall" else 502, event.code)
        assert event.kind == "completion"
        assert event.outcome in {"provider_timeout", "provider_error"} or model == "standin-cut"
        assert_kept_nowhere(running, "".join(capsys.readouterr()), texts=(MARKER, UPSTREAM_KEY))


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
async def test_when_the_client_goes_away_so_does_the_call(start, stream):
    event = b'data: {"choices":[{"index":0,"delta":{"content":"so, "}}]}\n\n'
    begun = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + event if stream else b""
    async with provider_saying(begun, hold=True) as (url, _, gone), start(OPEN, url) as running:
        body = json.dumps(chat(stream=stream)).encode()
        head = f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nx-api-key: {running.api_key}\r\nContent-Length: {len(body)}\r\n\r\n"
        received, _ = await exchange_raw(running, head.encode() + body, timeout_s=0.5)

        assert (event.strip() in received) == stream
        async with asyncio.timeout(3):
            await gone.wait()
        await asyncio.sleep(0.2)
        assert [event.outcome for event in running.events()] == [None, "client_gone"]
        assert counted(running, "client_gone", "ALLOW" if stream else "BLOCK") == 1
        assert "outpost_requests_in_flight 0.0" in metrics_of(running)


FIRST_EVENTS = {
    "/v1/messages": {"type": "message_start", "message": {"id": "msg_1", "content": []}},
    "/v1/responses": {"type": "response.created", "response": {"id": "resp_1", "output": []}},
    "/v1/completions": {"choices": [{"index": 0, "text": "so, "}]},
}


@pytest.mark.parametrize("path", FIRST_EVENTS)
async def test_on_every_surface_the_call_ends_with_the_client(start, path):
    event = b"data: " + json.dumps(FIRST_EVENTS[path]).encode() + b"\n\n"
    begun = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + event
    async with provider_saying(begun, hold=True) as (url, _, gone), start(OPEN, url) as running:
        body = json.dumps(chat(stream=True)).encode()
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nx-api-key: {running.api_key}\r\nContent-Length: {len(body)}\r\n\r\n"
        received, _ = await exchange_raw(running, head.encode() + body, timeout_s=0.5)

        assert event.strip() in received
        async with asyncio.timeout(3):
            await gone.wait()
        await asyncio.sleep(0.2)
        assert [event.outcome for event in running.events()] == [None, "client_gone"]


async def test_one_exchange_has_one_end(start, client_of):
    async with start(policy("BLOCK", kinds=("pci.pan",))) as running, client_of(running) as client:
        for body in (chat("SAY:hi"), chat("SAY:hi", stream=True), chat(CARD), chat(model="standin-500")):
            await client.post(CHAT, json=body)
        events = running.events()

    ends = [event.request_id for event in events if event.kind == "completion"]
    assert len(ends) == len(set(ends)) == 4
    assert [event.kind for event in events] == ["decision", "completion"] * 4


async def test_requests_and_findings_are_counted(start, client_of):
    async with start(policy("REDACT")) as running, client_of(running) as client:
        for stream in (False, True):
            await client.post(CHAT, json=chat(f"SAY:{EMAIL}", stream=stream))
        assert counted(running, "", "REDACT") == 2
        labels = {"kind": "pii.email", "direction": "input"}
        assert running.metrics.registry.get_sample_value("outpost_findings_total", labels) == 2


def test_findings_are_never_texts():
    assert not any("text" in name for name in Finding.__slots__)
