import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpost.errors import IdentityInvalid
from outpost.protocol.sealing import HPKE_PUBLIC_KEY_BYTES, open_secrets, seal_secrets
from outpost.sync.hpke_key import PRIVATE_BYTES, HpkeKey


def test_a_key_that_was_stored_opens_what_was_sealed_to_it():
    key = HpkeKey.generate()
    again = HpkeKey.from_bytes(key.to_bytes())
    assert again.public_bytes == key.public_bytes
    assert len(key.public_bytes) == HPKE_PUBLIC_KEY_BYTES
    assert open_secrets(seal_secrets({"a": "b"}, key.public_bytes, b"i"), again.private_key, b"i") == {"a": "b"}


@given(st.binary(max_size=PRIVATE_BYTES + 2).filter(lambda data: len(data) != PRIVATE_BYTES))
def test_any_other_length_is_refused(data):
    with pytest.raises(IdentityInvalid):
        HpkeKey.from_bytes(data)


@given(st.binary(min_size=PRIVATE_BYTES, max_size=PRIVATE_BYTES))
def test_every_seed_is_a_key(data):
    assert HpkeKey.from_bytes(data).to_bytes() == data
