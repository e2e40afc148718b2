"""Files inside requests: read, inspected with the rest, and never let through unread."""

import asyncio
import base64
import json

import pytest

from outpost.documents.kinds import FILE, IMAGE
from outpost.documents.reader import DocumentText
from outpost.errors import Rejected
from outpost.proxy.attachments import MAX_FILES, read_attachments, with_attachments
from outpost.proxy.surfaces.registry import SURFACES
from tests.outpost.documents.making import docx, pdf
from tests.outpost.proxy.setup import CARD, EMAIL, policy

PDF_URL = "data:application/pdf;base64,"


def body(path, data, **more):
    """A request of each surface with a file in it."""
    coded = base64.b64encode(data).decode()
    if path == "/v1/messages":
        source = {"type": "base64", "media_type": "application/pdf", "data": coded}
        part = {"type": "document", "source": source}
    elif path == "/v1/responses":
        part = {"type": "input_file", "filename": "a.pdf", "file_data": PDF_URL + coded}
    else:
        part = {"type": "file", "file": {"filename": "a.pdf", "file_data": PDF_URL + coded}}
    unit = {"role": "user", "content": [part]}
    return {"model": "m", "input" if path == "/v1/responses" else "messages": [unit], **more}


PATHS = ["/v1/messages", "/v1/responses", "/v1/chat/completions"]


@pytest.mark.parametrize("path", PATHS)
async def test_a_file_is_read_and_what_it_says_counts(start, client_of, upstream, path):
    async with start(policy("BLOCK")) as running, client_of(running) as client:
        clean = await client.post(path, json=body(path, pdf("hello")))
        cards = [await client.post(path, json=body(path, make(f"card {CARD}"))) for make in (pdf, docx)]
        broken = await client.post(path, json=body(path, b"%PDF-1.4 broken"))

    assert clean.status_code == 200, clean.text
    assert json.loads(upstream.requests[0].body) == body(path, pdf("hello"))
    assert len(upstream.requests) == 1
    for answer in cards:
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "policy_blocked")
    assert (broken.status_code, broken.json()["error"]["code"]) == (403, "unscannable")


@pytest.mark.parametrize("path", PATHS)
async def test_nothing_can_be_redacted_in_a_file(start, client_of, upstream, path):
    async with start(policy("REDACT", kinds=("pii.email",))) as running, client_of(running) as client:
        refused = await client.post(path, json=body(path, pdf(EMAIL), user=EMAIL))
        passed = await client.post(path, json=body(path, pdf("hello"), user=EMAIL))

    assert refused.status_code == 403
    assert passed.status_code == 200
    assert json.loads(upstream.requests[0].body)["user"] == "[REDACTED:pii.email]"


@pytest.mark.parametrize(
    "part",
    [
        {"type": "document", "source": {"type": "url", "url": "https://x.example"}},
        {"type": "document", "source": {"type": "base64", "data": "not base64"}},
        {"type": "document", "source": {"type": "base64", "data": "AAAA"}, "file": {}},
        {"type": "file", "file": {"file_id": "f", "file_data": "AAAA"}},
        {"type": "file", "file": {"file_data": "data:text/plain,hello"}},
        {"type": "input_file", "file_url": "https://x.example", "file_data": "AAAA"},
    ],
)
def test_what_is_not_in_the_body_cannot_be_read(part):
    raw = json.dumps({"model": "m", "messages": [{"role": "user", "content": [part]}]}).encode()
    request = SURFACES["/v1/messages"].parse_request(raw)
    assert request.attachments == ()
    assert [item.finding.kind for item in request.unscannable] == [FILE]


async def test_texts_become_segments_and_other_files_are_refused():
    class Reads:
        async def read(self, data):
            return DocumentText((data.decode(), "second"), (IMAGE,))

    raw = json.dumps(body("/v1/messages", b"first")).encode()
    request = SURFACES["/v1/messages"].parse_request(raw)
    read = await read_attachments(request, Reads())
    whole = with_attachments(request, read)

    assert whole.segments[-1].name == "messages[0].file"
    assert whole.segments[-1].text == "first\n\x1e\nsecond"
    assert [(item.segment, item.finding.kind) for item in whole.unscannable] == [(len(request.segments), IMAGE)]
    with pytest.raises(Rejected):
        with_attachments(request, {})


async def test_a_body_of_many_files_is_refused_before_one_is_read():
    class NeverReads:
        async def read(self, data):
            raise AssertionError(data)

    parts = [body("/v1/messages", str(number).encode())["messages"][0] for number in range(MAX_FILES + 1)]
    request = SURFACES["/v1/messages"].parse_request(json.dumps({"model": "m", "messages": parts}).encode())
    with pytest.raises(Rejected):
        await read_attachments(request, NeverReads())


async def test_much_text_of_a_small_file_does_not_hold_up_others(start, client_of, monkeypatch):
    threads = []
    to_thread = asyncio.to_thread

    async def noting(run, *more):
        threads.append(run)
        return await to_thread(run, *more)

    monkeypatch.setattr(asyncio, "to_thread", noting)
    small = docx("so twigs grow " * 20_000)
    assert len(small) < 20_000
    async with start(policy("BLOCK")) as running, client_of(running) as client:
        answer = await client.post("/v1/messages", json=body("/v1/messages", small))
    assert answer.status_code == 200
    assert len(threads) == 1
