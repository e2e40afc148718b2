"""Several providers behind one outpost: who is asked, who stands in, where the policy sends what it finds."""

import json
import random
from collections import Counter
from contextlib import asynccontextmanager

import httpx
import openai
import pytest

from outpost.demo.provider import StandinOptions
from outpost.protocol.documents import PolicyDocument
from outpost.protocol.routing import RoutingDocument
from tests.fakes.clock import Ticks
from tests.fakes.outpost import running_outpost
from tests.fakes.upstream import running_upstream
from tests.outpost.proxy.setup import CHAT, EMAIL, answer, assert_kept_nowhere, chat, error_of, provider_saying

KEYS = {"cloud": "sk-cloud-0123456789abcdef", "spare": "sk-spare-0123456789abcdef", "inside": "sk-inside-0123456789abc"}
DEAD = "http://127.0.0.1:9/v1"
FULL = answer(json.dumps({"error": {"message": KEYS["cloud"]}}).encode(), "Retry-After: 7", status="429 Too Many")
EVENT = b'data: {"choices":[{"index":0,"delta":{"content":"so, "}}]}\n\n'
BEGUN = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + EVENT


def provider(name, url, **fields):
    return {"id": name, "surface": "openai", "base_url": url, "models": ["*"] if name == "cloud" else [name]} | fields


def policy(*rules, **pack):
    packs = [{"id": "p", "sequence": 1, "default": "ALLOW", "rules": list(rules)} | pack]
    return PolicyDocument.model_validate_json(json.dumps({"schema_version": "1", "packs": packs}))


def routing(*providers, routes=None, retry=None):
    fields = {"schema_version": "1", "providers": list(providers), "routes": routes, "retry": retry}
    return RoutingDocument.model_validate_json(json.dumps(fields))


def one_after_the_other(*names):
    targets = [{"provider": name, "order": number} for number, name in enumerate(names)]
    return [{"id": "r", "models": ["any"], "targets": targets}]


@asynccontextmanager
async def outpost(document, chosen=None, **more):
    async with running_outpost(policy=chosen or policy(), routing=document, provider_key=KEYS.get, **more) as running:
        headers = {"Authorization": f"Bearer {running.api_key}"}
        async with httpx.AsyncClient(base_url=running.base_url, headers=headers, timeout=10) as client:
            yield running, client


@pytest.fixture
async def spare():
    async with running_upstream(api_key=KEYS["spare"]) as running:
        yield running


@pytest.fixture
async def inside():
    async with running_upstream(api_key=KEYS["inside"]) as running:
        yield running


@asynccontextmanager
async def failing(how):
    if how == "dead":
        yield DEAD
    else:
        raw, hold = {"rate limited": (FULL, False), "stalled": (b"", True)}[how]
        async with provider_saying(raw, hold=hold) as (url, _, _):
            yield url


@pytest.mark.parametrize("how", ["dead", "rate limited", "stalled"])
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
async def test_another_provider_stands_in(spare, capsys, how, *, stream):
    async with (
        failing(how) as url,
        outpost(
            routing(
                provider("cloud", url, timeouts={"first_byte_s": 0.3}),
                provider("spare", spare.openai_url),
                routes=one_after_the_other("cloud", "spare"),
            )
        ) as (running, client),
    ):
        response = await client.post(CHAT, json=chat("SAY:all is well", model="any", stream=stream))

        assert response.status_code == 200, response.text
        assert '"finish_reason":"stop"' in response.text.replace(": ", ":")
        assert response.headers["X-Provider"] == "spare"
        decision, completion = running.events()
        assert (decision.provider, decision.attempts) == ("cloud", ())
        outcome = {"dead": "unreachable", "rate limited": "rate_limited", "stalled": "timeout"}[how]
        assert (completion.provider, completion.outcome) == ("spare", "ok")
        assert completion.attempts == (f"cloud {outcome}", "spare ok")
        counted = {"provider": "cloud", "key": "cloud", "outcome": outcome}
        assert running.metrics.registry.get_sample_value("outpost_provider_attempts_total", counted) == 1
        assert_kept_nowhere(running, "".join(capsys.readouterr()), texts=tuple(KEYS.values()))


async def test_after_the_first_byte_the_answer_is_whose_it_is(spare):
    async with (
        provider_saying(BEGUN, hold=True) as (url, _, _),
        outpost(
            routing(
                provider("cloud", url, timeouts={"read_s": 0.3}),
                provider("spare", spare.openai_url),
                routes=one_after_the_other("cloud", "spare"),
            )
        ) as (running, client),
    ):
        response = await client.post(CHAT, json=chat(model="any", stream=True))

        assert response.text.startswith(EVENT.decode())
        assert "provider_timeout" in response.text
        assert not spare.requests
        assert running.events()[-1].outcome == "provider_timeout"


async def test_when_nobody_answers_the_last_ones_word_is_passed_on(capsys):
    async with (
        provider_saying(FULL) as (url, _, _),
        outpost(
            routing(provider("cloud", DEAD), provider("spare", url), routes=one_after_the_other("cloud", "spare"))
        ) as (running, client),
    ):
        response = await client.post(CHAT, json=chat(model="any"))

        error_of(response, 429, "provider_rate_limited")
        assert response.headers["Retry-After"] == "7"
        assert running.events()[-1].attempts == ("cloud unreachable", "spare rate_limited")
        for key in KEYS.values():
            assert key not in response.text + str(response.headers)
        assert_kept_nowhere(running, "".join(capsys.readouterr()), texts=tuple(KEYS.values()))


async def test_a_second_key_takes_over_from_one_that_is_refused(spare, capsys):
    keys = {"keys": [{"id": "cloud"}, {"id": "spare", "weight": 0}]}
    async with outpost(routing(provider("cloud", spare.openai_url, **keys))) as (running, client):
        for _ in range(2):
            response = await client.post(CHAT, json=chat("SAY:hello"))
            assert response.status_code == 200
            assert KEYS["cloud"] not in response.text + str(response.headers)
        first, second = (event for event in running.events() if event.kind == "completion")
        assert first.attempts == ("cloud key_refused", "cloud/spare ok")
        assert second.attempts == ()  # the refused one rests
        assert_kept_nowhere(running, "".join(capsys.readouterr()), texts=tuple(KEYS.values()))


async def test_weights_share_the_requests(spare, inside):
    targets = [{"provider": "spare", "weight": 3}, {"provider": "inside", "weight": 1}]
    document = routing(
        provider("spare", spare.openai_url),
        provider("inside", inside.openai_url),
        routes=[{"id": "r", "models": ["any"], "targets": targets}],
    )
    async with outpost(document, draw=random.Random(11).random) as (_, client):
        went = Counter(
            [(await client.post(CHAT, json=chat("SAY:x", model="any"))).headers["X-Provider"] for _ in range(80)]
        )

    # Three standard deviations of a binomial distribution around 60.
    assert abs(went["spare"] - 60) < 3 * (80 * 0.75 * 0.25) ** 0.5
    assert (len(spare.requests), len(inside.requests)) == (went["spare"], went["inside"])


async def test_who_fails_is_left_in_peace_and_comes_back(spare):
    ticks = Ticks()
    targets = [{"provider": "cloud", "model": "standin-500"}, {"provider": "spare", "order": 1}]
    options = StandinOptions(deterministic=True, api_key=KEYS["cloud"])
    async with running_upstream(options) as cloud:
        document = routing(
            provider("cloud", cloud.openai_url),
            provider("spare", spare.openai_url),
            routes=[{"id": "r", "models": ["standin-chat"], "targets": targets}],
        )
        async with outpost(document, clock_s=ticks) as (running, client):

            async def asked():
                before = len(cloud.requests)
                response = await client.post(CHAT, json=chat("SAY:x"))
                assert response.headers["X-Provider"] == "spare"
                return len(cloud.requests) - before

            assert [await asked() for _ in range(7)] == [1, 1, 1, 1, 1, 0, 0]
            gauge = {"provider": "cloud", "key": ""}
            assert running.metrics.registry.get_sample_value("outpost_provider_ejected", gauge) == 1
            ticks.now_s = 30
            assert [await asked() for _ in range(3)] == [1, 0, 0]
            ticks.now_s = 90
            assert await asked() == 1


INSIDE = {
    "id": "stays-inside",
    "sequence": 5,
    "when": {"findings": ["pii.email"], "directions": ["input"]},
    "action": "ROUTE_TO",
    "route_to": {"provider": "inside", "model": "llama-3"},
}


async def test_what_is_confidential_goes_to_the_local_provider_and_nowhere_else(spare, inside, capsys):
    document = routing(
        provider("cloud", spare.openai_url, keys=[{"id": "spare"}]),
        provider("inside", inside.openai_url, local=True),
    )
    body = b'{ "messages":[{"role":"user","content":"SAY:%s"}],\n "model" : "gpt-4o", "temperature":1.50 }'
    async with outpost(document, policy(INSIDE)) as (running, client):
        harmless = await client.post(CHAT, content=body % b"hello")
        confidential = await client.post(CHAT, content=body % EMAIL.encode())

        assert (harmless.headers["X-Provider"], harmless.headers["X-Model"]) == ("cloud", "gpt-4o")
        assert confidential.headers["X-Policy-Action"] == "ROUTE_TO"
        assert (confidential.headers["X-Provider"], confidential.headers["X-Model"]) == ("inside", "llama-3")
        assert EMAIL in confidential.text
        assert [one.body for one in inside.requests] == [body.replace(b"gpt-4o", b"llama-3") % EMAIL.encode()]
        assert [one.body for one in spare.requests] == [body % b"hello"]
        decision, completion = running.events()[2:]
        assert (decision.action, decision.rule_id, decision.provider) == ("ROUTE_TO", "p/stays-inside", "inside")
        assert (completion.provider, completion.model, completion.upstream_model) == ("inside", "gpt-4o", "llama-3")
        assert_kept_nowhere(running, "".join(capsys.readouterr()), texts=(EMAIL, *KEYS.values()))


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
async def test_if_that_one_is_gone_nobody_takes_its_place(spare, *, stream):
    document = routing(
        provider("cloud", spare.openai_url, keys=[{"id": "spare"}]),
        provider("inside", DEAD),
        routes=one_after_the_other("cloud"),
    )
    async with outpost(document, policy(INSIDE)) as (running, client):
        for model in ("gpt-4o", "any"):
            response = await client.post(CHAT, json=chat(EMAIL, model=model, stream=stream))
            error_of(response, 502, "provider_unavailable")
        assert not spare.requests
        assert running.events()[-1].attempts == ("inside unreachable",)


async def test_where_its_api_is_not_spoken_a_request_is_refused(spare, inside):
    document = routing(
        provider("cloud", spare.openai_url, keys=[{"id": "spare"}]),
        provider("inside", inside.openai_url, surface="anthropic"),
    )
    async with outpost(document, policy(INSIDE)) as (running, client):
        error_of(await client.post("/v1/embeddings", json={"model": "m", "input": EMAIL}), 403, "route_unavailable")
        assert not spare.requests
        assert not inside.requests
        assert [event.outcome for event in running.events()] == [None, "refused"]


async def test_redacted_first_and_then_routed(spare, inside):
    masked = {"id": "mask", "sequence": 1, "when": {"findings": ["pii.email"]}, "action": "REDACT"}
    document = routing(
        provider("cloud", spare.openai_url, keys=[{"id": "spare"}]), provider("inside", inside.openai_url)
    )
    async with outpost(document, policy(masked, INSIDE)) as (_, client):
        response = await client.post(CHAT, json=chat(f"SAY:{EMAIL}"))

        assert response.headers["X-Policy-Action"] == "ROUTE_TO"
        assert EMAIL.encode() not in inside.received()
        assert b"[REDACTED:pii.email]" in inside.received()
        assert not spare.requests


async def test_an_alias_is_a_model_like_any_other_to_the_official_sdk(spare):
    routes = [{"id": "r", "models": ["fast"], "targets": [{"provider": "spare", "model": "standin-mini"}]}]
    async with outpost(routing(provider("spare", spare.openai_url), routes=routes)) as (running, client):
        sdk = openai.AsyncOpenAI(base_url=f"{running.base_url}/v1", api_key=running.api_key, max_retries=0)
        async with sdk:
            said = await sdk.chat.completions.create(model="fast", messages=[{"role": "user", "content": "SAY:hi"}])
            listed = [model.id async for model in sdk.models.list()]

        assert (said.model, said.choices[0].message.content) == ("standin-mini", "hi")
        assert listed == ["spare", "fast"]
        error_of(await client.post(CHAT, json=chat(model="slow")), 404, "unknown_model")


async def test_a_redirect_of_a_provider_leads_nowhere_and_to_nobody_else(spare):
    moved = answer(b"", f"Location: {spare.openai_url}/chat/completions", status="308 Permanent Redirect")
    async with (
        provider_saying(moved) as (url, _, _),
        outpost(
            routing(
                provider("cloud", url),
                provider("spare", spare.openai_url),
                routes=one_after_the_other("cloud", "spare"),
            )
        ) as (_, client),
    ):
        error_of(await client.post(CHAT, json=chat(model="any")), 502, "provider_invalid_response")
        assert not spare.requests


ADDRESSES = ["http://127.0.0.1:9/", "../../admin", "//evil.example/v1", "m?x=http://evil.example", "m\r\nHost: evil"]


@pytest.mark.parametrize("name", ADDRESSES)
async def test_no_caller_chooses_an_address(spare, name):
    async with outpost(routing(provider("cloud", spare.openai_url, keys=[{"id": "spare"}]))) as (_, client):
        headers = {"X-Forwarded-Host": "evil.example", "X-Original-URL": "/admin", "Forwarded": "host=evil.example"}
        await client.post(CHAT, json=chat("SAY:x", model=name, base_url=name, provider=name), headers=headers)

        (received,) = spare.requests
        assert (received.method, received.path) == ("POST", "/v1/chat/completions")
        assert received.header("host") == spare.base_url.removeprefix("http://")
        assert not {"x-forwarded-host", "x-original-url", "forwarded"} & {key.lower() for key, _ in received.headers}
