import hashlib
import hmac
import os
import re
from datetime import UTC, datetime

import pytest

from control_plane.bundles import current_documents
from control_plane.errors import InvalidRequest, NotFound
from control_plane.keys import KeyRequest, key_digest, key_prefix, new_key_text
from control_plane.store.bundles import SqlBundleStore
from outpost.protocol.documents import KEYS_TARGET, KeysDocument, parse_document


def test_a_key_has_the_promised_form_and_prefix():
    text = new_key_text("live", os.urandom)
    assert re.fullmatch(r"sk-op-live-[0-9A-Za-z]{43}", text)
    assert key_prefix(text) == text[: len("sk-op-live-") + 8]


def test_characters_are_drawn_without_bias():
    # 255 is above the last multiple of 62 and must be drawn again, not folded onto the first characters
    draws = iter([b"\xff" * 43, bytes(range(43))])
    assert new_key_text("x", lambda _: next(draws)).startswith("sk-op-x-0123")


def test_the_digest_is_an_hmac_of_the_whole_key():
    assert key_digest(b"p" * 32, "sk-op-x") == hmac.new(b"p" * 32, b"sk-op-x", hashlib.sha256).hexdigest()


@pytest.mark.parametrize(
    "request_",
    [
        KeyRequest(name="x", env="Live"),
        KeyRequest(name="x", env=""),
        KeyRequest(name="x", group="no spaces"),
        KeyRequest(name="x", allowed_networks=("10.0.0.0/33",)),
        KeyRequest(name="x", allowed_models=()),
    ],
)
def test_settings_that_make_no_valid_entry_are_refused_before_anything_is_stored(operations, request_):
    before = operations.keys("acme")
    with pytest.raises(InvalidRequest):
        operations.create_key("acme", request_)
    assert operations.keys("acme") == before


def test_a_created_key_is_published_and_a_revoked_one_is_gone(operations):
    expires = datetime(2030, 1, 1, tzinfo=UTC)
    wanted = KeyRequest("search", "staff", "test", ("gpt-4o-mini",), ("10.0.0.0/8",), expires)
    key, text, version = operations.create_key("acme", wanted)
    entry = next(entry for entry in _published(operations).keys if entry.id == key.id)
    assert text.startswith(entry.prefix)
    assert (entry.group, entry.allowed_models, entry.allowed_networks) == ("staff", ["gpt-4o-mini"], ["10.0.0.0/8"])
    assert entry.expires_at == expires
    assert operations.revoke_key("acme", key.id) == version + 1
    assert key.id not in {entry.id for entry in _published(operations).keys}
    with pytest.raises(NotFound):
        operations.revoke_key("acme", key.id)


def _published(operations):
    with operations.database.read() as connection:
        content = current_documents(SqlBundleStore(connection), "acme")[KEYS_TARGET]
    return parse_document(KeysDocument, KEYS_TARGET, content)
