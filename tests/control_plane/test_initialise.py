"""``init``: whole or not at all, once, with nothing open to others and nothing secret in the database."""

import base64
import shutil
import sqlite3
from datetime import timedelta
from pathlib import Path

import pytest

from control_plane import initialise as module
from control_plane.errors import AlreadyInitialised, DocumentRejected, InvalidRequest, KeysUnsafe, NotInitialised
from control_plane.initialise import FirstSettings, initialise, is_initialised, open_installation
from control_plane.keyring import DataDir, ensure_server_certificate, load_keyring
from control_plane.keys import KeyRequest
from control_plane.operations import Operations
from control_plane.secrets import newest_pepper
from control_plane.store.engine import Database
from control_plane.store.orgs import SqlSecretStore
from tests.fakes.clock import NOON
from tests.fakes.installation import FIRST, TRUST_DOMAIN, OutpostKeys


def _snapshot(path: Path):
    return {file.relative_to(path): file.read_bytes() for file in path.rglob("*") if file.is_file()}


def test_directories_are_0700_and_secret_files_0600(fresh):
    path, _ = fresh
    public = {"root.pem", "intermediate.pem"}
    for entry in [path, *path.rglob("*")]:
        mode = entry.stat().st_mode & 0o777
        expected = 0o700 if entry.is_dir() else 0o644 if entry.name in public else 0o600
        assert (entry, oct(mode)) == (entry, oct(expected))


def test_a_second_init_refuses_and_touches_nothing(tmp_path, clock, fresh):
    path = shutil.copytree(fresh[0], tmp_path / "data")
    before = _snapshot(path)
    with pytest.raises(AlreadyInitialised, match="nothing was touched"):
        initialise(path, FIRST, clock=clock)
    assert _snapshot(path) == before


def test_a_mounted_volume_that_is_not_empty_of_other_things_is_fine(tmp_path, clock):
    data = tmp_path / "data"
    (data / "lost+found").mkdir(parents=True)
    initialise(data, FIRST, clock=clock)
    assert is_initialised(data)


class _PowerCutError(Exception):
    pass


@pytest.mark.parametrize("renames_before_the_cut", [0, 1, 2, 3, 4])
def test_a_crash_half_way_is_finished_by_a_second_init(tmp_path, clock, monkeypatch, renames_before_the_cut):
    """Cut the power before the n-th piece is moved into place (4: before the commit itself)."""
    data, real, done = tmp_path / "data", Path.rename, []

    def rename(self, target):
        if len(done) == renames_before_the_cut:
            raise _PowerCutError
        done.append(target)
        return real(self, target)

    def rmdir(self):
        raise _PowerCutError

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", rename)
        patch.setattr(Path, "rmdir", rmdir)
        with pytest.raises(_PowerCutError):
            initialise(data, FIRST, clock=clock)
    assert not is_initialised(data)
    with pytest.raises(NotInitialised):
        open_installation(data, Database("sqlite://"), None)
    first = initialise(data, FIRST, clock=clock)
    assert is_initialised(data)
    database = Database(f"sqlite:///{data / 'control-plane.db'}")
    assert open_installation(data, database, None).trust_domain == TRUST_DOMAIN
    keyring = load_keyring(DataDir(data), TRUST_DOMAIN, clock())
    assert keyring.anchor_sha256.hex() == first.anchor_sha256
    database.close()


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"org_id": "Not An Id"}, InvalidRequest),
        ({"provider_url": "ftp://llm.example"}, DocumentRejected),
        ({"trust_domain": "Upper.Case"}, KeysUnsafe),
        ({"server_names": ("*.example.com",)}, KeysUnsafe),
    ],
)
def test_a_setting_that_cannot_be_used_leaves_nothing_behind(tmp_path, clock, change, error):
    settings = {"org_id": "acme", "trust_domain": TRUST_DOMAIN, "server_names": ("localhost",)} | change
    with pytest.raises(error):
        initialise(tmp_path / "data", FirstSettings(**settings), clock=clock)
    assert not (tmp_path / "data").exists()


def test_a_database_elsewhere_is_used_once(tmp_path, clock):
    url = f"sqlite:///{tmp_path / 'elsewhere.db'}"
    initialise(tmp_path / "one", FIRST, database_url=url, clock=clock)
    assert not (tmp_path / "one" / "control-plane.db").exists()
    with pytest.raises(AlreadyInitialised, match="database_url"):
        initialise(tmp_path / "two", FIRST, database_url=url, clock=clock)
    assert not is_initialised(tmp_path / "two")


def test_two_inits_at_once_do_not_meet(tmp_path, clock, monkeypatch):
    data, real = tmp_path / "data", module._build

    def build(*args):
        with pytest.raises(AlreadyInitialised, match="another"):
            initialise(data, FIRST, clock=clock)
        return real(*args)

    monkeypatch.setattr(module, "_build", build)
    initialise(data, FIRST, clock=clock)
    assert is_initialised(data)


def test_opening_refuses_what_does_not_belong_together(plane, tmp_path):
    with pytest.raises(NotInitialised, match=r"other\.test"):
        open_installation(plane.path, plane.operations.database, "other.test")
    with pytest.raises(NotInitialised, match="init"):
        open_installation(tmp_path / "nothing", plane.operations.database, None)
    old = Database(f"sqlite:///{tmp_path / 'old.db'}")
    with pytest.raises(NotInitialised, match="migrate"):
        open_installation(plane.path, old, None)
    old.migrate()
    with pytest.raises(NotInitialised, match="no installation"):
        open_installation(plane.path, old, None)
    old.close()


@pytest.mark.parametrize("name", ["keys/kek", "keys/receipt.key", "ca/intermediate.key"])
@pytest.mark.parametrize("harm", ["missing", "open", "damaged"])
def test_a_key_that_is_missing_open_or_damaged_stops_the_start(plane, name, harm):
    path = plane.path / name
    if harm == "missing":
        path.unlink()
    elif harm == "open":
        path.chmod(0o640)
    else:
        path.write_bytes(b"damaged")
    with pytest.raises(KeysUnsafe):
        load_keyring(DataDir(plane.path), TRUST_DOMAIN, NOON)


def test_an_intermediate_of_another_root_stops_the_start(plane, tmp_path, clock):
    initialise(tmp_path / "other", FIRST, clock=clock)
    shutil.copy(tmp_path / "other" / "ca" / "root.pem", plane.path / "ca" / "root.pem")
    with pytest.raises(KeysUnsafe, match="was not issued by"):
        load_keyring(DataDir(plane.path), TRUST_DOMAIN, NOON)


def test_the_servers_certificate_is_renewed_when_due_and_for_new_names(plane, clock):
    keyring, names = plane.operations.keyring, list(FIRST.server_names)
    assert not ensure_server_certificate(keyring, names, clock())
    assert ensure_server_certificate(keyring, ["control.example.com"], clock())
    assert not ensure_server_certificate(keyring, ["control.example.com"], clock())
    later = NOON.replace(month=8, day=15)
    assert ensure_server_certificate(keyring, ["control.example.com"], later)
    keyring.files.server.write_bytes(b"damaged")
    assert ensure_server_certificate(keyring, ["control.example.com"], later)


def test_the_database_holds_no_secret_in_clear(plane):
    operations: Operations = plane.operations
    operations.set_secret("acme", "provider/openai", "sk-planted-provider-key")
    _, token = operations.create_outpost("acme", "edge", timedelta(minutes=15))
    _, text, _ = operations.create_key("acme", KeyRequest(name="second"))
    with operations.database.read() as connection:
        _, pepper = newest_pepper(SqlSecretStore(connection), operations.keyring.wrapper, "acme")
    operations.enroll(OutpostKeys().message(token.text))
    secrets = {
        "pepper": pepper,
        "pepper in base64": base64.b64encode(pepper),
        "pepper in hex": pepper.hex().encode(),
        "first key": plane.first.virtual_key.encode(),
        "second key": text.encode(),
        "the unguessable part of a key": text[-30:].encode(),
        "admin password": plane.first.admin_password.encode(),
        "token": token.text.encode(),
        "token secret": token.secret,
        "provider key": b"sk-planted-provider-key",
        "key-encrypting key": (plane.path / "keys" / "kek").read_bytes(),
    }
    backup = plane.path / "backup.db"
    with sqlite3.connect(plane.path / "control-plane.db") as source, sqlite3.connect(backup) as copy:
        source.backup(copy)
    source.close()
    copy.close()
    content = b"".join(file.read_bytes() for file in [*plane.path.glob("control-plane.db*"), backup])
    assert b"outpost.test" in content  # the search does find what is there
    assert [name for name, secret in secrets.items() if secret in content] == []
