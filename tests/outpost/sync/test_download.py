"""Downloads from a server that follows the RFC, cuts, forgets and lies; the server's own half is the product's."""

import asyncio
from contextlib import asynccontextmanager
from hashlib import sha256

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from control_plane.api.shelf import file_of
from control_plane.conditional import Part, accepts_zstd, range_of
from outpost.errors import (
    BundleRejected,
    CacheUnavailable,
    ControlPlaneUnavailable,
    ControlPlaneUntrusted,
    OutpostError,
    Rejected,
)
from outpost.protocol.compression import compress
from outpost.sync.download import MAX_ATTEMPTS, download, download_file
from outpost.sync.exchange import answering
from outpost.sync.partials import Partials

CONTENT = b"".join(sha256(number.to_bytes(2)).hexdigest().encode() for number in range(1024))
DIGEST = sha256(CONTENT).hexdigest()
SIZE = len(CONTENT)


class Body(httpx.AsyncByteStream):
    """Sends ``data`` in small pieces and goes away after ``cut`` bytes."""

    def __init__(self, data, cut=None):
        self.data, self.cut = data, cut

    async def __aiter__(self):
        end = len(self.data) if self.cut is None else min(self.cut, len(self.data))
        for at in range(0, end, 1000):
            yield self.data[at : min(at + 1000, end)]
        if self.cut is not None and self.cut < len(self.data):
            raise httpx.RemoteProtocolError("peer closed connection without sending complete message body")


class Server:
    """``cuts`` are used up one per answer; ``lie`` may change each answer's status, headers and body."""

    def __init__(self, content=CONTENT, *, cuts=(), zstd=True, lie=None):
        self.filed, self.cuts, self.zstd, self.lie = file_of(content), list(cuts), zstd, lie
        self.requests = []

    def __call__(self, request):
        self.requests.append(request)
        shown = self.filed.best(zstd=self.zstd and accepts_zstd([request.headers["Accept-Encoding"]]))
        part = range_of(request.headers.get("Range"), request.headers.get("If-Range"), shown.tag, len(shown.content))
        headers = {"ETag": shown.tag, "Content-Encoding": shown.encoding or "identity"}
        status, body = 200, shown.content
        if isinstance(part, Part):
            status, body = 206, body[part.first : part.last + 1]
            headers["Content-Range"] = f"bytes {part.first}-{part.last}/{len(shown.content)}"
        elif part is not None:
            status, body = 416, b""
        if self.lie:
            status, body = self.lie(len(self.requests), status, headers, body)
        return httpx.Response(status, headers=headers, stream=Body(body, self.cuts.pop(0) if self.cuts else None))

    async def download(self, partials=None, max_bytes=SIZE, digest=DIGEST, path=None):
        async with httpx.AsyncClient(transport=httpx.MockTransport(self), base_url="https://x") as http:

            @asynccontextmanager
            async def ask(headers):
                async with answering(http, http.build_request("GET", "/", headers=headers), total_s=5) as response:
                    yield response

            if path is None:
                return await download(ask, partials or Partials(), digest, max_bytes)
            await download_file(ask, partials or Partials(), digest, max_bytes, path)
            return path.read_bytes()


@pytest.mark.parametrize("zstd", [True, False])
async def test_a_download_that_is_cut_goes_on_where_it_stopped(zstd):
    server = Server(zstd=zstd, cuts=[5_000, 1, 8_000])
    assert await server.download() == CONTENT
    asked = [request.headers.get("Range") for request in server.requests]
    assert asked == [None, "bytes=5000-", "bytes=5001-", "bytes=13001-"]
    assert {request.headers["Accept-Encoding"] for request in server.requests[1:]} == {"zstd" if zstd else "identity"}


async def test_a_cut_that_brought_nothing_waits_for_the_schedule_and_keeps_what_there_is():
    partials = Partials()
    server = Server(cuts=[5_000, 0, None])
    with pytest.raises(ControlPlaneUnavailable):
        await server.download(partials)
    assert len(server.requests) == 2
    assert await server.download(partials) == CONTENT
    assert server.requests[-1].headers["Range"] == "bytes=5000-"
    assert partials.find(DIGEST) is None


async def test_a_large_download_goes_on_after_a_restart(tmp_path):
    server = Server(cuts=[9_999, 0, None])
    folder = tmp_path / "models" / "partial"
    with pytest.raises(ControlPlaneUnavailable):
        await server.download(Partials(folder, file_from_bytes=1))
    assert await server.download(Partials(folder, file_from_bytes=1)) == CONTENT
    assert server.requests[-1].headers["Range"] == "bytes=9999-"
    assert not list(folder.iterdir())


async def test_what_was_altered_on_disk_is_fetched_again(tmp_path):
    folder = tmp_path / "models" / "partial"
    for zstd in (True, False):
        server = Server(zstd=zstd, cuts=[9_999, 0, None, None])
        with pytest.raises(ControlPlaneUnavailable):
            await server.download(Partials(folder, file_from_bytes=1))
        (file,) = folder.iterdir()
        file.write_bytes(file.read_bytes()[:-1] + b"\0")
        assert await server.download(Partials(folder, file_from_bytes=1)) == CONTENT
        assert "Range" not in server.requests[-1].headers


async def test_being_stopped_in_the_middle_keeps_what_came():
    partials, server = Partials(), Server(zstd=False)

    class Hangs(httpx.AsyncByteStream):
        async def __aiter__(self):
            yield CONTENT[:3000]
            await asyncio.sleep(60)

    class Hanging(Server):
        def __call__(self, request):
            return httpx.Response(200, headers={"ETag": self.filed.plain.tag}, stream=Hangs())

    task = asyncio.ensure_future(Hanging().download(partials))
    await asyncio.sleep(0.1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert await server.download(partials) == CONTENT
    assert server.requests[0].headers["Range"] == "bytes=3000-"


async def test_attempts_have_a_bound():
    server = Server(cuts=[1] * 100)
    with pytest.raises(ControlPlaneUnavailable, match="too often"):
        await server.download()
    assert len(server.requests) == MAX_ATTEMPTS


def _swap(**changes):
    """In the first part only; what is asked for anew is honest."""

    def lie(number, status, headers, body):
        if status == 206 and number == 2:
            headers.update({name.replace("_", "-"): value for name, value in changes.items()})
        return status, body

    return lie


@pytest.mark.parametrize(
    "lie",
    [
        _swap(Content_Range=f"bytes 0-{SIZE - 1}/{SIZE}"),
        _swap(Content_Range=f"bytes 6000-{SIZE - 1}/{SIZE}"),
        _swap(Content_Range="nonsense"),
        _swap(ETag='"another"'),
        _swap(Content_Encoding="br"),
        lambda number, status, headers, body: (status, body + b"x" if status == 206 else body),
        lambda number, status, headers, body: (status, body[:-1] if status == 206 else body),
        lambda number, status, headers, body: (status, b"\0" * len(body) if status == 206 else body),
        lambda number, status, headers, body: (416, b"") if number == 2 else (status, body),
    ],
    ids=["range from 0", "range further on", "no range", "tag", "encoding", "longer", "shorter", "other bytes", "416"],
)
@pytest.mark.parametrize("zstd", [True, False])
async def test_parts_that_do_not_fit_are_given_up_for_the_whole(lie, zstd):
    server = Server(zstd=zstd, cuts=[5_000], lie=lie)
    assert await server.download() == CONTENT
    assert "Range" in server.requests[1].headers
    assert "Range" not in server.requests[2].headers
    assert len(server.requests) == 3


async def test_one_who_always_lies_is_left():
    server = Server(
        cuts=[5_000, None] * 10, lie=lambda n, status, headers, body: (416, b"") if n % 2 == 0 else (status, body)
    )
    with pytest.raises(ControlPlaneUntrusted, match="put together"):
        await server.download()
    assert len(server.requests) == 6


async def test_a_file_that_changed_meanwhile_is_fetched_whole():
    partials = Partials()
    with pytest.raises(ControlPlaneUnavailable):
        await Server(b"y" + CONTENT[1:], cuts=[5_000, 0], zstd=False).download(partials)
    server = Server(zstd=False)
    assert await server.download(partials) == CONTENT
    assert len(server.requests) == 1  # If-Range: the server said at once that it is another


@pytest.mark.parametrize(("size", "error"), [(SIZE, None), (SIZE - 1, ControlPlaneUntrusted)])
@pytest.mark.parametrize("zstd", [True, False])
async def test_the_signed_length_is_the_limit_also_of_what_unfolds(size, error, zstd):
    server = Server(zstd=zstd)
    if error is None:
        assert await server.download(max_bytes=size) == CONTENT
    else:
        with pytest.raises(error):
            await server.download(max_bytes=size)
        assert len(server.requests) == 1


async def test_a_bomb_is_refused():
    bomb = compress(bytes(100_000_000))
    lie = lambda number, status, headers, body: (headers.update({"Content-Encoding": "zstd"}), (200, bomb))[1]  # noqa: E731
    with pytest.raises(ControlPlaneUntrusted, match="decompressed"):
        await Server(lie=lie).download()


async def test_endless_data_ends_at_the_limit():
    server = Server(lie=lambda number, status, headers, body: (200, bytes(10 * SIZE)), zstd=False)
    partials = Partials()
    with pytest.raises(ControlPlaneUntrusted, match="larger than"):
        await server.download(partials)
    assert partials.find(DIGEST) is None


async def test_another_file_under_this_name_is_refused():
    with pytest.raises(BundleRejected):
        await Server(b"x" * SIZE).download()


@pytest.mark.parametrize(
    ("status", "kind"),
    [(404, Rejected), (403, Rejected), (503, ControlPlaneUnavailable), (302, ControlPlaneUnavailable)],
)
async def test_refusals_are_those_of_every_exchange(status, kind):
    with pytest.raises(kind):
        await Server(lie=lambda number, _status, headers, body: (status, b"")).download()


@settings(max_examples=60, deadline=None)
@given(
    cuts=st.lists(st.none() | st.integers(0, SIZE), max_size=6),
    zstd=st.booleans(),
    lies=st.dictionaries(
        st.integers(1, 6),
        st.tuples(
            st.sampled_from([200, 206, 206, 416, 404, 503]),
            st.dictionaries(
                st.sampled_from(["ETag", "Content-Encoding", "Content-Range", "Content-Length"]),
                st.sampled_from(["", '"x"', "zstd", "identity", "bytes 5-9/10", "bytes 0-9/*", "3"]),
            ),
            st.none() | st.binary(max_size=50),
        ),
        max_size=3,
    ),
)
async def test_whatever_is_answered_gives_the_true_file_or_a_typed_error(cuts, zstd, lies):
    def lie(number, status, headers, body):
        if number not in lies:
            return status, body
        status, changes, other = lies[number]
        headers.update(changes)
        return status, body if other is None else other

    try:
        assert await Server(cuts=cuts, zstd=zstd, lie=lie).download() == CONTENT
    except OutpostError:
        return


# Into a file


@pytest.mark.parametrize("in_files", [True, False])
async def test_a_file_is_asked_for_plain_and_put_together_from_its_parts(tmp_path, in_files):
    server = Server(cuts=[5_000, 8_000])
    partials = Partials(tmp_path / "models" / "partial", file_from_bytes=1) if in_files else Partials()
    assert await server.download(partials, path=tmp_path / "file") == CONTENT
    assert [request.headers.get("Range") for request in server.requests] == [None, "bytes=5000-", "bytes=13000-"]
    assert {request.headers["Accept-Encoding"] for request in server.requests} == {"identity"}
    assert partials.find(DIGEST) is None


async def test_what_was_begun_compressed_ends_compressed_and_in_the_file(tmp_path):
    server, partials = Server(cuts=[1_000, 0]), Partials()
    with pytest.raises(ControlPlaneUnavailable):
        await server.download(partials)
    assert await server.download(partials, path=tmp_path / "file") == CONTENT
    assert server.requests[-1].headers["Accept-Encoding"] == "zstd"


async def test_another_file_is_refused_and_forgotten(tmp_path):
    partials = Partials()
    with pytest.raises(BundleRejected):
        await Server(CONTENT[::-1]).download(partials, path=tmp_path / "file")
    assert partials.find(DIGEST) is None


async def test_a_disk_that_is_gone_keeps_what_has_come(tmp_path):
    partials = Partials(tmp_path / "models" / "partial", file_from_bytes=1)
    with pytest.raises(CacheUnavailable):
        await Server().download(partials, path=tmp_path / "nowhere" / "file")
    assert partials.find(DIGEST).content() == CONTENT
