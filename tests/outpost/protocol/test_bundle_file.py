import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpost.protocol.bundle_file import MAX_BYTES, BundleFileInvalid, read_bundle_file, write_bundle_file
from outpost.protocol.compression import compress

FILES = {
    "tuf/1.root.json": b"{}",
    "tuf/timestamp.json": b"x" * 512,
    "tuf/7.virtual-keys.json": b"",
    f"targets/{'a' * 64}.policy.json": b"y" * 1000,
    "secrets/berlin-1-0a1b2c3d.json": b"\0" * 511,
    "crl/0a1b.der": b"\xff",
}
PLAIN = write_bundle_file(FILES, compressed=False)


def tarred(members, tar_format=tarfile.USTAR_FORMAT):
    """An archive that Python's own tar wrote."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tar_format) as tar:
        for name, content, kind in members:
            info = tarfile.TarInfo(name)
            info.size, info.type = len(content), kind
            info.linkname = "/etc/passwd" if kind in (tarfile.SYMTYPE, tarfile.LNKTYPE) else ""
            tar.addfile(info, io.BytesIO(content))
    return file.getvalue()


@pytest.mark.parametrize("compressed", [True, False])
def test_files_come_back_and_the_same_files_are_the_same_bytes(compressed):
    written = write_bundle_file(FILES, compressed=compressed)
    assert read_bundle_file(written) == FILES
    assert write_bundle_file(dict(reversed(FILES.items())), compressed=compressed) == written


def test_any_tar_reads_it_and_what_any_tar_writes_is_read():
    with tarfile.open(fileobj=io.BytesIO(PLAIN)) as tar:
        assert {one.name: tar.extractfile(one).read() for one in tar.getmembers()} == FILES
    assert read_bundle_file(tarred([(name, content, tarfile.REGTYPE) for name, content in FILES.items()])) == FILES


@pytest.mark.parametrize(
    "name",
    [
        "../tuf/timestamp.json", "/tuf/timestamp.json", "tuf/../timestamp.json", "tuf/timestamp.json/x", "tuf\\x",
        "timestamp.json", "tuf/0.root.json", "tuf/01.root.json", "tuf/1.Root.json", "tuf/1..json", "secrets/a/b.json",
        "secrets/..json", f"targets/{'A' * 64}.policy.json", f"targets/{'a' * 64}./../x", "crl/xy.der", "", "x",
    ],
)  # fmt: skip
def test_no_other_name_is_read_or_written(name):
    with pytest.raises(BundleFileInvalid):
        write_bundle_file({name: b""})
    if name:
        with pytest.raises(BundleFileInvalid):
            read_bundle_file(tarred([(name, b"", tarfile.REGTYPE)]))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_only_plain_files_are_read(kind):
    with pytest.raises(BundleFileInvalid):
        read_bundle_file(tarred([("tuf/timestamp.json", b"", kind)]))


def test_twice_the_same_name_is_refused():
    with pytest.raises(BundleFileInvalid, match="twice"):
        read_bundle_file(tarred([("tuf/timestamp.json", body, tarfile.REGTYPE) for body in (b"1", b"2")]))


def test_it_is_bounded_before_it_is_unfolded():
    with pytest.raises(BundleFileInvalid, match="unfolded"):
        read_bundle_file(compress(bytes(MAX_BYTES + 1)))
    huge = bytearray(PLAIN[:512])
    huge[124:136] = b"77777777777\0"
    huge[148:156] = b" " * 8
    huge[148:156] = f"{sum(huge):06o}\0 ".encode()
    with pytest.raises(BundleFileInvalid):
        read_bundle_file(bytes(huge) + PLAIN[512:])


def test_a_cut_at_any_place_is_noticed():
    for end in range(0, len(PLAIN), 64):
        with pytest.raises(BundleFileInvalid):
            read_bundle_file(PLAIN[:end])
    for more in (b"x", PLAIN):
        with pytest.raises(BundleFileInvalid):
            read_bundle_file(PLAIN + more)


@given(st.binary(max_size=2000) | st.binary(max_size=600).map(lambda more: PLAIN[:600] + more))
def test_any_bytes_are_files_or_refused(data):
    try:
        files = read_bundle_file(data)
    except BundleFileInvalid:
        return
    assert read_bundle_file(write_bundle_file(files)) == files


@given(st.integers(0, len(PLAIN) - 1), st.integers(1, 255), st.booleans())
def test_a_flipped_bit_never_escapes_the_names(place, flip, compressed):
    data = bytearray(PLAIN)
    data[place] ^= flip
    try:
        files = read_bundle_file(compress(bytes(data)) if compressed else bytes(data))
    except BundleFileInvalid:
        return
    assert len(files) == len(FILES)
    assert write_bundle_file(files)  # every name is one of a bundle's
