"""Replacing secrets; and what a thief of the database, its log or a backup finds in them: nothing."""

import base64
import json
import sqlite3
from contextlib import closing
from datetime import timedelta
from urllib.parse import quote

import pytest
from tuf.api.metadata import Metadata

from control_plane.errors import InvalidRequest, KeysUnsafe, NotFound
from control_plane.keys import KeyRequest, key_digest
from control_plane.secret_operations import UsedListKey
from outpost.dlp.dictionary import build_words
from outpost.protocol.list_file import ListKey
from outpost.protocol.sealing import open_secrets, secrets_info
from tests.fakes.installation import OutpostKeys
from tests.outpost.dlp.org_lists import KEY as LIST_KEY

PLANTED = "sk-planted+provider/key=%7E-0123456789abcdef"


@pytest.fixture
def outpost(operations):
    """``outpost()`` -> (version, secrets) as an enrolled outpost opens them."""
    keys = OutpostKeys()
    record, token = operations.create_outpost("acme", "berlin", timedelta(hours=1))
    operations.enroll(keys.message(token.text))
    record = next(one for one, _ in operations.outposts("acme") if one.id == record.id)

    def fetch():
        sealed = operations.seal_secrets(record)
        return sealed.version, open_secrets(sealed.sealed, keys.hpke, secrets_info("acme", record.id, sealed.version))

    return fetch


def published_keys(operations):
    """``keys.json`` as everybody is shown it."""
    timestamp = Metadata.from_bytes(operations.metadata("acme", "timestamp.json")).signed
    snapshot = Metadata.from_bytes(
        operations.metadata("acme", f"{timestamp.snapshot_meta.version}.snapshot.json")
    ).signed
    for role in ("virtual-keys", "targets"):
        meta = snapshot.meta.get(f"{role}.json")
        listed = (
            Metadata.from_bytes(operations.metadata("acme", f"{meta.version}.{role}.json")).signed if meta else None
        )
        if listed and "keys.json" in listed.targets:
            digest = listed.targets["keys.json"].hashes["sha256"]
            return json.loads(operations.target("acme", f"{digest}.keys.json"))["keys"]
    raise AssertionError("no keys.json")


def test_old_keys_stay_valid_under_their_pepper_and_new_ones_use_the_new(operations, outpost, clock):
    clock.advance(timedelta(seconds=1))
    old_key, old_text, _ = operations.create_key("acme", KeyRequest(name="before"))
    version, _ = outpost()
    new_id = operations.secrets.rotate_pepper("acme")
    new_key, new_text, _ = operations.create_key("acme", KeyRequest(name="after"))
    assert (new_key.pepper_id, old_key.pepper_id != new_id) == (new_id, True)
    later, secrets = outpost()
    assert later > version
    digests = {key["id"]: key["digest"] for key in published_keys(operations)}
    for key, text in ((old_key, old_text), (new_key, new_text)):
        assert digests[key.id] == key_digest(base64.b64decode(secrets[f"pepper/{key.pepper_id}"]), text)
    assert [(one.keys, one.newest) for one in operations.secrets.peppers("acme")] == [(2, False), (1, True)]


def test_a_pepper_goes_when_no_key_needs_it(operations, outpost, clock):
    clock.advance(timedelta(seconds=1))
    (old,) = operations.secrets.peppers("acme")
    with pytest.raises(InvalidRequest, match="rotate-pepper"):
        operations.secrets.retire_pepper("acme", old.id, revoke_keys=True)
    new_id = operations.secrets.rotate_pepper("acme")
    with pytest.raises(InvalidRequest, match="1 active keys"):
        operations.secrets.retire_pepper("acme", old.id, revoke_keys=False)
    assert operations.secrets.retire_pepper("acme", old.id, revoke_keys=True) == 1
    assert [one.id for one in operations.secrets.peppers("acme")] == [new_id]
    assert published_keys(operations) == []
    assert [name for name in outpost()[1] if name.startswith("pepper/")] == [f"pepper/{new_id}"]
    with pytest.raises(NotFound):
        operations.secrets.retire_pepper("acme", old.id, revoke_keys=True)


def test_a_replaced_provider_key_reaches_the_outpost(operations, outpost):
    operations.set_secret("acme", "provider/openai", "first")
    before, secrets = outpost()
    assert secrets["provider/openai"] == "first"
    operations.set_secret("acme", "provider/openai", PLANTED)
    after, secrets = outpost()
    assert (after > before, secrets["provider/openai"]) == (True, PLANTED)


def test_everything_is_wrapped_anew_and_nothing_is_lost(operations, outpost, plane):
    operations.set_secret("acme", "provider/openai", PLANTED)
    before, old_kek = outpost(), (plane.path / "keys" / "kek").read_bytes()
    assert operations.secrets.rewrap() == 2
    assert outpost() == before  # the same version: nothing for outposts to fetch
    assert (plane.path / "keys" / "kek").read_bytes() != old_kek
    assert not (plane.path / "keys" / "kek.next").exists()
    operations.create_key("acme", KeyRequest(name="after"))
    (plane.path / "keys" / "kek").write_bytes(old_kek)
    with pytest.raises(KeysUnsafe, match="not of one backup"):
        outpost()


@pytest.mark.parametrize("step", ["before the transaction", "after the transaction"])
def test_a_replacement_that_is_cut_off_goes_on(operations, outpost, plane, step):
    operations.set_secret("acme", "provider/openai", PLANTED)
    before, files = outpost(), operations.keyring.files
    old_kek = files.kek.read_bytes()
    operations.secrets.rewrap()
    new_kek = files.kek.read_bytes()
    files.kek.write_bytes(old_kek)
    files.next_kek.write_bytes(new_kek)
    files.next_kek.chmod(0o600)
    if step == "before the transaction":  # the next key is there, and nothing is wrapped under it
        files.kek.write_bytes(new_kek)
        files.next_kek.write_bytes(old_kek)
    assert outpost() == before
    operations.set_secret("acme", "provider/azure", PLANTED)  # meanwhile
    operations.secrets.rewrap()
    assert not files.next_kek.exists()
    assert outpost()[1] == before[1] | {"provider/azure": PLANTED}


def forms(secret):
    """What a secret may look like in a file."""
    raw = secret if isinstance(secret, bytes) else secret.encode()
    texts = [base64.b64encode(raw), base64.urlsafe_b64encode(raw), raw.hex().encode(), raw.hex().upper().encode()]
    inner = [base64.b64encode(raw[shift:])[2:-4] for shift in range(3)]  # within a longer base64 text
    return [raw, *texts, *inner, quote(raw, safe="").encode(), raw.decode("latin-1").encode("utf-16-le")]


def test_neither_the_database_nor_its_log_nor_a_backup_holds_a_secret(operations, outpost, plane):
    operations.set_secret("acme", "provider/openai", PLANTED)
    operations.secrets.rotate_pepper("acme")
    _, text, _ = operations.create_key("acme", KeyRequest(name="planted"))
    _, secrets = outpost()
    user, password = operations.create_user("acme", "planted@example.com")
    _, token = operations.create_outpost("acme", "second", timedelta(hours=1))
    planted = [PLANTED, text, password, token.text.split(".")[2], plane.first.admin_password, plane.first.virtual_key]
    peppers = [base64.b64decode(value) for name, value in secrets.items() if name.startswith("pepper/")]
    keks = [(plane.path / "keys" / "kek").read_bytes()]
    operations.secrets.rewrap()
    database = plane.path / "control-plane.db"
    backup, vacuumed = plane.path / "backup.db", plane.path / "vacuumed.db"
    with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(backup)) as copy:
        source.backup(copy)
        source.execute("VACUUM INTO ?", (str(vacuumed),))
    files = {
        path.name: path.read_bytes()
        for path in (database, database.with_name("control-plane.db-wal"), backup, vacuumed)
    }
    assert user.name.encode() in files["backup.db"]  # the search finds what is there
    assert len(peppers) == 2
    for name, content in files.items():
        for secret in [*planted, *peppers, *keks]:
            assert not [form for form in forms(secret) if len(form) > 8 and form in content], name


def test_a_list_key_reaches_outposts_and_stays_while_a_list_needs_it(operations, outpost):
    assert operations.secrets.list_keys("acme") == []
    version, _ = outpost()
    assert operations.secrets.add_list_key("acme", LIST_KEY)
    assert not operations.secrets.add_list_key("acme", LIST_KEY)
    after, secrets = outpost()
    assert after == version + 1
    assert base64.b64decode(secrets[f"list/{LIST_KEY.id}"]) == LIST_KEY.value
    with pytest.raises(InvalidRequest, match="has another list key"):
        operations.secrets.add_list_key("acme", ListKey(LIST_KEY.id, bytes(32)))
    listing = {"schema_version": "1", "lists": [{"id": "customers", "kind": "org.customers", "form": "words"}]}
    lists = {
        "detectors.json": json.dumps(listing).encode(),
        "customers.list": build_words(["Ana"], "customers", LIST_KEY),
    }
    operations.publish("acme", lists)
    assert operations.secrets.list_keys("acme") == [UsedListKey(LIST_KEY.id, ("customers",))]
    with pytest.raises(InvalidRequest, match="published lists need this key: customers"):
        operations.secrets.retire_list_key("acme", LIST_KEY.id)
    operations.publish("acme", {"detectors.json": b'{"schema_version":"1"}'})
    operations.secrets.retire_list_key("acme", LIST_KEY.id)
    assert f"list/{LIST_KEY.id}" not in outpost()[1]
    with pytest.raises(NotFound):
        operations.secrets.retire_list_key("acme", LIST_KEY.id)
