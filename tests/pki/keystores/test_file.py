import pytest

from pki.errors import KeyNotFound, KeyStoreUnavailable
from pki.keystore import open_key_store
from pki.keystores.file import FileKeyStore
from tests.pki.keystores.conformance import check_store


@pytest.mark.parametrize("passphrase", [b"correct horse", None])
def test_a_store_of_files(tmp_path, passphrase):
    store = FileKeyStore(tmp_path / "ca", passphrase)
    with pytest.raises(KeyStoreUnavailable, match="mount it"):
        store.check()
    (tmp_path / "ca").mkdir(mode=0o700)
    check_store(store)
    for path in (tmp_path / "ca").glob("*.key"):
        assert path.stat().st_mode & 0o777 == 0o600
        assert (b"ENCRYPTED" in path.read_bytes()) is (passphrase is not None)


def test_it_opens_by_its_uri(tmp_path):
    store = open_key_store(f"file:{tmp_path}/c%20a", secret=b"x")
    store.create("root")
    assert (tmp_path / "c a" / "root.key").exists()
    assert (tmp_path / "c a").stat().st_mode & 0o777 == 0o700


def test_another_passphrase_opens_nothing(tmp_path):
    FileKeyStore(tmp_path / "ca", b"correct horse").create("root")
    for wrong in (b"battery", None):
        store = FileKeyStore(tmp_path / "ca", wrong)
        with pytest.raises(KeyStoreUnavailable) as refusal:
            store.check()
        assert "root.key" in refusal.value.problem
        assert "passphrase" in refusal.value.advice
        assert "horse" not in str(refusal.value)
        with pytest.raises(KeyStoreUnavailable):
            store.signer("root")


def test_a_key_can_be_carried_away_and_brought_back(tmp_path):
    store = FileKeyStore(tmp_path / "ca", b"x")
    signer = store.create("root")
    away = (tmp_path / "ca" / "root.key").rename(tmp_path / "stick")
    store.check()
    with pytest.raises(KeyNotFound, match="bring the file back"):
        store.signer("root")
    away.rename(tmp_path / "ca" / "root.key")
    assert store.signer("root").public_key == signer.public_key


@pytest.mark.parametrize("path", ["ca", "ca/root.key"])
def test_what_is_open_to_others_is_refused(tmp_path, path):
    store = FileKeyStore(tmp_path / "ca", b"x")
    store.create("root")
    (tmp_path / path).chmod(0o750)
    with pytest.raises(KeyStoreUnavailable, match="open to group or others"):
        store.check()


def test_a_damaged_key_is_refused(tmp_path):
    store = FileKeyStore(tmp_path / "ca", b"x")
    store.create("root")
    path = tmp_path / "ca" / "root.key"
    path.write_bytes(path.read_bytes()[:-60])
    with pytest.raises(KeyStoreUnavailable, match="restore it from a backup"):
        store.signer("root")


def test_a_directory_that_cannot_be_written_says_so(tmp_path):
    (tmp_path / "ca").write_bytes(b"a file")
    with pytest.raises(KeyStoreUnavailable) as refusal:
        FileKeyStore(tmp_path / "ca", b"x").create("root")
    assert str(tmp_path) in refusal.value.store


def test_an_empty_passphrase_is_none(tmp_path):
    with pytest.raises(KeyStoreUnavailable, match="protects nothing"):
        FileKeyStore(tmp_path, b"")


@pytest.mark.parametrize("uri", ["file:relative", "file://host/path", "file:/ca?pin=1"])
def test_odd_uris(uri):
    with pytest.raises(KeyStoreUnavailable):
        open_key_store(uri)
