import shutil
import subprocess

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from pki.keys import generate_private_key
from pki.sealing import seal_private_key

OPENSSL = shutil.which("openssl")
KEY = generate_private_key()
SEALED = seal_private_key(KEY, b"correct horse")


def test_the_passphrase_opens_it_and_no_other_does():
    assert load_pem_private_key(SEALED, b"correct horse").private_numbers() == KEY.private_numbers()
    with pytest.raises(ValueError, match=r"(?i)password|deserialize|decrypt"):
        load_pem_private_key(SEALED, b"correct horsf")


@pytest.mark.skipif(OPENSSL is None, reason="the openssl program is not installed")
def test_openssl_opens_it_and_names_the_costs(tmp_path):
    path = tmp_path / "key.pem"
    path.write_bytes(SEALED)
    opened = subprocess.run(
        [OPENSSL, "pkey", "-in", path, "-passin", "pass:correct horse", "-noout", "-text"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "NIST CURVE: P-256" in opened.stdout, opened.stderr
    fields = subprocess.run([OPENSSL, "asn1parse", "-in", path], capture_output=True, text=True, check=True).stdout
    for field in (":PBES2", ":scrypt", ":aes-256-cbc", "INTEGER           :4000", "INTEGER           :05"):
        assert field in fields


def test_salt_and_vector_are_fresh_each_time():
    assert seal_private_key(KEY, b"x") != seal_private_key(KEY, b"x")
    fixed = [seal_private_key(KEY, b"x", random_bytes=bytes) for _ in range(2)]
    assert fixed[0] == fixed[1]


def test_it_is_plain_pem():
    lines = SEALED.decode().splitlines()
    assert (lines[0], lines[-1]) == ("-----BEGIN ENCRYPTED PRIVATE KEY-----", "-----END ENCRYPTED PRIVATE KEY-----")
    assert all(len(line) <= 64 for line in lines[1:-1])
