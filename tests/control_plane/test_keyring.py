"""Keys on disk: what stops the start, and how the server's own certificate stays fresh."""

import shutil

import pytest

from control_plane.errors import KeysUnsafe
from control_plane.initialise import initialise
from control_plane.keyring import DataDir, ensure_server_certificate, load_keyring
from tests.fakes.clock import NOON
from tests.fakes.installation import FIRST, TRUST_DOMAIN


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
