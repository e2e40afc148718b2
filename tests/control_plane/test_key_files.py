import os

import pytest

from control_plane.errors import KeysUnsafe
from control_plane.key_files import load_ed25519, new_ed25519_pem, read_key_file
from pki.files import write_private
from pki.keys import generate_private_key, private_key_to_pem


def test_a_key_comes_back(tmp_path):
    write_private(tmp_path / "a.key", new_ed25519_pem())
    assert load_ed25519(tmp_path / "a.key").sign(b"x")


@pytest.mark.parametrize("content", [b"", b"not a key", private_key_to_pem(generate_private_key(), None)])
def test_what_is_no_ed25519_key_is_refused(tmp_path, content):
    write_private(tmp_path / "a.key", content)
    with pytest.raises(KeysUnsafe, match="restore it from a backup"):
        load_ed25519(tmp_path / "a.key")


def test_a_file_that_others_may_read_or_that_is_none_is_refused(tmp_path):
    write_private(tmp_path / "a.key", new_ed25519_pem())
    (tmp_path / "a.key").chmod(0o640)
    with pytest.raises(KeysUnsafe, match="chmod 600"):
        read_key_file(tmp_path / "a.key")
    os.mkfifo(tmp_path / "pipe", 0o600)
    for name in ("missing", "pipe"):
        with pytest.raises(KeysUnsafe):
            read_key_file(tmp_path / name)
