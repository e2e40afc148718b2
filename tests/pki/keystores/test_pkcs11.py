"""Against SoftHSM2 itself (Debian package softhsm2)."""

import os
import shutil
import ssl
import subprocess
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from pki.errors import KeyNotFound, KeyStoreUnavailable
from pki.keystore import open_key_store

pkcs11 = pytest.importorskip("pkcs11", reason="python-pkcs11 is not installed")

from pkcs11 import Attribute, KeyType, ObjectClass  # noqa: E402 - only where there is one
from pkcs11.util.ec import encode_named_curve_parameters  # noqa: E402

from pki.keystores.pkcs11 import Pkcs11KeyStore  # noqa: E402
from tests.fakes.pki import TestAuthority  # noqa: E402
from tests.pki.keystores.conformance import check_store  # noqa: E402

MODULE = Path("/usr/lib/softhsm/libsofthsm2.so")
UTIL = shutil.which("softhsm2-util")
PIN = "4711-4711"

pytestmark = pytest.mark.skipif(UTIL is None or not MODULE.exists(), reason="softhsm2 is not installed")


@pytest.fixture(scope="module")
def softhsm(tmp_path_factory):
    """A directory of tokens of its own. The module reads its settings once per process, when it is first loaded."""
    folder = tmp_path_factory.mktemp("softhsm")
    (folder / "tokens").mkdir()
    configuration = folder / "softhsm2.conf"
    configuration.write_text(
        f"directories.tokendir = {folder / 'tokens'}\nobjectstore.backend = file\nlog.level = ERROR\n"
    )
    before = os.environ.get("SOFTHSM2_CONF")
    os.environ["SOFTHSM2_CONF"] = str(configuration)
    for token in ("ours", "other"):
        subprocess.run(
            [UTIL, "--init-token", "--free", "--label", token, "--so-pin", "0815-0815", "--pin", PIN],
            check=True, capture_output=True,
        )  # fmt: skip
    yield folder
    if before is None:
        del os.environ["SOFTHSM2_CONF"]
    else:
        os.environ["SOFTHSM2_CONF"] = before


@pytest.fixture
def store(softhsm):
    made = Pkcs11KeyStore(str(MODULE), "ours", PIN)
    yield made
    with made._lock:  # each test starts with an empty token
        session = made._session or made._open()
        for found in list(session.get_objects()):
            found.destroy()
        session.close()


def test_a_token(store):
    check_store(store)


def test_it_opens_by_its_uri(store):
    opened = open_key_store(f"pkcs11:token=ours?module-path={MODULE}", secret=PIN.encode())
    opened.check()
    assert opened.name == "PKCS #11 token ours"
    opened._session.close()


def test_the_private_key_cannot_leave(store):
    store.create("root")
    key = store._session.get_key(object_class=ObjectClass.PRIVATE_KEY, label="root")
    assert (key[Attribute.SENSITIVE], key[Attribute.EXTRACTABLE]) == (True, False)
    with pytest.raises(pkcs11.AttributeSensitive):
        _ = key[Attribute.VALUE]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the library's search, on its way out
def test_a_session_that_ended_is_opened_again(store):
    signer = store.create("root")
    store._session.close()
    signer.public_key.verify(signer.sign(b"data"), b"data", ec.ECDSA(hashes.SHA256()))


def test_two_stores_share_a_token(store):
    signer = store.create("root")
    second = Pkcs11KeyStore(str(MODULE), "ours", PIN)
    assert second.signer("root").public_key == signer.public_key
    second.signer("root").sign(b"x")
    second._session.close()
    store.check()


def test_it_leaves_no_error_for_pythons_ssl(store):
    """Both use the system's OpenSSL, whose errors are kept per thread; a module's are not the caller's."""
    authority = TestAuthority.build(at=datetime.now(UTC))
    store.create("root").sign(b"x")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_verify_locations(cadata=authority.root.certificate.public_bytes(Encoding.DER))
    assert len(context.get_ca_certs()) == 1


def test_signatures_from_many_threads(store):
    signer = store.create("root")
    with ThreadPoolExecutor(8) as pool:
        signatures = list(pool.map(lambda n: signer.sign(b"%d" % n), range(200)))
    for n, signature in enumerate(signatures):
        signer.public_key.verify(signature, b"%d" % n, ec.ECDSA(hashes.SHA256()))


def _refusal(*arguments, work=lambda store: store.check()):
    with pytest.raises(KeyStoreUnavailable) as refusal:
        work(Pkcs11KeyStore(*arguments))
    assert PIN not in str(refusal.value)
    return refusal.value


def test_unreachable_stores_say_which_and_what_to_do(softhsm, tmp_path):
    absent = _refusal(str(MODULE), "gone", PIN)
    assert (absent.store, "no such token" in absent.problem) == ("PKCS #11 token gone", True)
    assert "PIN is wrong" in _refusal(str(MODULE), "other", "1234").problem
    assert str(tmp_path / "no.so") in _refusal(str(tmp_path / "no.so"), "ours", PIN).advice


def test_a_key_of_another_curve_is_refused(store):
    store.check()
    curve = {Attribute.EC_PARAMS: encode_named_curve_parameters("secp384r1")}
    store._session.create_domain_parameters(KeyType.EC, curve, local=True).generate_keypair(store=True, label="root")
    with pytest.raises(KeyStoreUnavailable, match="not ECDSA P-256"):
        store.signer("root")


def test_a_public_key_alone_is_no_key(store):
    store.create("root")
    store._session.get_key(object_class=ObjectClass.PRIVATE_KEY, label="root").destroy()
    with pytest.raises(KeyNotFound):
        store.signer("root")


def test_two_keys_of_one_label_are_refused(store):
    store.create("root")
    curve = {Attribute.EC_PARAMS: encode_named_curve_parameters("secp256r1")}
    store._session.create_domain_parameters(KeyType.EC, curve, local=True).generate_keypair(store=True, label="root")
    with pytest.raises(KeyStoreUnavailable, match="several keys"):
        store.signer("root")


@pytest.mark.parametrize(
    ("uri", "secret"),
    [
        ("pkcs11:token=ours", b"1"),
        (f"pkcs11:?module-path={MODULE}", b"1"),
        (f"pkcs11:token=ours;slot-id=1?module-path={MODULE}", b"1"),
        (f"pkcs11:token=ours?module-path={MODULE}&pin-value=1", b"1"),
        (f"pkcs11:token=ours?module-path={MODULE}", None),
    ],
)
def test_odd_uris(uri, secret):
    with pytest.raises(KeyStoreUnavailable):
        open_key_store(uri, secret=secret)
