from datetime import timedelta

import pytest
from argon2 import PasswordHasher
from sqlalchemy import select

from control_plane.errors import AlreadyExists, InvalidRequest, NotFound
from control_plane.keys import KeyRequest
from control_plane.store.tables import users


def test_an_org_is_born_with_everything_it_needs(operations):
    assert operations.create_org("globex", "https://llm.example/v1") == 1
    assert operations.org_ids() == ["acme", "globex"]
    _, text, version = operations.create_key("globex", KeyRequest(name="k"))
    assert (text.startswith("sk-op-live-"), version) == (True, 2)


@pytest.mark.parametrize(
    ("org_id", "url", "error"),
    [
        ("acme", "https://llm.example/v1", AlreadyExists),
        ("Acme", "https://llm.example/v1", InvalidRequest),
        ("../../etc", "https://llm.example/v1", InvalidRequest),
        ("globex", "ftp://llm.example", InvalidRequest),
        ("globex", "https://user:secret@llm.example", InvalidRequest),
    ],
)
def test_what_cannot_be_an_org_leaves_none(operations, org_id, url, error):
    with pytest.raises(error):
        operations.create_org(org_id, url)
    assert operations.org_ids() == ["acme"]


def test_a_url_that_cannot_be_used_is_named_as_the_option_and_not_quoted(operations):
    with pytest.raises(InvalidRequest, match=r"--provider-url\) must not carry credentials; .*/v1") as refused:
        operations.create_org("globex", "https://user:secret@llm.example")
    assert "secret" not in refused.value.message


def test_bundle_keys_left_by_a_crash_are_used_not_replaced(operations):
    operations.keyring.ensure_org_keys("globex")
    before = operations.keyring.signers("globex").root.public_key
    operations.create_org("globex", "https://llm.example/v1")
    assert operations.keyring.signers("globex").root.public_key == before


def test_a_password_is_kept_as_argon2id_only(operations):
    user, password = operations.create_user("acme", "ops@example.com")
    with operations.database.read() as connection:
        stored = connection.execute(select(users.c.password_hash).where(users.c.id == user.id)).scalar()
    assert stored.startswith("$argon2id$")
    assert PasswordHasher().verify(stored, password)
    assert password not in repr(user)
    with pytest.raises(AlreadyExists):
        operations.create_user("acme", "ops@example.com")
    with pytest.raises(NotFound):
        operations.create_user("nobody", "x@example.com")
    with pytest.raises(InvalidRequest):
        operations.create_user("acme", "Not A Name")


@pytest.mark.parametrize("call", ["create_outpost", "publish", "create_key", "keys", "outposts"])
def test_an_unknown_org_is_refused(operations, call):
    arguments = {"create_outpost": ("edge", timedelta(1)), "publish": ({},), "create_key": (KeyRequest(name="x"),)}
    with pytest.raises(NotFound, match="no org nobody"):
        getattr(operations, call)("nobody", *arguments.get(call, ()))
