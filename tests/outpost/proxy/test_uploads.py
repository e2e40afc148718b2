"""Files that a request names by id: trusted as far as what was found in them is, and no further."""

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from outpost.protocol.detectors import DetectorsDocument
from outpost.protocol.routing import Provider, Route, RouteTarget, RoutingDocument
from outpost.proxy.enforcement import compile_bundle
from outpost.proxy.segments import Located
from outpost.proxy.surfaces.openai_chat import parse_request as parse_chat
from outpost.proxy.surfaces.openai_responses import parse_request as parse_response
from outpost.proxy.uploads import KnownFile, with_uploads
from tests.fakes.models import NAME, FakeModels
from tests.fakes.outpost import PEPPER, make_key
from tests.fakes.upstream import running_upstream
from tests.outpost.proxy.setup import CARD, CHAT, EMAIL, chat, error_of, policy, upload

LENIENT = policy("BLOCK", kinds=("pci.*", "unscannable.*"))


def naming(file_id, **more):
    part = {"type": "file", "file": {"file_id": file_id, **more}}
    return chat([{"type": "text", "text": "what does it say?"}, part])


async def asked(client, file_id, **more):
    return await client.post(CHAT, json=naming(file_id, **more))


async def test_a_file_that_was_uploaded_here_may_be_named(outpost, client, upstream):
    mine = await upload(client)
    assert (await asked(client, mine)).status_code == 200
    body = {"model": "m", "input": [{"role": "user", "content": [{"type": "input_file", "file_id": mine}]}]}
    assert (await client.post("/v1/responses", json=body)).status_code == 200
    assert len(upstream.requests) == 3  # it was not asked for again


@pytest.mark.parametrize(
    "more", [{"file_data": "data:text/plain;base64,eA=="}, {"file_url": "http://127.0.0.1/x"}, {"image": "AAAA"}]
)
async def test_a_part_with_more_than_a_name_is_unscannable(outpost, client, more):
    mine = await upload(client)
    error_of(await asked(client, mine, **more), 403, "unscannable")


async def test_files_of_nobody_and_of_others_are_unscannable(start, client_of):
    other = make_key(id="other")
    async with start(keys=[make_key(), other]) as running:
        async with client_of(running) as client:
            mine = await upload(client)
        async with client_of(running, other[0]) as client:
            error_of(await asked(client, mine), 403, "unscannable")
            error_of(await asked(client, "file-nobody"), 403, "unscannable")
        async with client_of(running) as client:
            assert (await client.delete(f"/v1/files/{mine}")).status_code == 200
            error_of(await asked(client, mine), 403, "unscannable")


async def test_a_request_goes_to_the_provider_that_has_its_file(start, client_of, upstream):
    async with running_upstream() as other, start(LENIENT) as running, client_of(running) as client:
        mine = await upload(client)
        targets = [RouteTarget(provider="standin", weight=1), RouteTarget(provider="second", weight=1_000)]
        providers = [
            Provider(id="standin", surface="openai", base_url=upstream.openai_url, models=["x"]),
            Provider(id="second", surface="openai", base_url=other.openai_url, models=["y"]),
        ]
        routes = [Route(id="both", models=["standin-chat"], targets=targets)]
        running.admission.enforcement = changed(
            running, routing=RoutingDocument(schema_version="1.1", providers=providers, routes=routes)
        )
        for _ in range(5):
            assert (await asked(client, mine)).status_code == 200
        assert not other.requests


async def test_a_file_that_was_refused_is_not_known(outpost, client, upstream):
    with pytest.raises(AssertionError, match="policy_blocked"):
        await upload(client, f"pay {CARD}".encode())
    assert not upstream.files


async def test_what_was_found_is_judged_again_for_the_request_that_names_it(start, client_of):
    """Allowed to be uploaded is not allowed to be asked about: the rule names the surface."""
    chosen = policy("BLOCK", kinds=("pii.*",))
    (pack,) = chosen.packs
    when = pack.rules[0].when.model_copy(update={"surfaces": ["openai.chat_completions"]})
    rules = [pack.rules[0].model_copy(update={"when": when})]
    chosen = chosen.model_copy(update={"packs": [pack.model_copy(update={"rules": rules})]})
    async with start(chosen) as running, client_of(running) as client:
        with_email, without = await upload(client, f"mail {EMAIL}".encode()), await upload(client)
        error_of(await asked(client, with_email), 403, "policy_blocked")
        blocked = [event for event in running.events() if event.kind == "decision"][-1]
        assert [finding.kind for finding in blocked.findings] == ["pii.email"]
        assert (await asked(client, without)).status_code == 200
        running.admission.enforcement = changed(running, policy=policy("REDACT", kinds=("pii.*",)))
        error_of(await asked(client, with_email), 403, "policy_blocked")


def changed(running, **documents):
    """What is in force with other documents."""
    bundle = replace(running.admission.enforcement.bundle, **documents)
    return compile_bundle(bundle, {"p1": PEPPER})


RULE = {"id": "project", "kind": "custom.project", "keywords": ["no play"]}
DETECTORS = DetectorsDocument.model_validate({"schema_version": "1", "custom": [RULE]})


async def test_other_detectors_look_at_the_file_again(start, client_of, upstream):
    async with start(LENIENT) as running, client_of(running) as client:
        mine = await upload(client)
        running.admission.enforcement = changed(running, detectors=DETECTORS)
        assert (await asked(client, mine)).status_code == 200
        assert [one.path for one in upstream.requests][1:] == [f"/v1/files/{mine}/content", "/v1/chat/completions"]
        assert (await asked(client, mine)).status_code == 200
        assert len(upstream.requests) == 4  # looked at once
        strict = policy("BLOCK", kinds=("custom.*",))
        running.admission.enforcement = changed(running, detectors=DETECTORS, policy=strict)
        error_of(await asked(client, mine), 403, "policy_blocked")


@pytest.mark.parametrize("becomes", [b"another file", None])
async def test_a_file_that_cannot_be_looked_at_again_is_unscannable(start, client_of, upstream, becomes):
    async with start(LENIENT) as running, client_of(running) as client:
        mine = await upload(client)
        running.admission.enforcement = changed(running, detectors=DETECTORS)
        if becomes is None:
            del upstream.files[mine]
        else:
            upstream.files[mine] = (upstream.files[mine][0], becomes)
        error_of(await asked(client, mine), 403, "unscannable")


async def test_models_look_at_a_file_that_they_were_not_asked_about(start, client_of, upstream):
    models = FakeModels()
    async with start(LENIENT, models=models, offered=models.kinds) as running, client_of(running) as client:
        mine = await upload(client, f"ask {NAME}".encode())
        assert not models.asked
        bundle = running.admission.enforcement.bundle
        running.admission.enforcement = compile_bundle(
            replace(bundle, policy=policy("BLOCK", kinds=("pii.person",))), {"p1": PEPPER}, offered=models.kinds
        )
        error_of(await asked(client, mine), 403, "policy_blocked")
        assert any(NAME in text for text in models.asked)


async def test_an_upload_is_known_for_a_while(start, client_of, upstream):
    now = datetime.now(UTC)
    async with start(clock=lambda: now) as running, client_of(running) as client:
        mine = await upload(client)
        book = running.uploads.book
        assert await asyncio.to_thread(book.get, mine, now + timedelta(days=29)) is not None
        assert await asyncio.to_thread(book.get, mine, now + timedelta(days=30)) is None
        assert (await asked(client, mine)).status_code == 200


async def test_nothing_is_trusted_while_it_cannot_be_said_what_is_known(outpost, client):
    mine = await upload(client)
    outpost.uploads.book._database._connection.execute("DROP TABLE upload")
    error_of(await asked(client, mine), 503, "inspection_unavailable")


async def test_too_many_files_are_refused(outpost, client):
    body = chat([{"type": "file", "file": {"file_id": f"file-{number}"}} for number in range(17)])
    error_of(await client.post(CHAT, json=body), 400, "invalid_request")


@pytest.mark.parametrize(
    ("parse", "body"),
    [
        (parse_chat, naming("file-1")),
        (parse_response, {"model": "m", "input": [{"content": [{"type": "input_file", "file_id": "file-1"}]}]}),
    ],
)
def test_an_unknown_file_stays_what_it_was(parse, body):
    parsed = parse(json.dumps(body).encode())
    assert [item.finding.kind for item in with_uploads(parsed, {}).unscannable] == ["unscannable.file"]
    resolved = with_uploads(parsed, {"file-1": KnownFile((), "standin")})
    assert resolved.unscannable == ()
    assert [reference.file_id for reference in parsed.references] == ["file-1"]
    twice = with_uploads(parsed, {"file-2": KnownFile((), "standin")})
    assert twice.unscannable == parsed.unscannable
    assert isinstance(parsed.references[0].unread, Located)
