"""Who opens a realtime connection when the first cannot: over real sockets."""

import contextlib
import json

import aiohttp
import pytest

from outpost.protocol.routing import RoutingDocument
from tests.fakes.outpost import running_outpost
from tests.fakes.realtime import scripted_provider
from tests.fakes.upstream import running_upstream
from tests.outpost.proxy.setup import answer, policy, provider_saying
from tests.outpost.proxy.test_realtime import end_of

DEAD = "http://127.0.0.1:9/v1"


def routed(*urls, **retry):
    """A model at several providers, each of a higher order than the one before."""
    names = "abc"[: len(urls)]
    providers = [
        {"id": name, "surface": "openai", "base_url": url, "models": [name]}
        for name, url in zip(names, urls, strict=True)
    ]
    targets = [{"provider": name, "order": order} for order, name in enumerate(names)]
    routes = [{"id": "r", "models": ["standin-chat"], "targets": targets}]
    document = {"schema_version": "1", "providers": providers, "routes": routes, "retry": retry}
    return RoutingDocument.model_validate_json(json.dumps(document))


@contextlib.asynccontextmanager
async def opened(running):
    headers = {"Authorization": f"Bearer {running.api_key}"}
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{running.base_url}/v1/realtime?model=standin-chat", headers=headers) as socket,
    ):
        yield socket


def attempts(running):
    """What was tried, by provider and outcome, as the metrics say."""
    family = next(one for one in running.metrics.attempts.collect())
    return {
        (sample.labels["provider"], sample.labels["outcome"]): sample.value
        for sample in family.samples
        if sample.name.endswith("_total")
    }


REFUSING = {
    "busy": (answer(b"{}", "Retry-After: 5", status="429 Too Many"), "rate_limited"),
    "overloaded": (answer(b"{}", status="503 Not Now"), "overloaded"),
    "failed": (answer(b"{}", status="500 Oops"), "failed"),
    "key refused": (answer(b"{}", status="401 No"), "key_refused"),
    "hung up": (b"", "broken"),
    "no WebSocket": (answer(b"{}", "Location: http://127.0.0.1:9/", status="307 Elsewhere"), None),
}


@pytest.mark.parametrize(("raw", "outcome"), REFUSING.values(), ids=REFUSING)
async def test_another_opens_it_whatever_kept_the_first_from_it(raw, outcome):
    async with (
        provider_saying(raw) as (bad, asked, _),
        running_upstream(api_key=None) as upstream,
        running_outpost(policy=policy(), routing=routed(DEAD, bad, upstream.openai_url)) as running,
    ):
        if outcome is None:
            with pytest.raises(aiohttp.WSServerHandshakeError):
                async with opened(running):
                    pass
            assert attempts(running) == {("a", "unreachable"): 1, ("b", "invalid"): 1}
            return
        async with opened(running) as socket:
            assert (await socket.receive_json())["type"] == "session.created"
            await socket.send_json({"type": "response.create"})
            said = [json.loads((await socket.receive()).data)["type"] for _ in range(3)]
        assert "response.created" in said
        assert attempts(running) == {("a", "unreachable"): 1, ("b", outcome): 1, ("c", "ok"): 1}
        assert asked
        await end_of(running)
        end = running.events()[-1]
    assert (end.provider, end.outcome) == ("c", "ok")
    assert end.attempts == ("a unreachable", f"b {outcome}", "c ok")


async def test_as_often_as_the_bundle_allows():
    async with (
        running_upstream(api_key=None) as upstream,
        running_outpost(policy=policy(), routing=routed(DEAD, upstream.openai_url, max_attempts=1)) as running,
    ):
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            async with opened(running):
                pass
        assert refused.value.status == 502
        assert attempts(running) == {("a", "unreachable"): 1}


async def test_who_was_left_in_peace_is_asked_last_and_an_open_connection_stays_where_it_is():
    async def silent(socket):
        await socket.send_str('{"type": "session.created", "event_id": "e", "session": {}}')

    async with (
        scripted_provider(silent) as stands_in,
        running_outpost(policy=policy(), routing=routed(DEAD, stands_in.base_url)) as running,
    ):
        for _ in range(5):
            async with opened(running) as socket:
                await socket.receive_json()
        async with opened(running) as socket:
            await socket.receive_json()
            await socket.send_json({"type": "response.create"})  # the first is not there, and that is no reason to end
        assert attempts(running) == {("a", "unreachable"): 5, ("b", "ok"): 6}
