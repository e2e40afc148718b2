"""``init``: whole or not at all, once, with nothing open to others and nothing secret in the database."""

import shutil
from pathlib import Path

import pytest

from control_plane import initialise as module
from control_plane.errors import AlreadyInitialised, InvalidRequest, KeysUnsafe, NotInitialised
from control_plane.initialise import FirstSettings, initialise, is_initialised, open_installation
from control_plane.keyring import DataDir, load_keyring
from control_plane.store.engine import Database
from tests.fakes.installation import FIRST, TRUST_DOMAIN


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
        ({"provider_url": "ftp://llm.example"}, InvalidRequest),
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
