import stat

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from securesystemslib.signer import SSlibKey

from outpost.errors import InputUnusable
from outpost.officer.key import OfficerSigner, create_file, create_in_store, from_file, from_store
from pki.keys import generate_private_key
from pki.signer import LocalSigner


def test_a_key_file_is_encrypted_private_and_comes_back(tmp_path):
    made = create_file(tmp_path / "officer1.key", b"correct horse")
    content = (tmp_path / "officer1.key").read_bytes()
    assert b"BEGIN ENCRYPTED PRIVATE KEY" in content
    assert stat.S_IMODE((tmp_path / "officer1.key").stat().st_mode) == 0o600
    public = SSlibKey.from_crypto(load_pem_public_key((tmp_path / "officer1.pub").read_bytes()))
    assert public == made.public_key
    opened = from_file(tmp_path / "officer1.key", b"correct horse")
    assert opened.public_key == made.public_key
    public.verify_signature(opened.sign(b"payload"), b"payload")


def test_what_is_no_key_to_us_is_said(tmp_path):
    create_file(tmp_path / "a.key", b"correct horse")
    with pytest.raises(InputUnusable, match="exists"):
        create_file(tmp_path / "a.key", b"correct horse")
    with pytest.raises(InputUnusable, match="empty"):
        create_file(tmp_path / "b.key", b"")
    with pytest.raises(InputUnusable):
        from_file(tmp_path / "a.key", b"wrong")
    with pytest.raises(InputUnusable):
        from_file(tmp_path / "missing.key", b"x")
    (tmp_path / "a.key").chmod(0o644)
    with pytest.raises(InputUnusable):
        from_file(tmp_path / "a.key", b"correct horse")


def test_a_key_store_makes_and_keeps_it(tmp_path):
    uri = f"file:{tmp_path / 'store'}"
    made = create_in_store(uri, "officer", b"passphrase", tmp_path / "officer.pub")
    opened = from_store(uri, "officer", b"passphrase")
    assert opened.public_key == made.public_key
    opened.public_key.verify_signature(opened.sign(b"x"), b"x")
    assert (tmp_path / "officer.pub").read_bytes().startswith(b"-----BEGIN PUBLIC KEY-----")
    for wrong in (
        lambda: create_in_store(uri, "officer", b"passphrase", tmp_path / "other.pub"),
        lambda: from_store(uri, "other", b"passphrase"),
        lambda: from_store("pkcs11:token=x", "officer", b"pin"),
    ):
        with pytest.raises(InputUnusable):
            wrong()
    assert not (tmp_path / "other.pub").exists()


def test_keys_are_opened_by_us_alone():
    with pytest.raises(NotImplementedError):
        OfficerSigner.from_priv_key_uri("file2:x", OfficerSigner(LocalSigner(generate_private_key())).public_key)
