import contextlib
import io
import tarfile

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from outpost.scan.tar import TarInvalid, is_tar, read_tar

FILES = {"a.txt": b"hello", "d/" + "long" * 60: b"x" * 1500, "empty": b"", "ü": b"\xff"}


def archive(form: int = tarfile.PAX_FORMAT, files=FILES) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=form) as tar:
        for kind in (tarfile.DIRTYPE, tarfile.SYMTYPE):
            other = tarfile.TarInfo(f"other-{kind!r}")
            other.type, other.linkname = kind, "a.txt"
            tar.addfile(other)
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return made.getvalue()


def contents(content: bytes) -> dict[str, bytes]:
    return {name: b"".join(iter(lambda data=data: data.read(7), b"")) for name, data in read_tar(io.BytesIO(content))}


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
def test_what_tarfile_writes_is_read(form):
    # ustar has 155 characters for the directories and 100 for the name.
    files = {"d" * 150 + "/" + "n" * 90: b"x"} if form == tarfile.USTAR_FORMAT else FILES
    made = archive(form, files)
    assert is_tar(made)
    assert contents(made) == files


def test_data_that_is_not_read_is_skipped():
    assert [name for name, _ in read_tar(io.BytesIO(archive()))] == list(FILES)


@pytest.mark.parametrize("cut", [100, 1024 + 514, 1024 + 600])
def test_an_archive_that_ends_too_early(cut):
    with pytest.raises(TarInvalid):
        contents(archive()[:cut])


def test_closing_blocks_may_be_missing():
    whole = archive()
    end = len(whole.rstrip(b"\0"))
    assert contents(whole[: end + -end % 512]) == contents(whole)


def test_a_member_described_at_length_is_refused():
    made = archive(tarfile.GNU_FORMAT, {"n" * 70_000: b""})
    with pytest.raises(TarInvalid, match="length"):
        contents(made)


def test_a_size_that_is_a_lie_ends_the_archive():
    info = tarfile.TarInfo("a")
    info.size = 1 << 40
    with pytest.raises(TarInvalid, match="early"):
        contents(info.tobuf(tarfile.GNU_FORMAT) + b"hello")


@pytest.mark.parametrize(
    "record", [b"1 a=b\n", b"-5 size=3\n", b"99999999999999999999999 size=1\n", b"10 size=-1\n", b"x"]
)
def test_wrong_descriptions(record):
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.XHDTYPE, len(record)
    with pytest.raises(TarInvalid):
        contents(info.tobuf(tarfile.USTAR_FORMAT) + record.ljust(512, b"\0") + archive())


@given(st.binary(max_size=2000), st.integers(0, 4000), st.binary(min_size=1, max_size=20))
@example(b"", 124, b"\x80\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff")
def test_any_bytes_give_members_or_the_error(content, at, damage):
    made = bytearray(archive())
    made[at : at + len(damage)] = damage
    for candidate in (content, bytes(made), bytes(made[:at])):
        with contextlib.suppress(TarInvalid):
            contents(candidate)
