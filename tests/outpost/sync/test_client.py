import asyncio
import base64
import hashlib
import json
import ssl

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from outpost.errors import BundleRejected, ControlPlaneUnavailable, ControlPlaneUntrusted, OutpostError, Rejected
from outpost.protocol.codes import ErrorCode
from outpost.protocol.messages import AuditBatch, Heartbeat
from outpost.sync.client import ControlPlaneClient, Timeouts

DIGEST = hashlib.sha256(b"x" * 100).hexdigest()
CALLS = {
    "metadata": lambda client: client.fetch_metadata("timestamp.json", 100),
    "target": lambda client: client.fetch_target(f"{DIGEST}.policy.json", 100),
    "watch": lambda client: client.watch(3),
    "heartbeat": lambda client: client.heartbeat(
        Heartbeat.model_validate_json(
            '{"outpost_version":"1","sent_at":"2026-06-01T12:00:00Z","bundle":null,"audit_size":0,"audit_delivered":0}'
        )
    ),
    "audit": lambda client: client.push_audit(AuditBatch(first_seq=0, events=["{}"], checkpoint="note")),
    "secrets": lambda client: client.fetch_secrets(),
}
every_call = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)


class Endless(httpx.AsyncByteStream):
    """A body without an end; ``sent`` counts what was asked of it."""

    def __init__(self, pause_s: float = 0.0, chunk: bytes = b"x" * 1000) -> None:
        self.sent = 0
        self.pause_s = pause_s
        self.chunk = chunk

    async def __aiter__(self):
        while True:
            await asyncio.sleep(self.pause_s)
            self.sent += len(self.chunk)
            yield self.chunk


class Breaks(httpx.AsyncByteStream):
    """A body whose sender goes away in the middle."""

    async def __aiter__(self):
        yield b'{"snapshot_'
        raise httpx.RemoteProtocolError("peer closed connection without sending complete message body")


@pytest.fixture
def answering(identity):
    """A client whose every request gets what the given function returns."""

    def answering(answer, **timeouts: float) -> ControlPlaneClient:
        return ControlPlaneClient(
            identity,
            transport=httpx.MockTransport(lambda request: answer(request) if callable(answer) else answer),
            timeouts=Timeouts(**timeouts),
        )

    return answering


def body(**fields) -> httpx.Response:
    return httpx.Response(200, content=json.dumps(fields))


async def test_every_call_works_against_the_control_plane(client, plane):
    version = plane.publish()
    assert json.loads(await client.fetch_metadata("timestamp.json", 16_384))["signed"]["_type"] == "timestamp"
    assert await client.fetch_metadata("99.root.json", 1000) is None
    assert await client.watch(version - 1) == version
    assert await client.watch(version) is None
    assert (await CALLS["heartbeat"](client)).interval_s == 30
    assert (await client.fetch_secrets()).version == plane.secrets_version
    (name, digest), content = next(iter(plane.store.targets.items()))
    assert await client.fetch_target(f"{digest}.{name}", len(content)) == content


async def test_a_target_that_is_not_there_is_a_refusal(client):
    with pytest.raises(Rejected) as refused:
        await client.fetch_target("0" * 64 + ".policy.json", 10)
    assert refused.value.code is ErrorCode.NOT_FOUND


@every_call
async def test_a_refusal_carries_its_code(answering, call):
    answer = httpx.Response(403, content=b'{"code":"outpost_revoked","message":"revoked"}')
    with pytest.raises(Rejected) as refused:
        await call(answering(answer))
    assert refused.value.code is ErrorCode.OUTPOST_REVOKED


@every_call
@pytest.mark.parametrize("status", [302, 429, 500, 503])
async def test_trouble_carries_its_retry_after(answering, call, status):
    with pytest.raises(ControlPlaneUnavailable) as unavailable:
        await call(answering(httpx.Response(status, headers={"Retry-After": "9", "Location": "/elsewhere"})))
    assert unavailable.value.retry_after_s == 9


@every_call
@pytest.mark.parametrize(
    "error", [httpx.ConnectError("refused"), httpx.ReadTimeout("slow"), ssl.SSLError("alert"), OSError("gone")]
)
async def test_no_connection_is_unavailable(answering, call, error):
    def refuse(request):
        raise error

    with pytest.raises(ControlPlaneUnavailable):
        await call(answering(refuse))


@every_call
async def test_endless_data_is_cut_at_the_limit(answering, call):
    stream = Endless()
    with pytest.raises(ControlPlaneUntrusted, match="larger than"):
        await call(answering(httpx.Response(200, stream=stream)))
    assert stream.sent <= 1_100_000


@every_call
async def test_an_endless_error_body_is_cut_too(answering, call):
    stream = Endless()
    with pytest.raises(Rejected):
        await call(answering(httpx.Response(400, stream=stream)))
    assert stream.sent <= 20_000


@every_call
async def test_a_trickle_ends_at_the_total_timeout(answering, call):
    answer = httpx.Response(200, stream=Endless(pause_s=0.01, chunk=b"x"))
    with pytest.raises(ControlPlaneUnavailable, match="no whole answer"):
        await call(answering(answer, total_s=0.1, download_total_s=0.1, watch_s=0.1))


@every_call
async def test_a_body_that_breaks_off_is_unavailable(answering, call):
    with pytest.raises(ControlPlaneUnavailable):
        await call(answering(httpx.Response(200, stream=Breaks())))


@every_call
@pytest.mark.parametrize("status", [200, 400])
async def test_a_compressed_answer_is_not_unpacked(answering, call, status):
    answer = httpx.Response(status, headers={"Content-Encoding": "gzip"}, stream=Endless())
    with pytest.raises(ControlPlaneUntrusted if status == 200 else Rejected):
        await call(answering(answer))


async def test_exactly_the_limit_passes_and_one_more_does_not(answering):
    client = answering(httpx.Response(200, content=b"x" * 100))
    assert await client.fetch_target(DIGEST, 100) == b"x" * 100
    with pytest.raises(ControlPlaneUntrusted):
        await answering(httpx.Response(200, content=b"x" * 100)).fetch_target(DIGEST, 99)


async def test_a_target_is_named_by_its_digest_and_has_it(answering):
    for name, error in (("policy.json", BundleRejected), ("0" * 64 + ".policy.json", BundleRejected)):
        with pytest.raises(error):
            await answering(httpx.Response(200, content=b"x" * 100)).fetch_target(name, 100)


async def test_caches_are_gone_around_when_asked_to(answering):
    seen = []

    def answer(request):
        seen.append(request.headers.get("Cache-Control"))
        return httpx.Response(200, content=b"x" * 100)

    client = answering(answer)
    for past in (False, True, False):
        client.past_caches = past
        await client.fetch_target(DIGEST, 100)
        await client.fetch_metadata("1.root.json", 100)
    assert seen == [None, None, "no-cache", "no-cache", None, None]


async def test_a_watch_asks_for_what_is_newer_than_it_knows(answering):
    seen = []

    def answer(request):
        seen.append(request)
        return httpx.Response(304)

    assert await answering(answer).watch(7) is None
    assert (seen[0].url.query, seen[0].headers["If-None-Match"]) == (b"after=7", '"7"')


async def test_not_modified_is_no_answer_to_what_was_not_asked(answering):
    with pytest.raises(ControlPlaneUnavailable):
        await answering(httpx.Response(304)).fetch_secrets()


@pytest.mark.parametrize("answer", [httpx.Response(204), body(snapshot_version=3), body(snapshot_version=0)])
async def test_a_watch_without_news_is_none(answering, answer):
    assert await answering(answer).watch(3) is None


@pytest.mark.parametrize("name", ["watch", "heartbeat", "audit", "secrets"])
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.one_of(
    st.binary(max_size=40),
    st.just(b"[" * 50_000),
    st.fixed_dictionaries({}, optional={
        "snapshot_version": st.integers() | st.text(), "server_time": st.text(), "interval_s": st.integers(),
        "size": st.integers(), "note": st.text(), "version": st.integers(),
        "sealed": st.text() | st.binary().map(lambda data: base64.b64encode(data).decode()),
    }).map(lambda fields: json.dumps(fields).encode()),
))  # fmt: skip
async def test_any_answer_gives_a_message_or_a_typed_error(answering, name, content):
    client = answering(httpx.Response(200, content=content))
    try:
        message = await CALLS[name](client)
    except OutpostError as err:
        assert isinstance(err, ControlPlaneUntrusted | ControlPlaneUnavailable)  # noqa: PT017 - both ends are right
    else:
        assert message is None or message
    finally:
        await client.close()
