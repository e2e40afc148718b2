"""On a real socket, with a client that changes nothing."""

import httpx
import pytest
from aiohttp import web

from control_plane.api.delivery import IMMUTABLE, deliver
from control_plane.api.shelf import file_of
from outpost.protocol.compression import expand

TEXT = b"the same words " * 1000
FILED = file_of(TEXT)
PLAIN, ZSTD = FILED.plain.tag, FILED.compressed.tag


@pytest.fixture
async def ask():
    async def handle(request):
        return deliver(request, FILED, "application/json", IMMUTABLE)

    app = web.Application()
    app.add_routes([web.get("/", handle)])
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    base_url = f"http://127.0.0.1:{runner.addresses[0][1]}"

    async with httpx.AsyncClient(base_url=base_url, trust_env=False) as client:

        async def ask(method="GET", **headers):
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            request = client.build_request(method, "/", headers={"Accept-Encoding": "identity"} | named)
            response = await client.send(request, stream=True)
            body = b"".join([chunk async for chunk in response.aiter_raw()])
            await response.aclose()
            return response, body

        yield ask
    await runner.cleanup()


async def test_the_whole_in_either_encoding(ask):
    response, body = await ask()
    assert (response.status_code, body, response.headers["ETag"]) == (200, TEXT, PLAIN)
    assert "Content-Encoding" not in response.headers
    packed, frame = await ask(Accept_Encoding="gzip, zstd")
    assert (packed.status_code, packed.headers["ETag"], packed.headers["Content-Encoding"]) == (200, ZSTD, "zstd")
    assert expand(frame, len(TEXT)) == TEXT
    for each in (response, packed):
        assert (each.headers["Cache-Control"], each.headers["Vary"]) == (IMMUTABLE, "Accept-Encoding")
        assert (each.headers["Accept-Ranges"], each.headers["Content-Type"]) == ("bytes", "application/json")


async def test_head_says_the_same_without_the_body(ask):
    for accept in ("identity", "zstd"):
        (got, body), (head, nothing) = await ask(Accept_Encoding=accept), await ask("HEAD", Accept_Encoding=accept)
        assert nothing == b""
        assert head.headers["Content-Length"] == str(len(body))
        same = ["ETag", "Content-Type", "Vary", "Cache-Control", "Accept-Ranges"]
        assert [head.headers[name] for name in same] == [got.headers[name] for name in same]
    ignored, _ = await ask("HEAD", Range="bytes=0-1")
    assert ignored.status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"If_None_Match": PLAIN}, 304),
        ({"If_None_Match": f'"x", W/{PLAIN}'}, 304),
        ({"If_None_Match": "*"}, 304),
        ({"If_None_Match": ZSTD}, 200),
        ({"If_None_Match": ZSTD, "Accept_Encoding": "zstd"}, 304),
        ({"If_None_Match": PLAIN, "Range": "bytes=0-1"}, 304),
        ({"If_Match": PLAIN}, 200),
        ({"If_Match": ZSTD}, 412),
        ({"If_Match": f"W/{PLAIN}"}, 412),
        ({"If_Match": ZSTD, "If_None_Match": PLAIN}, 412),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_conditions(ask, headers, status, method):
    response, body = await ask(method, **headers)
    assert response.status_code == status
    assert bool(body) == (status == 200 and method == "GET")
    tag = ZSTD if headers.get("Accept_Encoding") == "zstd" else PLAIN
    assert (response.headers["ETag"], response.headers["Vary"]) == (tag, "Accept-Encoding")
    assert response.headers["Cache-Control"] == IMMUTABLE


@pytest.mark.parametrize("encoding", ["identity", "zstd"])
async def test_parts_are_of_the_encoded_bytes_and_make_the_whole(ask, encoding):
    whole = FILED.best(zstd=encoding == "zstd")
    size, joined = len(whole.content), b""
    for first, last in ((0, 9), (10, size // 2), (size // 2 + 1, size + 1000)):
        response, body = await ask(Range=f"bytes={first}-{last}", If_Range=whole.tag, Accept_Encoding=encoding)
        assert (response.status_code, response.headers["ETag"]) == (206, whole.tag)
        assert response.headers["Content-Range"] == f"bytes {first}-{min(last, size - 1)}/{size}"
        assert response.headers.get("Content-Encoding", "identity") == encoding
        joined += body
    assert joined == whole.content


async def test_a_part_of_another_representation_is_never_sent(ask):
    response, body = await ask(Range="bytes=5-", If_Range=ZSTD)
    assert (response.status_code, body) == (200, TEXT)
    assert "Content-Range" not in response.headers


async def test_past_the_end_there_is_nothing(ask):
    response, body = await ask(Range=f"bytes={len(TEXT)}-")
    assert (response.status_code, body) == (416, b"")
    assert response.headers["Content-Range"] == f"bytes */{len(TEXT)}"
