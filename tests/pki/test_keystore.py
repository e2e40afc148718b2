import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pki.errors import KeyFileError, KeyStoreError, KeyStoreUnavailable
from pki.keystore import MAX_SECRET_BYTES, open_key_store, read_secret, require_label


@pytest.mark.parametrize("uri", ["", "/var/lib/ca", "http://x", "vault:x", "file:/ca?a=1&a=2", "file://[", "x" * 3000])
def test_a_uri_of_no_kind_is_refused(uri):
    with pytest.raises(KeyStoreUnavailable) as refusal:
        open_key_store(uri)
    assert "docs/pki.md" in str(refusal.value)


@given(st.text(max_size=60) | st.text(max_size=60).map("file:".__add__) | st.text(max_size=60).map("file:/x?".__add__))
def test_any_text_opens_or_is_refused(uri):
    try:
        store = open_key_store(uri)
    except KeyStoreUnavailable:
        return
    assert store.name


@pytest.mark.parametrize(
    ("uri", "module", "extra"),
    [
        ("pkcs11:token=a?module-path=/m.so", "pki.keystores.pkcs11", "hybrid-outpost[pkcs11]"),
        ("vault+https://v.example", "pki.keystores.vault", "hybrid-outpost[vault]"),
        ("azure+https://v.example", "pki.keystores.azure", "hybrid-outpost[azure]"),
    ],
)
def test_a_missing_client_library_is_named(monkeypatch, uri, module, extra):
    monkeypatch.setitem(sys.modules, module, None)  # what Python remembers of a module that cannot be imported
    with pytest.raises(KeyStoreUnavailable) as refusal:
        open_key_store(uri, secret=b"x")
    assert extra in refusal.value.advice


def test_secrets_come_from_private_files(tmp_path):
    path = tmp_path / "pin"
    path.write_bytes(b"correct horse \r\n")
    path.chmod(0o644)
    with pytest.raises(KeyFileError, match="open to group or others"):
        read_secret(path)
    path.chmod(0o600)
    assert read_secret(path) == b"correct horse "
    path.write_bytes(b"x" * (MAX_SECRET_BYTES + 1))
    with pytest.raises(KeyFileError, match="too large"):
        read_secret(path)
    with pytest.raises(KeyFileError, match="cannot be read"):
        read_secret(tmp_path / "absent")


@given(st.text(max_size=70))
def test_a_label_is_a_file_name_everywhere(label):
    try:
        assert require_label("s", label) == label
    except KeyStoreError:
        return
    assert "/" not in label
    assert label not in {"", ".", ".."}
