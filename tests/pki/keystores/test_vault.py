"""Against a stand-in for Vault's transit engine (tests/fakes/vault.py): no Vault or OpenBao runs here."""

import socket
from datetime import UTC, datetime

import pytest

from pki.errors import KeyNotFound, KeyStoreUnavailable
from pki.keys import generate_private_key
from pki.keystore import open_key_store
from tests.fakes.https_server import Answer, serve_https
from tests.fakes.vault import FakeVault

pytest.importorskip("hvac", reason="hvac is not installed")

from tests.pki.keystores.conformance import check_store

TOKEN = "hvs.correct-horse"


@pytest.fixture
def vault():
    return FakeVault(TOKEN)


@pytest.fixture
def server(vault, tmp_path):
    with serve_https(tmp_path, datetime.now(UTC), vault.answer) as running:
        yield running


@pytest.fixture
def store(server):
    return _open(server)


def _open(server, token=TOKEN, more=""):
    uri = f"vault+{server.url}/ca-keys?ca={server.ca_file}{more}"
    return open_key_store(uri, secret=token.encode())


def test_a_mount_of_transit(store, vault):
    check_store(store)
    assert vault.odd == []


def test_a_namespace_is_sent(server, vault):
    vault.namespace = "ops"
    _open(server, more="&namespace=ops").check()
    with pytest.raises(KeyStoreUnavailable, match="refuses the token"):
        _open(server).check()


def test_a_later_version_is_another_key(store, vault):
    signer = store.create("root")
    vault.keys["root"].append(generate_private_key())
    assert store.signer("root").public_key == signer.public_key
    assert signer.sign(b"x")


def _refusal(work):
    with pytest.raises(KeyStoreUnavailable) as refusal:
        work()
    assert TOKEN not in str(refusal.value)
    assert refusal.value.store.startswith("Vault https://127.0.0.1:")
    return refusal.value


def test_a_wrong_token(server):
    assert "policy" in _refusal(_open(server, "hvs.other").check).advice


def test_a_sealed_vault(store, vault):
    vault.sealed = True
    assert _refusal(store.check).advice == "unseal it"


def test_nobody_there(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening: a refused connection
        store = open_key_store(f"vault+https://127.0.0.1:{taken.getsockname()[1]}", secret=TOKEN.encode())
        assert "cannot be reached" in _refusal(store.check).problem


def test_a_server_that_nobody_vouches_for(server):
    store = open_key_store(f"vault+{server.url}/ca-keys", secret=TOKEN.encode())
    assert "certificate" in _refusal(store.check).advice


def test_a_redirect_is_not_followed(store, vault, server):
    """It would carry the token to wherever it points."""
    vault.answer_with = Answer(307, headers=(("Location", f"{server.url}/v1/ca-keys/keys/elsewhere"),))
    _refusal(lambda: store.signer("root"))
    _refusal(store.check)


ODD_KEYS = {
    "another type": {"type": "rsa-4096", "keys": {"1": {"public_key": "x"}}},
    "no keys": {"type": "ecdsa-p256", "keys": {}},
    "rubbish": {"type": "ecdsa-p256", "keys": {"1": {"public_key": "rubbish"}}},
    "nothing": {},
    "a list": [],
}


@pytest.mark.parametrize("data", ODD_KEYS.values(), ids=ODD_KEYS.keys())
def test_what_is_no_key_of_ours_is_refused(store, vault, data):
    vault.answer_with = Answer(200, {"data": data})
    assert "not ecdsa-p256" in _refusal(lambda: store.signer("root")).problem


@pytest.mark.parametrize("signature", ["vault:v2:AAAA", "vault:v1:!", "AAAA", None, 7])
def test_what_is_no_signature_of_the_version_asked_for_is_refused(store, vault, signature):
    signer = store.create("root")
    vault.answer_with = Answer(200, {"data": {"signature": signature}})
    assert "no signature" in _refusal(lambda: signer.sign(b"x")).problem


@pytest.mark.parametrize(
    ("status", "problem"),
    [(400, "InvalidRequest"), (429, "RateLimitExceeded"), (500, "InternalServerError"), (502, "BadGateway")],
)
def test_other_failures_name_their_kind(store, vault, status, problem):
    vault.answer_with = Answer(status, {"errors": [f"about {TOKEN}"]})
    assert problem in _refusal(lambda: store.signer("root")).problem


def test_a_mount_that_is_not_there(store, vault):
    vault.answer_with = Answer(404, {"errors": ["no handler"]})
    with pytest.raises(KeyNotFound, match="check the mount"):
        store.signer("root")


@pytest.mark.parametrize(
    ("uri", "secret"),
    [
        ("vault+https://v.example", None),
        ("vault+https://user:pass@v.example", b"t"),
        ("vault+https:///transit", b"t"),
        ("vault+https://v.example?token=x", b"t"),
        ("vault+http://v.example", b"t"),
    ],
)
def test_odd_uris(uri, secret):
    with pytest.raises(KeyStoreUnavailable):
        open_key_store(uri, secret=secret)
