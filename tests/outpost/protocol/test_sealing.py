import json
from functools import cache

import pytest
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from hypothesis import given
from hypothesis import strategies as st

from outpost.protocol.sealing import (
    HPKE_PUBLIC_KEY_BYTES,
    SealingError,
    open_secrets,
    parse_hpke_public_key,
    seal_secrets,
    secrets_info,
)
from outpost.sync.hpke_key import HpkeKey

INFO = secrets_info("acme", "edge-1", 3)
SECRETS = {"pepper/p1": "AAAA", "provider/openai": "sk-hunter2"}


@cache
def recipient():
    return HpkeKey.generate()


@cache
def sealed() -> bytes:
    return seal_secrets(SECRETS, recipient().public_bytes, INFO)


def test_the_recipient_opens_what_was_sealed():
    assert open_secrets(sealed(), recipient().private_key, INFO) == SECRETS


def test_sealing_twice_gives_different_bytes():
    assert seal_secrets(SECRETS, recipient().public_bytes, INFO) != sealed()


def test_info_is_pinned():
    assert INFO == b"hybrid-outpost/secrets/v1\nacme\nedge-1\n3"
    assert len(recipient().public_bytes) == HPKE_PUBLIC_KEY_BYTES == 1216


@pytest.mark.parametrize("other", [("other", "edge-1", 3), ("acme", "edge-2", 3), ("acme", "edge-1", 4)])
def test_it_opens_for_no_other_org_outpost_or_version(other):
    with pytest.raises(SealingError):
        open_secrets(sealed(), recipient().private_key, secrets_info(*other))


def test_it_opens_with_no_other_key():
    with pytest.raises(SealingError):
        open_secrets(sealed(), HpkeKey.generate().private_key, INFO)


@given(st.data())
def test_no_byte_can_be_changed(data):
    altered = bytearray(sealed())
    altered[data.draw(st.integers(0, len(altered) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(SealingError):
        open_secrets(bytes(altered), recipient().private_key, INFO)


@given(st.binary(max_size=2000))
def test_any_bytes_do_not_open(data):
    with pytest.raises(SealingError):
        open_secrets(data, recipient().private_key, INFO)


@pytest.mark.parametrize("inside", [b"", b"[]", b'"x"', b"null", b'{"a": 1}', b'{"a": null}', b"{", b"\xff"])
def test_what_is_inside_must_be_names_and_texts(inside):
    suite = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
    wrapped = suite.encrypt(inside, parse_hpke_public_key(recipient().public_bytes), INFO)
    with pytest.raises(SealingError):
        open_secrets(wrapped, recipient().private_key, INFO)


@given(st.binary(max_size=1300) | st.binary(min_size=HPKE_PUBLIC_KEY_BYTES, max_size=HPKE_PUBLIC_KEY_BYTES))
def test_any_bytes_are_a_public_key_or_a_sealing_error(data):
    try:
        parse_hpke_public_key(data)
    except SealingError as err:
        assert "HPKE public key" in str(err)  # noqa: PT017 - what is asserted is the only alternative


def test_a_point_of_small_order_is_not_sealed_to():
    with pytest.raises(SealingError):
        seal_secrets(SECRETS, recipient().public_bytes[:-32] + bytes(32), INFO)


@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"])), st.text(st.characters(exclude_categories=["Cs"]))
    )
)
def test_any_secrets_come_back(secrets):
    assert json.loads(json.dumps(secrets)) == secrets
    assert open_secrets(seal_secrets(secrets, recipient().public_bytes, INFO), recipient().private_key, INFO) == secrets
