import shutil
from hashlib import sha256
from types import SimpleNamespace

import pytest
from tuf.api.metadata import Root, TargetFile

from outpost.errors import CacheUnavailable, ControlPlaneUnavailable
from outpost.models.pack import open_pack, read_files
from outpost.policy.pack import read_pack
from outpost.protocol.models import ModelsDocument, PackReference, pack_target
from outpost.sync import packs as module
from outpost.sync.packs import PackStore
from tests.fakes.model_pack import write_pack


def bundle_pack(folder):
    """The pack in ``folder`` as a bundle's targets state it, and its contents by the names they are fetched by."""
    pack = open_pack(folder)
    files = read_files(pack)
    targets = {
        pack_target(name): TargetFile.from_data(pack_target(name), data, ["sha256"]) for name, data in files.items()
    }
    document = ModelsDocument(schema_version="1", pack=PackReference(name=pack.card.name, card_sha256=pack.digest))
    found = read_pack(document, targets, files["card.json"], Root(consistent_snapshot=True))
    return found, {f"{sha256(data).hexdigest()}.{pack_target(name)}": data for name, data in files.items()}


class Server:
    """Gives files out; ``fails`` after so many."""

    def __init__(self, contents, fails=None):
        self.contents, self.fails = dict(contents), fails
        self.asked, self.kept = [], None

    async def fetch_file(self, filename, max_bytes, path):
        self.asked.append(filename)
        if self.fails is not None and len(self.asked) > self.fails:
            path.write_bytes(b"half")
            raise ControlPlaneUnavailable("cut")
        assert len(self.contents[filename]) <= max_bytes
        path.write_bytes(self.contents[filename])

    def forget_downloads_but(self, filenames):
        self.kept = list(filenames)


@pytest.fixture
def tiny(tmp_path):
    return write_pack(tmp_path / "tiny")


@pytest.fixture
def directory(tmp_path):
    return tmp_path / "data" / "models" / "packs"


async def test_a_pack_is_fetched_whole_and_not_again(tiny, directory):
    pack, contents = bundle_pack(tiny)
    store, server = PackStore(directory), Server(contents)
    assert not store.is_whole(pack)
    folder = await store.provide(server, pack)
    assert (folder, open_pack(folder).digest) == (directory / pack.digest, pack.digest)
    assert sorted(server.asked) == sorted(server.kept) == sorted(contents)
    assert await store.provide(None, pack) == folder
    assert [entry.name for entry in directory.iterdir()] == [pack.digest]


async def test_what_has_come_stays_and_the_pack_is_not_there_before_it_is_whole(tiny, directory):
    pack, contents = bundle_pack(tiny)
    store, server = PackStore(directory), Server(contents, fails=1)
    with pytest.raises(ControlPlaneUnavailable, match="cut"):
        await store.provide(server, pack)
    assert (store.is_whole(pack), store.folder(pack).exists(), store.coming) == (False, False, None)
    again = Server(contents)
    await PackStore(directory).provide(again, pack)
    assert len(again.asked) == len(contents) - 1
    assert server.asked[0] not in again.asked


async def test_what_came_wrong_or_was_altered_meanwhile_is_fetched_again(tiny, directory):
    pack, contents = bundle_pack(tiny)
    store = PackStore(directory)
    with pytest.raises(ControlPlaneUnavailable):
        await store.provide(Server(contents, fails=2), pack)
    (coming,) = directory.iterdir()
    for entry in coming.iterdir():
        entry.write_bytes(b"x" * entry.stat().st_size)
    server = Server(contents)
    await store.provide(server, pack)
    assert sorted(server.asked) == sorted(contents)
    lying = PackStore(directory.parent / "other")
    with pytest.raises(CacheUnavailable, match="gives back something else"):
        await lying.provide(Server({name: data[::-1] for name, data in contents.items()}), pack)


@pytest.mark.parametrize("how", ["altered", "cut", "gone"])
async def test_a_damaged_file_is_noticed_and_alone_fetched(tiny, directory, how):
    pack, contents = bundle_pack(tiny)
    store = PackStore(directory)
    model = await store.provide(Server(contents), pack) / "model.onnx"
    if how == "gone":
        model.unlink()
    else:
        model.write_bytes(model.read_bytes()[:-1] + (b"" if how == "cut" else b"!"))
    assert not store.is_whole(pack)
    with pytest.raises(ControlPlaneUnavailable, match=r"model\.onnx of the model pack tiny 1\.0"):
        await store.provide(None, pack)
    server = Server(contents)
    await store.provide(server, pack)
    assert server.asked == [pack.files["model.onnx"].filename]
    assert store.is_whole(pack)


async def test_a_disk_that_lies_about_its_times_is_read_when_in_doubt(tiny, directory):
    pack, contents = bundle_pack(tiny)
    store = PackStore(directory)
    await store.provide(Server(contents), pack)
    path = directory / pack.digest / "model.onnx"
    store._whole[pack.digest] = module._signature(directory / pack.digest, pack)
    content = bytearray(path.read_bytes())
    content[0] ^= 1
    path.write_bytes(content)
    store._whole[pack.digest] = module._signature(directory / pack.digest, pack)
    assert store.is_whole(pack)
    assert not store.is_whole(pack, doubted=True)


async def test_files_that_are_at_hand_are_not_fetched(tiny, directory, tmp_path):
    pack, contents = bundle_pack(tiny)
    await PackStore(directory, [tiny]).provide(None, pack)
    other = shutil.copytree(tiny, tmp_path / "other")
    (other / "model.onnx").write_bytes(b"another")
    server = Server(contents)
    await PackStore(tmp_path / "data2" / "packs", [other]).provide(server, pack)
    assert server.asked == [pack.files["model.onnx"].filename]


async def test_there_is_never_more_than_is_kept_and_what_is_coming(tiny, directory, tmp_path):
    pack, contents = bundle_pack(tiny)
    second, more = bundle_pack(write_pack(tmp_path / "second", version="2.0"))
    store = PackStore(directory)
    await store.provide(Server(contents), pack)
    with pytest.raises(ControlPlaneUnavailable):
        await store.provide(Server(more, fails=0), second)
    third, others = bundle_pack(write_pack(tmp_path / "third", version="3.0"))
    await store.provide(Server(others), third)
    assert sorted(entry.name for entry in directory.iterdir()) == sorted((pack.digest, third.digest))
    store.keep_only([third.digest])
    assert [entry.name for entry in directory.iterdir()] == [third.digest]
    PackStore(tmp_path / "nowhere").keep_only([])


async def test_without_room_nothing_is_fetched(tiny, directory, monkeypatch):
    pack, contents = bundle_pack(tiny)
    server = Server(contents)
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: SimpleNamespace(free=module.SPARE_BYTES))
    with pytest.raises(CacheUnavailable, match="no room"):
        await PackStore(directory).provide(server, pack)
    assert server.asked == []


async def test_a_disk_that_cannot_be_used_is_one_error(tiny, tmp_path):
    pack, contents = bundle_pack(tiny)
    (tmp_path / "file").write_text("")
    store = PackStore(tmp_path / "file" / "packs")
    with pytest.raises(CacheUnavailable):
        await store.provide(Server(contents), pack)
    assert not store.is_whole(pack)
