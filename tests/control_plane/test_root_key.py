"""The root's export as openssl reads it."""

import os
import re
import subprocess

import pytest

from control_plane.authorities import Kind
from control_plane.errors import KeysUnsafe
from control_plane.root_key import BroughtKey, describe, export_root, new_passphrase, root_key


def test_a_passphrase_is_long_random_and_can_be_written_down():
    made = {new_passphrase(os.urandom) for _ in range(50)}
    assert len(made) == 50
    assert all(re.fullmatch(r"(?:[a-z2-7]{4}-){7}[a-z2-7]{4}", passphrase) for passphrase in made)


def test_openssl_opens_the_export_with_the_passphrase_alone(plane, tmp_path):
    root = plane.operations.newest_trust().state.active(Kind.ROOT)
    keys, export = plane.operations.keyring.authority_keys, BroughtKey(tmp_path / "root.pem", b"correct-horse")
    export_root(keys, root, export)
    assert export.path.stat().st_mode & 0o777 == 0o600
    assert "correct" not in repr(export)
    for passphrase, code in (("correct-horse", 0), ("wrong", 1)):
        command = ["openssl", "pkey", "-in", export.path, "-passin", f"pass:{passphrase}", "-noout"]
        assert subprocess.run(command, capture_output=True, check=False).returncode == code
    assert describe(keys, [root]) == [{"name": "root", "state": "active", "key": "here"}]
    export.path.chmod(0o644)
    with pytest.raises(KeysUnsafe, match="group"):
        root_key(keys, root, export)
