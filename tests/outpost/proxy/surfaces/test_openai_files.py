import pytest

from outpost.errors import Rejected
from outpost.proxy.surfaces.openai_files import parse_answer, parse_request, parse_upload
from tests.outpost.documents.making import docx, pdf
from tests.outpost.proxy.setup import CARD, EMAIL, policy

TYPE = "multipart/form-data; boundary=abc"


def upload(data, **changed):
    fields = {"name": "purpose", "purpose": "user_data", "filename": "a.txt", "type": "text/plain"} | changed
    return (
        (
            f'--abc\r\nContent-Disposition: form-data; name="{fields["name"]}"\r\n\r\n{fields["purpose"]}\r\n'
            f'--abc\r\nContent-Disposition: form-data; name="file"; filename="{fields["filename"]}"\r\n'
            f"Content-Type: {fields['type']}\r\n\r\n"
        ).encode()
        + data
        + b"\r\n--abc--\r\n"
    )


@pytest.mark.parametrize(
    "raw",
    [
        upload(f"card {CARD}".encode()),
        upload(pdf(f"card {CARD}")),
        upload(docx(f"card {CARD}"), type="text/plain"),
        upload(b"x", purpose=CARD),
        upload(b"x", filename=f"{CARD}.txt"),
        upload(b"x", name=CARD),
        upload(b"x", type="application/4111111111111111"),
        upload(b"\x89PNG....", filename="a.pdf", type="application/pdf"),
    ],
)
async def test_nothing_of_an_upload_is_overlooked(start, client_of, upstream, raw):
    async with start(policy("BLOCK")) as running, client_of(running) as client:
        answer = await client.post("/v1/files", content=raw, headers={"Content-Type": TYPE})
    assert answer.status_code == 403, answer.text
    assert not upstream.requests


async def test_a_clean_file_goes_on_byte_for_byte_and_nothing_is_redacted(start, client_of, upstream):
    raw = upload(pdf("hello"))
    chosen = policy("REDACT", kinds=("pii.email",))
    async with start(chosen, settings={"max_document_bytes": 100_000}) as running, client_of(running) as client:
        passed = await client.post("/v1/files", content=raw, headers={"Content-Type": TYPE})
        refused = await client.post("/v1/files", content=upload(EMAIL.encode()), headers={"Content-Type": TYPE})
        large = await client.post("/v1/files", content=upload(b"x" * 100_001), headers={"Content-Type": TYPE})

    assert passed.json()["object"] == "file"
    assert (upstream.requests[0].body, upstream.requests[0].header("Content-Type")) == (raw, TYPE)
    assert [refused.status_code, large.status_code] == [403, 413]
    assert len(upstream.requests) == 1


@pytest.mark.parametrize(
    "raw",
    [
        upload(b"x").replace(b"; filename", b"; name2"),
        upload(b"x").replace(b'name="file"', b'name="other"'),
        upload(b"x").replace(b'name="purpose"', b'name="p"; filename="q"'),
        upload(b"x").replace(b"user_data", b"\xff"),
        b"{}",
    ],
)
def test_what_is_no_upload_is_refused(raw):
    with pytest.raises(Rejected):
        parse_upload(TYPE, raw)


def test_json_is_no_upload_and_an_answer_is_a_file_object():
    with pytest.raises(Rejected):
        parse_request(b"{}")
    with pytest.raises(Rejected):
        parse_answer(b"{}")
    answer = parse_answer(b'{"object":"file","id":"file-1","bytes":4111111111111111,"filename":"a.txt"}')
    texts = answer.segments[0].text.split("\n\x1e\n")
    assert {"file-1", "a.txt"} <= set(texts)
    assert "4111111111111111" not in texts
