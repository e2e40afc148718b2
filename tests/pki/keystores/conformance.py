"""What every kind of key store does, asked of each the same way."""

import pytest

from pki.authority import create_intermediate, create_root
from pki.errors import KeyExists, KeyNotFound, KeyStoreError
from pki.keys import spki_sha256
from pki.names import SpiffeId
from pki.verify import TrustStore, verify_outpost
from tests.fakes.clock import NOON
from tests.fakes.pki import test_authority as authority

SPIFFE_ID = SpiffeId("example.org", "acme", "o1")


def check_store(store):
    """Create, find again, certify with it, refuse to replace."""
    store.check()
    with pytest.raises(KeyNotFound):
        store.signer("root")
    created = store.create("root")
    found = store.signer("root")
    assert spki_sha256(found.public_key) == spki_sha256(created.public_key)
    with pytest.raises(KeyExists):
        store.create("root")
    assert spki_sha256(store.signer("root").public_key) == spki_sha256(created.public_key)
    for label in ("", "Root", "../root", "a b", "x" * 64, "root\n"):
        with pytest.raises(KeyStoreError):
            store.signer(label)
        with pytest.raises(KeyStoreError):
            store.create(label)
    root = create_root(found, trust_domain="example.org", common_name="Stored Root", at=NOON)
    intermediate = create_intermediate(
        root, store.create("intermediate"), trust_domain="example.org", common_name="Stored Intermediate", at=NOON
    )
    leaf = intermediate.issue_outpost(SPIFFE_ID, authority().outpost().key.public_key(), NOON)
    crl = intermediate.issue_crl([], 1, NOON)
    trust = TrustStore((root.certificate,), (intermediate.certificate,), (crl,))
    assert verify_outpost(leaf, trust=trust, at=NOON, trust_domain="example.org") == SPIFFE_ID
    store.check()
