import base64
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outpost.errors import ControlPlaneUntrusted
from outpost.protocol.messages import SealedSecrets
from outpost.protocol.sealing import _SUITE, parse_hpke_public_key, seal_secrets, secrets_info
from outpost.sync.hpke_key import HpkeKey
from outpost.sync.secrets import open_secrets

PEPPER = base64.b64encode(bytes(32)).decode()
KEY = HpkeKey.generate()


class Recipient:
    """As much of an identity as opening needs."""

    org_id, outpost_id, hpke_key = "acme", "edge-1", KEY


def seal(secrets, version=1, org="acme", outpost="edge-1", key=KEY) -> SealedSecrets:
    info = secrets_info(org, outpost, version)
    return sealed(seal_secrets(secrets, key.public_bytes, info), version)


def sealed(content: bytes, version: int = 1) -> SealedSecrets:
    return SealedSecrets.model_construct(version=version, sealed=content)


def test_known_names_are_opened_and_unknown_kinds_left_out():
    secrets = {"pepper/p-1": PEPPER, "provider/openai": "sk-test", "future/thing": "x"}
    assert open_secrets(Recipient, seal(secrets)) == {"pepper/p-1": PEPPER, "provider/openai": "sk-test"}


@pytest.mark.parametrize(
    "message",
    [
        seal({}, org="other"),
        seal({}, outpost="edge-2"),
        seal({}, key=HpkeKey.generate()),
        sealed(seal({}, version=1).sealed, version=2),
        sealed(b""),
    ],
    ids=["other org", "other outpost", "other key", "other version", "empty"],
)
def test_what_is_not_sealed_for_us_and_this_version_does_not_open(message):
    with pytest.raises(ControlPlaneUntrusted):
        open_secrets(Recipient, message)


@pytest.mark.parametrize(
    "value",
    [
        {"pepper/p-1": "c2hvcnQ="},
        {"pepper/p-1": "not base64!"},
        {"provider/openai": "two\r\nlines"},
        {"provider/openai": ""},
    ],
)
def test_a_value_that_is_not_what_its_name_says_is_refused_without_being_shown(value):
    with pytest.raises(ControlPlaneUntrusted) as refused:
        open_secrets(Recipient, seal(value))
    (secret,) = value.values()
    assert not secret or secret not in str(refused.value)


@settings(max_examples=50, deadline=None)
@given(st.one_of(st.binary(max_size=50), st.just(b"[" * 100_000), st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=5,
).map(lambda value: json.dumps(value).encode())))  # fmt: skip
def test_any_plaintext_gives_secrets_or_the_typed_error(plaintext):
    content = _SUITE.encrypt(plaintext, parse_hpke_public_key(KEY.public_bytes), secrets_info("acme", "edge-1", 1))
    try:
        opened = open_secrets(Recipient, sealed(content))
    except ControlPlaneUntrusted:
        return
    assert all(isinstance(value, str) for value in opened.values())
