import copy

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from pki.keys import generate_private_key
from pki.signer import LocalSigner, as_private_key

KEY = generate_private_key()
LENT = as_private_key(LocalSigner(KEY))


def test_a_lent_signer_signs_for_its_key():
    signature = LENT.sign(b"data", ec.ECDSA(hashes.SHA256()))
    KEY.public_key().verify(signature, b"data", ec.ECDSA(hashes.SHA256()))
    assert LENT.public_key() == KEY.public_key()
    assert (LENT.curve.name, LENT.key_size) == ("secp256r1", 256)
    assert copy.copy(LENT) is copy.deepcopy(LENT) is LENT


@pytest.mark.parametrize("algorithm", [hashes.SHA384(), Prehashed(hashes.SHA256())], ids=["SHA-384", "prehashed"])
def test_it_signs_over_sha256_of_whole_messages_only(algorithm):
    with pytest.raises(TypeError):
        LENT.sign(b"x" * 32, ec.ECDSA(algorithm))


@pytest.mark.parametrize(
    "use",
    [
        LENT.private_numbers,
        lambda: LENT.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        lambda: LENT.exchange(ec.ECDH(), KEY.public_key()),
    ],
    ids=["numbers", "bytes", "exchange"],
)
def test_it_does_nothing_else(use):
    with pytest.raises(TypeError):
        use()


def test_its_representation_shows_no_key():
    assert f"{KEY.private_numbers().private_value:x}" not in repr(LocalSigner(KEY)) + repr(LENT)
