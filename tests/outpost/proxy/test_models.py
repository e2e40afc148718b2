import json

import anthropic
import pytest
from anthropic import AsyncAnthropic

from outpost.protocol.codes import ErrorCode
from outpost.protocol.routing import Provider, RoutingDocument
from tests.fakes.outpost import make_key, running_outpost
from tests.fakes.upstream import UPSTREAM_KEY
from tests.outpost.proxy.setup import EMAIL, answer, error_of, policy, provider_saying


def listing(*entries):
    return answer(json.dumps({"object": "list", "data": list(entries)}).encode())


async def test_models_of_the_bundle_are_listed_without_asking_anybody(upstream, client_of):
    providers = [Provider(id="p", surface="openai", base_url="http://127.0.0.1:9/v1", models=["a", "b/c"])]
    document = RoutingDocument(schema_version="1", providers=providers)
    async with running_outpost(policy=policy(), routing=document) as running, client_of(running) as client:
        got = (await client.get("/v1/models")).json()
        one = await client.get("/v1/models/b/c")
        none = await client.get("/v1/models/d")

    assert [entry["id"] for entry in got["data"]] == ["a", "b/c"]
    assert one.json() == {"id": "b/c", "object": "model", "created": 0, "owned_by": "p"}
    assert len(one.headers["X-Request-Id"]) == 36
    error_of(none, 404, ErrorCode.UNKNOWN_MODEL)


async def test_a_key_sees_only_what_it_may_use(start, client_of):
    key = make_key(allowed_models=["standin-mini"])
    async with start(keys=[key]) as running, client_of(running) as client:
        got = (await client.get("/v1/models")).json()

        assert [entry["id"] for entry in got["data"]] == ["standin-mini"]
        error_of(await client.get("/v1/models/standin-chat"), 404, ErrorCode.UNKNOWN_MODEL)


async def test_of_a_providers_entry_only_the_known_fields_pass(start, client_of):
    entries = [
        {"id": "good", "created": 5, "owned_by": "them", "description": EMAIL},
        {"id": f"write to {EMAIL}"},
        {"id": 7},
        "text",
        {"id": "odd", "created": True, "owned_by": f"{EMAIL} "},
    ]
    async with (
        provider_saying(listing(*entries)) as (url, _, _),
        start(base_url=url) as running,
        client_of(running) as client,
    ):
        got = (await client.get("/v1/models")).json()["data"]

    assert got == [
        {"id": "good", "object": "model", "created": 5, "owned_by": "them"},
        {"id": "odd", "object": "model", "created": 0, "owned_by": "standin"},
    ]


@pytest.mark.parametrize(
    ("raw", "status", "code"),
    [
        (answer(b"<html>"), 502, ErrorCode.PROVIDER_INVALID_RESPONSE),
        (answer(b"[]"), 502, ErrorCode.PROVIDER_INVALID_RESPONSE),
        (answer(b'{"data":{}}'), 502, ErrorCode.PROVIDER_INVALID_RESPONSE),
        (answer(b"{}", status="401 Unauthorized"), 502, ErrorCode.PROVIDER_ERROR),
        (answer(b"", status="503 Unavailable"), 502, ErrorCode.PROVIDER_UNAVAILABLE),
        (b"", 502, ErrorCode.PROVIDER_UNAVAILABLE),
    ],
)
async def test_a_list_that_is_none_is_the_providers_fault(start, client_of, raw, status, code):
    async with (
        provider_saying(raw) as (url, _, _),
        start(base_url=url) as running,
        client_of(running) as client,
    ):
        error_of(await client.get("/v1/models"), status, code)
        assert running.events()[-1].code == code


ANTHROPIC = {"anthropic-version": "2023-06-01"}


async def test_anthropics_client_lists_and_retrieves_models(start, upstream):
    async with (
        start(keys=[make_key(allowed_models=["standin-chat", "standin-mini"])]) as running,
        AsyncAnthropic(base_url=running.base_url, api_key=running.api_key, max_retries=0) as client,
    ):
        listed = [model async for model in client.models.list(limit=1)]
        one = await client.models.retrieve("standin-mini")
        with pytest.raises(anthropic.NotFoundError) as refused:
            await client.models.retrieve("standin-vision")
    assert [model.id for model in listed] == ["standin-chat", "standin-mini"]
    assert listed[1] == one
    assert (one.display_name, one.created_at.year, one.type) == ("Standin Mini", 2023, "model")
    assert refused.value.body["error"]["code"] == "unknown_model"
    sent = upstream.requests[0]
    assert (sent.header("x-api-key"), sent.header("Authorization")) == (UPSTREAM_KEY, None)


async def test_each_api_sees_its_own_providers_models(client_of):
    providers = [
        Provider(id="p", surface="openai", base_url="http://127.0.0.1:9/v1", models=["gpt"]),
        Provider(id="q", surface="anthropic", base_url="http://127.0.0.1:9/v1", models=["claude", "opus", "haiku"]),
    ]
    document = RoutingDocument(schema_version="1", providers=providers)
    async with running_outpost(policy=policy(), routing=document) as running, client_of(running) as client:
        assert [one["id"] for one in (await client.get("/v1/models")).json()["data"]] == ["gpt"]
        page = (await client.get("/v1/models", headers=ANTHROPIC)).json()
        assert page == {
            "data": [
                {
                    "type": "model",
                    "id": name,
                    "display_name": name,
                    "created_at": "1970-01-01T00:00:00Z",
                    "lifecycle": "active",
                }
                for name in ("claude", "opus", "haiku")
            ],
            "has_more": False,
            "first_id": "claude",
            "last_id": "haiku",
        }
        for query, ids, more in (
            ("limit=2", ["claude", "opus"], True),
            ("limit=2&after_id=opus", ["haiku"], False),
            ("limit=1&before_id=haiku", ["opus"], True),
            ("limit=5&before_id=opus", ["claude"], False),
            ("after_id=haiku", [], False),
        ):
            page = (await client.get(f"/v1/models?{query}", headers=ANTHROPIC)).json()
            assert ([one["id"] for one in page["data"]], page["has_more"]) == (ids, more)
        for query in ("limit=0", "limit=1001", "limit=x", "q=1", "after_id=a&before_id=b"):
            got = await client.get(f"/v1/models?{query}", headers=ANTHROPIC)
            assert (got.status_code, got.json()["error"]["code"]) == (400, "invalid_request")
            assert got.json()["type"] == "error"
        got = await client.get("/v1/models/gpt", headers=ANTHROPIC)
        assert (got.status_code, got.json()["error"]["type"]) == (404, "not_found_error")
        assert got.headers["request-id"] == got.headers["X-Request-Id"]


async def test_of_anthropics_entries_only_the_known_fields_pass(start, client_of):
    entries = [
        {"id": "a", "display_name": f"for {EMAIL}", "created_at": EMAIL},
        {"id": "b", "display_name": "Claude B (New)", "created_at": "2025-01-02T03:04:05Z", "capabilities": EMAIL},
        {"id": "c", "created_at": "9999-12-31T23:59:59-23:59"},
        {"id": f"x {EMAIL}"},
    ]
    async with (
        provider_saying(listing(*entries)) as (url, _, _),
        start(base_url=url) as running,
        client_of(running) as client,
    ):
        got = await client.get("/v1/models", headers=ANTHROPIC)
    assert EMAIL not in got.text
    shown = [(one["id"], one["display_name"], one["created_at"]) for one in got.json()["data"]]
    assert shown == [
        ("a", "a", "1970-01-01T00:00:00Z"),
        ("b", "Claude B (New)", "2025-01-02T03:04:05Z"),
        ("c", "c", "1970-01-01T00:00:00Z"),
    ]
