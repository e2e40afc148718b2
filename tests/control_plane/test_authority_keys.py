"""Authorities' keys in each kind of store: made there, found by certificate, and what stops the start."""

import secrets
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from control_plane.app import open_for
from control_plane.authorities import Kind
from control_plane.authority_keys import AuthorityKeys, Place, StoreChoice, choose, open_authority_keys
from control_plane.ceremonies import Ceremonies
from control_plane.config import Config, load_config
from control_plane.errors import ConfigError, KeyStoreFailed, KeysUnsafe, Sealed
from control_plane.initialise import initialise
from control_plane.operations_core import utc_now
from control_plane.root_key import BroughtKey
from control_plane.rotation import Step
from control_plane.seal import Unsealing
from pki.errors import KeyFileError
from pki.files import read_private_key
from pki.keys import spki_sha256
from pki.keystores.file import FileKeyStore
from tests.fakes.https_server import serve_https
from tests.fakes.installation import FIRST, OutpostKeys
from tests.fakes.vault import FakeVault

PASSPHRASE, TOKEN = "correct-horse", "hvs.correct-horse"


@pytest.fixture(autouse=True)
def _no_settings(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CONTROL_PLANE_KEY_STORE_SECRET", raising=False)


def _config(path, **settings):
    return Config(data_dir=path, **settings)


def _initialise(config):
    return initialise(config.data_dir, FIRST, key_store=config.key_store_choice())


def _enrol(config):
    opened = open_for(config)
    try:
        _, token = opened.operations.create_outpost("acme", f"edge-{secrets.token_hex(4)}", timedelta(minutes=15))
        return opened.operations.enroll(OutpostKeys().message(token.text))[0]
    finally:
        opened.close()


def _refusal(config):
    with pytest.raises(KeyStoreFailed) as refused:
        open_for(config)
    err = refused.value
    assert err.message == f"{err.store}: {err.problem}; {err.advice}"
    assert PASSPHRASE not in err.message
    assert TOKEN not in err.message
    return err


def test_without_settings_keys_are_plain_files_and_init_says_so(tmp_path):
    config = _config(tmp_path / "data")
    assert _initialise(config).key_store == (
        f"file key store {tmp_path / 'data' / 'ca'} (not encrypted, protected by file mode alone)"
    )
    read_private_key(tmp_path / "data" / "ca" / "root.key", None)
    assert _enrol(config)


@pytest.mark.parametrize("uri", [None, "own", "other"])
def test_a_passphrase_encrypts_the_files(tmp_path, uri):
    path, other = tmp_path / "data", tmp_path / "keys"
    folder = other if uri == "other" else path / "ca"
    config = _config(path, key_store=uri and f"file:{folder}", key_store_secret=PASSPHRASE)
    assert "under the passphrase" in _initialise(config).key_store
    assert sorted(one.name for one in folder.glob("*.key")) == ["intermediate.key", "root.key"]
    for name in ("root", "intermediate"):
        with pytest.raises(KeyFileError):
            read_private_key(folder / f"{name}.key", None)
        read_private_key(folder / f"{name}.key", PASSPHRASE.encode())
    assert _enrol(config)
    assert not list((path / "ca").glob("*.key")) or uri != "other"


@pytest.mark.parametrize("secret", [None, "wrong"])
def test_a_wrong_passphrase_stops_the_start_and_names_store_and_remedy(tmp_path, secret):
    path = tmp_path / "data"
    _initialise(_config(path, key_store_secret=PASSPHRASE))
    err = _refusal(_config(path, key_store_secret=secret))
    assert err.store == f"file key store {path / 'ca'}"
    assert "intermediate.key" in err.problem
    assert "give the passphrase" in err.advice


def test_the_secret_comes_from_a_private_file_or_the_variable_but_not_both(tmp_path, monkeypatch):
    file = tmp_path / "passphrase"
    file.write_text(f"{PASSPHRASE}\n")
    file.chmod(0o600)
    assert choose(None, None, file) == StoreChoice(None, PASSPHRASE.encode())
    assert PASSPHRASE not in repr(choose(None, None, file))
    monkeypatch.setenv("CONTROL_PLANE_KEY_STORE_SECRET", PASSPHRASE)
    config = load_config(None, {"data_dir": tmp_path / "data"})
    assert config.key_store_choice() == StoreChoice(None, PASSPHRASE.encode())
    assert PASSPHRASE not in repr(config)
    with pytest.raises(ConfigError, match="one of them"):
        choose(None, PASSPHRASE, file)
    file.chmod(0o640)
    with pytest.raises(ConfigError, match="open to group"):
        choose(None, None, file)


def test_vault_holds_the_keys_and_its_absence_stops_the_start(tmp_path):
    pytest.importorskip("hvac", reason="hvac is not installed")
    vault, path = FakeVault(TOKEN), tmp_path / "data"
    with serve_https(tmp_path, datetime.now(UTC), vault.answer) as server:
        uri = f"vault+{server.url}/ca-keys?ca={server.ca_file}"
        config = _config(path, key_store=uri, key_store_secret=TOKEN)
        _initialise(config)
        assert _enrol(config)
        assert (set(vault.keys), list(path.glob("ca/*.key"))) == ({"root", "intermediate"}, [])
        opened = open_for(config)
        ceremonies = Ceremonies(opened.operations, 30)
        with pytest.raises(KeysUnsafe, match="cannot leave it"):
            ceremonies.export(BroughtKey(tmp_path / "root.pem", b"x"))
        ceremonies.prepare(Kind.INTERMEDIATE)
        ceremonies.advance(Kind.INTERMEDIATE, Step.ACTIVATE)
        assert "intermediate-2" in vault.keys
        assert _enrol(config)
        vault.sealed = True
        assert "sealed" in _refusal(config).message
        with pytest.raises(KeyStoreFailed):
            opened.operations.keyring.intermediate.issue_server(["localhost"], OutpostKeys().private_key.public_key(),
                                                                utc_now())  # fmt: skip
        vault.sealed = False
        err = _refusal(_config(path, key_store=uri, key_store_secret="hvs.other"))
        assert "refuses the token" in err.problem
        opened.close()
    assert vault.odd == []
    err = _refusal(config)  # it is stopped now
    assert err.store == f"Vault {server.url} (ca-keys)"
    assert err.advice


def test_an_offline_root_is_never_in_the_store(tmp_path):
    pytest.importorskip("hvac", reason="hvac is not installed")
    vault, path = FakeVault(TOKEN), tmp_path / "data"
    with serve_https(tmp_path, datetime.now(UTC), vault.answer) as server:
        uri = f"vault+{server.url}/ca-keys?ca={server.ca_file}"
        first = FIRST.__class__("acme", FIRST.trust_domain, FIRST.server_names, root_export=tmp_path / "root.pem")
        shown = initialise(path, first, key_store=StoreChoice(uri, TOKEN.encode()))
        config = _config(path, key_store=uri, key_store_secret=TOKEN)
        opened = open_for(config)
        brought = BroughtKey(tmp_path / "root.pem", shown.root_passphrase.encode())
        ceremonies = Ceremonies(opened.operations, 30)
        ceremonies.prepare(Kind.INTERMEDIATE, brought)
        opened.close()
        assert (set(vault.keys), list(path.glob("ca/*.key"))) == ({"intermediate", "intermediate-2"}, [])


def test_a_change_of_store_takes_effect_with_the_next_rotation_and_import(tmp_path):
    path, folder = tmp_path / "data", tmp_path / "keys"
    _initialise(_config(path))
    config = _config(path, key_store=f"file:{folder}", key_store_secret=PASSPHRASE)
    assert _enrol(config)
    opened = open_for(config)
    ceremonies = Ceremonies(opened.operations, 30)
    for step in (None, Step.ACTIVATE, Step.RETIRE):
        if step is None:
            ceremonies.prepare(Kind.INTERMEDIATE)
        else:
            ceremonies.advance(Kind.INTERMEDIATE, step)
    brought = BroughtKey(tmp_path / "root.pem", b"export")
    ceremonies.export(brought)
    ceremonies.remove(brought)
    ceremonies.bring_back(brought)
    ceremonies.bring_back(brought)  # a second time changes nothing
    opened.close()
    assert sorted(one.name for one in folder.glob("*.key")) == ["intermediate-2.key", "root.key"]
    assert [one.name for one in (path / "ca").glob("*.key")] == ["intermediate.key"]
    read_private_key(folder / "root.key", PASSPHRASE.encode())
    assert _enrol(config)


def test_keys_left_over_are_neither_used_nor_in_the_way(tmp_path):
    folder = tmp_path / "keys"
    config = _config(tmp_path / "data", key_store=f"file:{folder}", key_store_secret=PASSPHRASE)
    FileKeyStore(folder, PASSPHRASE.encode()).create("intermediate")
    _initialise(config)
    assert (folder / "intermediate-r2.key").exists()
    assert _enrol(config)
    (folder / "intermediate.key").unlink()  # somebody tidied up
    assert _enrol(config)
    (folder / "intermediate-r2.key").unlink()
    with pytest.raises(KeysUnsafe, match="no key of intermediate's certificate"):
        open_for(config)


def test_too_many_left_over_keys_stop_a_ceremony(tmp_path):
    keys = AuthorityKeys((Place(FileKeyStore(tmp_path / "keys", None), tmp_path / "keys"),))
    made = {spki_sha256(keys.create("root").public_key) for _ in range(4)}
    assert len(made) == 4
    with pytest.raises(KeyStoreFailed, match="left over"):
        keys.create("root")


@pytest.mark.parametrize(
    ("uri", "secret", "says"),
    [
        ("ftp:/x", None, "kinds of store"),
        ("file:keys", None, "not absolute"),
        (None, b"", "empty passphrase"),
        ("pkcs11:token=x?module-path=/x.so", b"\xff", "not text"),
    ],
)
def test_settings_that_cannot_be_used(tmp_path, uri, secret, says):
    if uri is not None and uri.startswith("pkcs11"):
        pytest.importorskip("pkcs11", reason="python-pkcs11 is not installed")
    with pytest.raises(KeyStoreFailed, match=says):
        open_authority_keys(tmp_path, StoreChoice(uri, secret))


def _sealed(path):
    first = replace(FIRST, split=(3, 2))
    shares = initialise(path, first).shares

    def ask(seal):
        asked.append(seal.described)
        unsealing = Unsealing(seal)
        return [unsealing.give(share) for share in shares[1:]][-1]

    asked = []
    return asked, ask


def test_sealed_keys_are_asked_for_once_and_only_to_sign(tmp_path):
    asked, ask = _sealed(tmp_path / "data")
    opened = open_for(_config(tmp_path / "data"), shares=ask)
    try:
        keys, root = opened.operations.keyring.authority_keys, opened.operations.keyring.state.active(Kind.ROOT)
        _, token = opened.operations.create_outpost("acme", "edge", timedelta(minutes=15))
        assert (asked, keys.is_sealed, keys.where(root)) == ([], True, "sealed")
        for _ in range(2):
            assert opened.operations.enroll(OutpostKeys().message(token.text))
            _, token = opened.operations.create_outpost("acme", f"e{secrets.token_hex(4)}", timedelta(minutes=15))
        assert (asked, keys.is_sealed, keys.where(root)) == (["sealed: 2 of 3 shares open it"], False, "here")
    finally:
        opened.close()
    with pytest.raises(KeyStoreFailed, match="in shares only"):
        open_for(_config(tmp_path / "data", key_store_secret=PASSPHRASE))


def test_sealed_keys_with_nobody_to_ask_sign_nothing(tmp_path):
    _sealed(tmp_path / "data")
    with pytest.raises(Sealed, match="nobody to ask"):
        _enrol(_config(tmp_path / "data"))


def test_an_installation_leaves_its_seal_by_rotating_into_another_store(tmp_path):
    path = tmp_path / "data"
    asked, ask = _sealed(path)
    config = _config(path, key_store=f"file:{tmp_path / 'new'}", key_store_secret=PASSPHRASE)
    opened = open_for(config, shares=ask)
    ceremonies = Ceremonies(opened.operations, 30)
    ceremonies.prepare(Kind.INTERMEDIATE)
    for step in (Step.ACTIVATE, Step.RETIRE):
        ceremonies.advance(Kind.INTERMEDIATE, step)
    opened.close()
    assert len(asked) == 1
    for old in [*(path / "ca").glob("*.key"), path / "ca" / "seal.json"]:
        old.unlink()
    assert _enrol(config)
