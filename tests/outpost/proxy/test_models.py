import json

import pytest

from outpost.protocol.codes import ErrorCode
from outpost.protocol.routing import Provider, RoutingDocument
from tests.fakes.outpost import make_key, running_outpost
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
