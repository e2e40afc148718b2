"""Against a stand-in for Key Vault's REST interface (tests/fakes/azure_keyvault.py): no Key Vault runs here."""

import socket
from datetime import UTC, datetime

import pytest

from pki.errors import KeyStoreUnavailable
from pki.keystore import open_key_store
from tests.fakes.https_server import Answer, serve_https

pytest.importorskip("azure.keyvault.keys", reason="azure-keyvault-keys is not installed")
pytest.importorskip("azure.identity", reason="azure-identity is not installed")

from azure.core.exceptions import ClientAuthenticationError

from pki.keystores.azure import AzureKeyStore
from tests.fakes.azure_keyvault import FakeCredential, FakeKeyVault
from tests.pki.keystores.conformance import check_store

TOKEN = "eyJ.correct-horse"
# The challenge's resource is checked against the vault's address, which is a loopback one here.
OPTIONS = {"verify_challenge_resource": False, "retry_total": 0}


@pytest.fixture
def vault():
    return FakeKeyVault(TOKEN)


@pytest.fixture
def server(vault, tmp_path):
    with serve_https(tmp_path, datetime.now(UTC), vault.answer) as running:
        vault.url = running.url
        yield running


def _open(server, credential=None, *, ca_file=True):
    return AzureKeyStore(
        server.url,
        credential or FakeCredential(TOKEN),
        ca_file=str(server.ca_file) if ca_file else None,
        options=OPTIONS,
    )


@pytest.fixture
def store(server):
    return _open(server)


def test_a_vault_of_keys(store, vault):
    check_store(store)
    assert vault.odd == []


def test_the_token_asked_for_is_for_key_vault(server):
    credential = FakeCredential(TOKEN)
    _open(server, credential).check()
    assert set(credential.scopes) == {"https://vault.azure.net/.default"}


def test_a_rotated_key_is_another_key(store, vault):
    signer = store.create("root")
    before = signer.public_key
    vault.add_version("root")
    assert signer.sign(b"x")
    assert signer.public_key == before
    assert store.signer("root").public_key != before


def _refusal(work):
    with pytest.raises(KeyStoreUnavailable) as refusal:
        work()
    assert TOKEN not in str(refusal.value)
    assert refusal.value.store.startswith("Azure Key Vault https://127.0.0.1:")
    return refusal.value


def test_no_permission(server):
    refusal = _refusal(_open(server, FakeCredential("other")).check)
    assert ("refuses us" in refusal.problem, "keys/sign" in refusal.advice) == (True, True)


def test_an_identity_that_gives_no_token(server):
    class Unknown(FakeCredential):
        def get_token(self, *scopes, **_):
            raise ClientAuthenticationError(f"about {TOKEN}")

    assert "does not know us" in _refusal(_open(server, Unknown(TOKEN)).check).problem


def test_nobody_there(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening: a refused connection
        store = AzureKeyStore(f"https://127.0.0.1:{taken.getsockname()[1]}", FakeCredential(TOKEN), options=OPTIONS)
        assert "cannot be reached" in _refusal(store.check).problem


def test_a_server_that_nobody_vouches_for(server):
    assert "cannot be reached" in _refusal(_open(server, ca_file=False).check).problem


@pytest.mark.parametrize("status", [400, 409, 429, 500, 503])
def test_other_failures_name_their_status(store, vault, status):
    vault.answer_with = Answer(status, {"error": {"code": "x", "message": TOKEN}})
    assert str(status) in _refusal(store.check).problem


def test_a_signature_of_another_size_is_refused(store, vault):
    signer = store.create("root")
    vault.signature = b"x" * 96
    assert "another size" in _refusal(lambda: signer.sign(b"x")).problem


def test_a_key_of_another_curve_is_refused(store, vault):
    store.create("root")
    bundle = vault._bundle("root")
    bundle["key"]["crv"] = "P-384"
    vault.answer_with = Answer(200, bundle)
    assert "not ECDSA P-256" in _refusal(lambda: store.signer("root")).problem


def test_a_point_that_is_not_on_the_curve_is_refused(store, vault):
    store.create("root")
    bundle = vault._bundle("root")
    bundle["key"]["x"] = bundle["key"]["y"]
    vault.answer_with = Answer(200, bundle)
    assert "not ECDSA P-256" in _refusal(lambda: store.signer("root")).problem


def test_it_opens_by_its_uri():
    store = open_key_store("azure+https://ours.vault.azure.net?tenant=t-1&client=c-1", secret=b"s")
    assert store.name == "Azure Key Vault https://ours.vault.azure.net"
    assert open_key_store("azure+https://ours.vault.azure.net").name == store.name


@pytest.mark.parametrize(
    ("uri", "secret"),
    [
        ("azure+https://v.example?tenant=t", None),
        ("azure+https://v.example?tenant=t&client=c", None),
        ("azure+https://v.example", b"s"),
        ("azure+https://v.example?secret=s", None),
        ("azure+https://", None),
    ],
)
def test_odd_uris(uri, secret):
    with pytest.raises(KeyStoreUnavailable):
        open_key_store(uri, secret=secret)
