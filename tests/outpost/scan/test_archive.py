import bz2
import contextlib
import gzip
import io
import lzma
import tarfile
import zipfile
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outpost.scan import archive as module
from outpost.scan.archive import ArchiveDamaged, ArchiveTooLarge, Limits, Stream, form_of, members

TEXT = b"hello card\n"


class Pipe:
    """Bytes that cannot be sought in, a few at a time."""

    def __init__(self, content: bytes) -> None:
        self._file = io.BytesIO(content)

    def read(self, size: int) -> bytes:
        return self._file.read(min(size, 1000))


def zipped(files: dict[str, bytes], compression=zipfile.ZIP_DEFLATED) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return made.getvalue()


def tarred(files: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return made.getvalue()


def opened(content: bytes, source=io.BytesIO) -> list[tuple[str, bytes | str]]:
    """Names with contents, or with the problem."""
    found = []
    for member in members(Stream(source(content)), Limits(len(content))):
        read = b"".join(member.stream.chunks()) if member.stream else member.problem
        found.append((member.name, read))
    return found


@pytest.mark.parametrize("source", [io.BytesIO, Pipe])
@pytest.mark.parametrize(
    ("content", "names"),
    [
        (TEXT, [""]),
        (b"", [""]),
        (gzip.compress(TEXT), [""]),
        (bz2.compress(TEXT), [""]),
        (lzma.compress(TEXT), [""]),
        (gzip.compress(TEXT) * 2, [""]),
        (gzip.compress(TEXT) + b"\0" * 100, [""]),
        (zipped({"a": TEXT, "d/b": TEXT}), ["a", "d/b"]),
        (zipped({"a": TEXT}, compression=zipfile.ZIP_BZIP2), ["a"]),
        (zipped({"a": TEXT}, compression=zipfile.ZIP_STORED), ["a"]),
        (tarred({"a": TEXT}), ["a"]),
        (gzip.compress(tarred({"a": TEXT})), ["a"]),
        (zipped({"z": zipped({"a": TEXT})}), ["z!/a"]),
        (zipped({"t.tgz": gzip.compress(tarred({"a": TEXT, "b": TEXT})), "c": TEXT}), ["t.tgz!/a", "t.tgz!/b", "c"]),
        (tarred({"z": zipped({"a.gz": gzip.compress(TEXT)})}), ["z!/a.gz"]),
    ],
)
def test_what_is_inside(content, names, source):
    found = opened(content, source)
    assert [name for name, _ in found] == names
    for _, read in found:
        assert isinstance(read, bytes)
        assert read == content if names == [""] and form_of(content) is None else read.replace(TEXT, b"") == b""


def test_a_third_level_is_a_problem_and_the_rest_is_read():
    content = zipped({"1": zipped({"2": zipped({"a": TEXT})}), "b": TEXT})
    assert opened(content) == [("1!/2", "archives are nested too deep"), ("b", TEXT)]
    assert opened(gzip.compress(gzip.compress(gzip.compress(gzip.compress(gzip.compress(TEXT))))))[0][1] != TEXT


BOMB = b"a" * (module.RATIO_FREE_BYTES + 10_000_000)


@pytest.mark.parametrize("source", [io.BytesIO, Pipe])
@pytest.mark.parametrize(
    "content",
    [
        gzip.compress(BOMB),
        zipped({"a": BOMB}),
        zipped({"z": zipped({"a": BOMB})}),
        zipped({str(number): BOMB[: 1 << 20] for number in range(60)}),
        gzip.compress(tarred({"a": BOMB})),
    ],
    ids=["gzip", "zip", "nested", "many", "tgz"],
)
def test_a_bomb_stops(content, source):
    with pytest.raises(ArchiveTooLarge, match="times its size"):
        opened(content, source)


def test_too_many_members(monkeypatch):
    monkeypatch.setattr(module, "MAX_MEMBERS", 3)
    with pytest.raises(ArchiveTooLarge, match="members"):
        opened(zipped({str(number): b"" for number in range(4)}))


def test_too_much_in_all(monkeypatch):
    monkeypatch.setattr(module, "MAX_UNPACKED_BYTES", 20)
    with pytest.raises(ArchiveTooLarge, match="more than"):
        opened(zipped({"a": TEXT, "b": TEXT}))


def test_a_directory_that_is_too_large(monkeypatch):
    monkeypatch.setattr(module, "_MAX_DIRECTORY_BYTES", 100)
    with pytest.raises(ArchiveTooLarge, match="directory"):
        opened(zipped({str(number): b"" for number in range(4)}))


def test_a_nested_zip_that_would_fill_the_memory(monkeypatch):
    monkeypatch.setattr(module, "_MAX_KEPT_BYTES", 100)
    with pytest.raises(ArchiveTooLarge, match="MiB"):
        opened(zipped({"z": zipped({"a": TEXT})}))


def test_an_encrypted_member_is_a_problem_of_its_own():
    content = bytearray(zipped({"a": TEXT, "b": TEXT}))
    for sign, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(sign) + offset] |= 1
    assert opened(bytes(content)) == [("a", "it is encrypted"), ("b", TEXT)]


def test_a_method_that_is_not_known():
    found = opened(zipped({"a": TEXT}, compression=zipfile.ZIP_LZMA))
    assert found == [("a", "it is compressed in a way that is not known")]


def test_damage_inside_a_member_is_told():
    content = zipped({"a": TEXT * 50}, compression=zipfile.ZIP_STORED)
    assert opened(content.replace(b"card", b"dark", 1)) == [("a", "it is damaged")]
    long = zipped({"a": TEXT * 5000}, compression=zipfile.ZIP_STORED)
    with pytest.raises(ArchiveDamaged, match="it is damaged"):
        opened(long.replace(b"card", b"dark", 1))


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_packed_data_that_ends_too_early(pack):
    content = pack(bytes(range(256)) * 200)
    found = []
    try:
        found = opened(content[: len(content) // 2])
    except ArchiveDamaged as err:
        found.append(("", err.message))
    assert "damaged" in str(found[-1][1])


def test_xz_that_wants_too_much_memory(monkeypatch):
    monkeypatch.setattr(module, "_XZ_MEMORY_BYTES", 1 << 16)
    assert "damaged" in str(opened(lzma.compress(TEXT))[0][1])


ARCHIVES = [
    zipped({"a": TEXT * 20, "b": b""}),
    zipped({"z": zipped({"a": TEXT})}),
    tarred({"a": TEXT}),
    gzip.compress(TEXT),
    bz2.compress(TEXT),
    lzma.compress(TEXT),
    gzip.compress(tarred({"a": TEXT})),
]


@settings(max_examples=300)
@given(st.sampled_from(ARCHIVES), st.integers(0, 500), st.binary(max_size=8), st.integers(0, 11_000))
def test_any_bytes_give_members_or_the_error(content, at, damage, cut):
    made = bytearray(content)
    made[at : at + len(damage)] = damage
    for candidate in (bytes(made), bytes(made[:cut])):
        with contextlib.suppress(ArchiveDamaged):
            opened(candidate)


@given(
    st.binary(max_size=200),
    st.sampled_from([b"", b"PK\x03\x04", b"PK\x05\x06", b"\x1f\x8b\x08", b"BZh91AY&SY", b"\xfd7zXZ\0"]),
)
def test_any_bytes_after_any_sign(content, sign):
    for source in (io.BytesIO, Pipe):
        with contextlib.suppress(ArchiveDamaged):
            opened(sign + content, source)


def test_zlib_is_not_mistaken_for_gzip():
    assert form_of(zlib.compress(TEXT)) is None
