import asyncio
from hashlib import sha256

import pytest

from control_plane.api.shelf import Shelf, file_of
from control_plane.errors import NotFound
from outpost.protocol.compression import expand

TEXT = b"the same words " * 1000


class Files:
    """Counts what was asked for."""

    def __init__(self, **files):
        self.files, self.asked = files, []

    async def __call__(self, key):
        self.asked.append(key)
        await asyncio.sleep(0.01)
        if key[1] not in self.files:
            raise NotFound("no such file")
        return self.files[key[1]]


def test_each_representation_is_named_by_its_own_digest():
    filed = file_of(TEXT)
    for shown in (filed.plain, filed.compressed):
        assert shown.tag == f'"{sha256(shown.content).hexdigest()}"'
    assert (filed.plain.content, filed.plain.encoding) == (TEXT, None)
    assert expand(filed.compressed.content, len(TEXT)) == TEXT
    assert (filed.best(zstd=True), filed.best(zstd=False)) == (filed.compressed, filed.plain)
    assert filed.compressed == file_of(TEXT).compressed  # at every replica the same


@pytest.mark.parametrize("content", [b"", b"short " * 100, sha256(b"").digest() + bytes(range(256)) * 8], ids=len)
def test_what_gains_nothing_is_not_compressed(content):
    noise = b"".join(sha256(bytes([number])).digest() for number in range(200))
    for data in (content[:1000], noise):
        filed = file_of(data)
        assert filed.best(zstd=True) is filed.plain


async def test_a_file_is_fetched_once_for_all_who_ask():
    files = Files(a=TEXT)
    shelf = Shelf(files)
    found = await asyncio.gather(*(shelf.get(("acme", "a")) for _ in range(20)))
    assert (len(set(map(id, found))), files.asked) == (1, [("acme", "a")])
    assert (await shelf.get(("acme", "a"))).plain.content == TEXT
    assert len(files.asked) == 1


async def test_orgs_do_not_share():
    files = Files(a=TEXT)
    shelf = Shelf(files)
    await shelf.get(("acme", "a"))
    await shelf.get(("globex", "a"))
    assert files.asked == [("acme", "a"), ("globex", "a")]


async def test_what_is_not_there_is_not_remembered():
    files = Files()
    shelf = Shelf(files)
    gone = asyncio.ensure_future(shelf.get(("acme", "a")))
    await asyncio.sleep(0)
    gone.cancel()
    with pytest.raises(NotFound):
        await shelf.get(("acme", "a"))
    files.files["a"] = TEXT
    assert (await shelf.get(("acme", "a"))).plain.content == TEXT


async def test_memory_has_a_bound_and_the_longest_unused_goes_first():
    files = Files(a=bytes(400), b=bytes(400), c=bytes(400), huge=bytes(1001))
    shelf = Shelf(files, max_bytes=1000)
    for name in ["a", "b", "a", "c", "huge"]:
        assert (await shelf.get(("acme", name))).plain.content == files.files[name]
        assert shelf.size_bytes <= 1000
    await shelf.get(("acme", "a"))
    assert len(files.asked) == 4
    await shelf.get(("acme", "b"))
    await shelf.get(("acme", "huge"))
    assert files.asked[4:] == [("acme", "b"), ("acme", "huge")]
