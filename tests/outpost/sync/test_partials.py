import os
import stat

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from outpost.errors import CacheUnavailable
from outpost.sync.partials import KEPT, Partials
from outpost.sync.resume import Begun

DIGEST, OTHER = "a" * 64, "b" * 64
TAG = '"abc"'


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "models" / "partial"


@pytest.fixture
def partials(folder):
    return Partials(folder, file_from_bytes=100)


@pytest.mark.parametrize("max_bytes", [99, 100], ids=["memory", "file"])
def test_what_is_begun_is_found_again(partials, folder, max_bytes):
    assert partials.find(DIGEST) is None
    begun = partials.begin(DIGEST, max_bytes, TAG, "zstd")
    begun.append(b"some ")
    begun.append(b"bytes")
    found = partials.find(DIGEST)
    assert (found.begun, found.content()) == (Begun(TAG, "zstd", 10), b"some bytes")
    survives = Partials(folder, file_from_bytes=100).find(DIGEST)
    assert (survives is not None) == (max_bytes == 100)
    assert partials.begin(DIGEST, max_bytes, TAG, "zstd").begun.size_bytes == 0
    partials.drop(DIGEST)
    partials.drop(DIGEST)
    assert partials.find(DIGEST) is None
    assert not list(folder.glob("*"))


def test_nobody_else_reads_the_files(partials, folder):
    partials.begin(DIGEST, 100, TAG, "zstd")
    (file,) = folder.iterdir()
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (file, folder, folder.parent)]
    assert modes == [0o600, 0o700, 0o700]


@pytest.mark.parametrize("tag", ["", 'W/"weak"', '"a\r\nb"', "none"])
def test_without_a_strong_tag_nothing_is_resumed(partials, tag):
    for max_bytes in (1, 100):
        partials.begin(DIGEST, max_bytes, tag, "identity").append(b"x")
        assert partials.find(DIGEST) is None


def test_downloads_that_nobody_finishes_make_room(partials, folder):
    digests = [f"{number:064x}" for number in range(10)]
    for number, digest in enumerate(digests):
        partials.begin(digest, 100, TAG, "identity")
        os.utime(folder / f"{digest}.part", (number, number))
        partials.begin(digest[::-1], 1, TAG, "identity")
    assert sorted(path.stem for path in folder.iterdir()) == digests[-KEPT:]
    assert sum(partials.find(digest[::-1]) is not None for digest in digests[1:]) == KEPT


def test_a_folder_that_cannot_be_made_is_as_good_as_none(tmp_path):
    (tmp_path / "models").write_text("in the way")
    partials = Partials(tmp_path / "models" / "partial", file_from_bytes=1)
    partials.begin(DIGEST, 100, TAG, "identity").append(b"x")
    assert partials.find(DIGEST).begun.size_bytes == 1
    partials.drop(DIGEST)


def test_a_disk_that_goes_away_is_a_typed_error(partials, folder):
    begun = partials.begin(DIGEST, 100, TAG, "identity")
    (folder / f"{DIGEST}.part").unlink()
    folder.rmdir()
    for use in (lambda: begun.begun, lambda: begun.append(b"x"), begun.content):
        with pytest.raises(CacheUnavailable):
            use()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.binary(max_size=100)
    | st.sampled_from([b"[]\n", b"{}\n", b'{"tag": 1, "encoding": "zstd"}\n', b"[" * 900 + b"\n"])
)
def test_whatever_lies_there_is_something_to_resume_or_nothing(partials, folder, content):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{DIGEST}.part").write_bytes(content)
    found = partials.find(DIGEST)
    assert found is None or found.begun.can_resume


def test_a_name_is_a_digest(partials):
    with pytest.raises(ValueError, match="SHA-256"):
        partials.begin("../../etc/passwd", 100, TAG, "identity")
    assert partials.find("../" + OTHER) is None


def test_only_downloads_that_somebody_wants_are_kept(tmp_path):
    directory = tmp_path / "models" / "partial"
    partials = Partials(directory, file_from_bytes=10)
    names = {"a" * 64: 100, "b" * 64: 100, "c" * 64: 1, "d" * 64: 1}
    for name, size in names.items():
        partials.begin(name, size, '"tag"', "identity").append(b"x")
    partials.keep_only({"a" * 64, "c" * 64})
    assert [name[0] for name in names if partials.find(name) is not None] == ["a", "c"]
    assert [path.stem for path in directory.iterdir()] == ["a" * 64]
    Partials(tmp_path / "nowhere").keep_only(())
