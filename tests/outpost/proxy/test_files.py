"""Uploaded files as their caller sees them: through OpenAI's own client, and everybody else's stay hidden."""

import json

import openai
import pytest
from openai import AsyncOpenAI

from tests.fakes.outpost import make_key
from tests.outpost.proxy.setup import CARD, EMAIL, answer, counted, error_of, policy, provider_saying, upload

FILES = "/v1/files"


async def test_openais_client_lists_reads_and_deletes_its_files(outpost, upstream):
    async with AsyncOpenAI(base_url=f"{outpost.base_url}/v1", api_key=outpost.api_key, max_retries=0) as client:
        one = await client.files.create(file=("a.txt", b"all work and no play"), purpose="user_data")
        other = await client.files.create(file=("b.txt", b"second"), purpose="batch")
        assert {file.id for file in (await client.files.list()).data} == {one.id, other.id}
        assert [file.id async for file in client.files.list(purpose="batch")] == [other.id]
        assert [file.id async for file in client.files.list(limit=1)] == [
            file.id for file in (await client.files.list()).data
        ]
        assert await client.files.retrieve(one.id) == one
        assert (await client.files.content(one.id)).content == b"all work and no play"
        assert (await client.files.delete(one.id)).deleted
        with pytest.raises(openai.NotFoundError):
            await client.files.retrieve(one.id)
    assert list(upstream.files) == [other.id]
    ends = [event for event in outpost.events() if event.kind == "completion" and event.surface == "openai.files"]
    assert {event.outcome for event in ends} == {"ok", "refused"}
    assert {event.provider for event in ends if event.outcome == "ok"} == {"standin"}


async def test_nobody_sees_the_files_of_others(start, client_of, upstream):
    other = make_key(id="other")
    async with start(keys=[make_key(), other]) as running:
        async with client_of(running) as client:
            mine = await upload(client)
        upstream.files["file-foreign"] = ({"id": "file-foreign", "object": "file", "filename": EMAIL}, b"x")
        async with client_of(running, other[0]) as client:
            assert (await client.get(FILES)).json()["data"] == []
            before = len(upstream.requests)
            for path in (f"{FILES}/{mine}", f"{FILES}/{mine}/content", f"{FILES}/file-foreign"):
                error_of(await client.get(path), 404, "not_found")
                if not path.endswith("content"):
                    error_of(await client.delete(path), 404, "not_found")
            for path in (f"{FILES}/..%2Fmodels", f"{FILES}/a/b", f"{FILES}/content", f"{FILES}/{'a' * 200}"):
                error_of(await client.get(path), 404, "not_found")
            assert len(upstream.requests) == before
        async with client_of(running) as client:
            assert [file["id"] for file in (await client.get(FILES)).json()["data"]] == [mine]


@pytest.mark.parametrize("said", [f"pay {CARD} now", json.dumps({"to": EMAIL})])
async def test_what_a_file_says_is_inspected_on_its_way_out(start, client_of, upstream, said):
    async with start(policy("BLOCK", directions=("output",))) as running, client_of(running) as client:
        mine = await upload(client, said.encode())
        refused = await client.get(f"{FILES}/{mine}/content")
        error_of(refused, 403, "policy_blocked")
        assert counted(running, "policy_blocked", surface="openai.files") == 1
        end = running.events()[-1]
        assert (end.direction, end.action, end.outcome) == ("output", "BLOCK", "blocked")
    async with start(policy("REDACT", directions=("output",))) as running, client_of(running) as client:
        mine = await upload(client, said.encode())
        error_of(await client.get(f"{FILES}/{mine}/content"), 403, "policy_blocked")


async def test_names_of_files_are_inspected_on_their_way_out(start, client_of, upstream):
    async with start(policy("REDACT", directions=("output",))) as running, client_of(running) as client:
        mine = await upload(client)
        upstream.files[mine][0]["filename"] = f"for {EMAIL}.txt"
        for path in (FILES, f"{FILES}/{mine}"):
            got = await client.get(path)
            assert got.headers["X-Policy-Action"] == "REDACT"
            assert EMAIL not in got.text
            assert "[REDACTED:pii.email]" in got.text


async def test_other_methods_and_queries_are_refused(outpost, client, upstream):
    mine = await upload(client)
    put = await client.put(f"{FILES}/{mine}")
    assert error_of(put, 405, "method_not_allowed")
    assert put.headers["Allow"] == "GET, DELETE"
    assert (await client.put(FILES)).headers["Allow"] == "GET, POST"
    assert (await client.delete(f"{FILES}/{mine}/content")).headers["Allow"] == "GET"
    for query in ("?limit=0", "?limit=x", "?order=up", "?purpose=A1", "?after=%2F", f"?q={EMAIL}", "?limit=1&limit=2"):
        error_of(await client.get(FILES + query), 400, "invalid_request")
    error_of(await client.get(f"{FILES}/{mine}?q={EMAIL}"), 400, "invalid_request")
    client.headers["Authorization"] = "Bearer nonsense"
    error_of(await client.get(FILES), 401, "invalid_api_key")


async def test_what_a_provider_answers_is_checked(start, client_of, upstream):
    async with start() as running, client_of(running) as client:
        mine = await upload(client)
        for said in (b"no JSON", b"[]", b'{"object":"list","data":{}}', b'{"object":"other"}'):
            async with provider_saying(answer(said)) as (url, _, _):
                target = running.admission.enforcement.bundle.routing.providers[0]
                object.__setattr__(target, "base_url", url)
                for path in (f"{FILES}/{mine}", FILES):
                    error_of(await client.get(path), 502, "provider_invalid_response")
