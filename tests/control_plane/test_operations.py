"""What holds for all operations together."""

import base64
import sqlite3
from datetime import timedelta

from control_plane.keys import KeyRequest
from control_plane.operations import Operations
from control_plane.secrets import newest_pepper
from control_plane.store.orgs import SqlSecretStore
from tests.fakes.installation import OutpostKeys


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
