"""What we issue, read and judged by the ``openssl`` program, and what it issues or asks for, judged by us."""

import shutil
import socket
import ssl
import subprocess
import threading
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from pki.csr import make_csr, parse_csr
from pki.errors import CsrInvalid
from pki.keys import private_key_to_pem, spki_sha256
from pki.pem import certificates_to_pem
from pki.verify import verify_outpost
from tests.fakes.clock import NOON
from tests.fakes.pki import TRUST_DOMAIN, TestAuthority
from tests.fakes.pki import test_authority as authority

OPENSSL = shutil.which("openssl")
needs_openssl = pytest.mark.skipif(OPENSSL is None, reason="the openssl program is not installed")

CA = authority()


def _openssl(*arguments, **options):
    return subprocess.run(
        [OPENSSL, *map(str, arguments)], capture_output=True, text=True, check=False, timeout=30, **options
    )


@pytest.fixture
def folder(tmp_path):
    """root.pem, int.pem, outpost.pem, server.pem, key.pem and the CRLs of both authorities."""
    outpost = CA.outpost("o1")
    for name, certificate in {
        "root": CA.root.certificate,
        "int": CA.intermediate.certificate,
        "outpost": outpost.certificate,
        "server": CA.server().certificate,
    }.items():
        (tmp_path / f"{name}.pem").write_bytes(certificates_to_pem([certificate]))
    crls = [CA.crl(outpost.certificate), CA.root.issue_crl([], 1, NOON)]
    (tmp_path / "crls.pem").write_bytes(b"".join(crl.public_bytes(Encoding.PEM) for crl in crls))
    (tmp_path / "key.pem").write_bytes(private_key_to_pem(outpost.key, b"correct horse"))
    return tmp_path


def _verify(folder, leaf, purpose, *options, at=NOON):
    return _openssl(
        "verify", "-x509_strict", "-attime", int(at.timestamp()), "-purpose", purpose,
        "-CAfile", folder / "root.pem", "-untrusted", folder / "int.pem", *options, folder / f"{leaf}.pem",
    )  # fmt: skip


VERDICTS = {
    "an outpost is a client": ("outpost", "sslclient", timedelta(0), True),
    "an outpost is no server": ("outpost", "sslserver", timedelta(0), False),
    "a server is a server": ("server", "sslserver", timedelta(0), True),
    "a server is no client": ("server", "sslclient", timedelta(0), False),
    "an outpost after its week": ("outpost", "sslclient", timedelta(days=7, seconds=1), False),
    "an outpost five minutes early": ("outpost", "sslclient", timedelta(minutes=-5), True),
    "an outpost too early": ("outpost", "sslclient", timedelta(minutes=-5, seconds=-1), False),
}


@needs_openssl
@pytest.mark.parametrize(("leaf", "purpose", "shift", "good"), VERDICTS.values(), ids=VERDICTS.keys())
def test_openssl_comes_to_the_same_verdict(folder, leaf, purpose, shift, good):
    verdict = _verify(folder, leaf, purpose, at=NOON + shift)
    assert (verdict.returncode == 0) is good, verdict.stderr


@needs_openssl
def test_openssl_reads_our_revocation_lists(folder):
    revoked = _verify(folder, "outpost", "sslclient", "-crl_check_all", "-CRLfile", folder / "crls.pem")
    assert "certificate revoked" in revoked.stderr
    cleared = _verify(folder, "server", "sslserver", "-crl_check_all", "-CRLfile", folder / "crls.pem")
    assert cleared.returncode == 0, cleared.stderr


@needs_openssl
def test_openssl_shows_the_fields_we_meant(folder):
    text = _openssl("x509", "-in", folder / "outpost.pem", "-noout", "-text").stdout
    for line in (
        "Version: 3 (0x2)",
        "Signature Algorithm: ecdsa-with-SHA256",
        "URI:spiffe://example.org/org/acme/outpost/o1",
        "TLS Web Client Authentication\n",
        "X509v3 Basic Constraints: critical\n                CA:FALSE",
        "X509v3 Key Usage: critical\n                Digital Signature\n",
    ):
        assert line in text
    text = _openssl("x509", "-in", folder / "int.pem", "-noout", "-text").stdout
    assert "CA:TRUE, pathlen:0" in text
    assert "X509v3 Name Constraints: critical\n                Permitted:\n                  URI:example.org" in text


@needs_openssl
def test_openssl_opens_our_sealed_key(folder):
    plain = _openssl("pkey", "-in", folder / "key.pem", "-passin", "pass:correct horse", "-noout", "-text")
    assert "NIST CURVE: P-256" in plain.stdout
    assert _openssl("pkey", "-in", folder / "key.pem", "-passin", "pass:wrong", "-noout").returncode != 0


@needs_openssl
def test_openssl_accepts_our_request(tmp_path):
    (tmp_path / "csr.pem").write_bytes(make_csr(CA.outpost().key))
    assert "verify OK" in _openssl("req", "-in", tmp_path / "csr.pem", "-verify", "-noout").stderr


@needs_openssl
def test_requests_made_by_openssl(tmp_path):
    key = tmp_path / "key.pem"
    _openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key)
    config = tmp_path / "req.cnf"
    config.write_text("[req]\ndistinguished_name = dn\nprompt = no\n[dn]\n")
    asks = _openssl("req", "-new", "-key", key, "-subj", "/CN=admin", "-config", config)
    with pytest.raises(CsrInvalid, match="subject"):
        parse_csr(asks.stdout.encode())
    plain = _openssl("req", "-new", "-key", key, "-subj", "/", "-config", config)
    public = _openssl("pkey", "-in", key, "-pubout", "-outform", "DER", "-out", tmp_path / "public.der")
    assert public.returncode == 0
    digest = _openssl("dgst", "-sha256", "-r", tmp_path / "public.der").stdout.split()[0]
    assert spki_sha256(parse_csr(plain.stdout.encode())).hex() == digest


def test_a_mutual_tls_handshake_carries_the_outposts_name(tmp_path):
    """Python's own TLS (OpenSSL) on both ends, on the machine's clock: names and purposes work on the wire."""
    now = datetime.now(UTC)
    ca = TestAuthority.build(at=now)
    contexts = []
    for protocol, leaf in (
        (ssl.PROTOCOL_TLS_SERVER, ca.server("localhost", at=now)),
        (ssl.PROTOCOL_TLS_CLIENT, ca.outpost("o1", at=now)),
    ):
        file = tmp_path / f"{protocol.name}.pem"
        pem = private_key_to_pem(leaf.key, None) + certificates_to_pem([leaf.certificate, ca.intermediate.certificate])
        file.write_bytes(pem)
        context = ssl.SSLContext(protocol)
        context.load_cert_chain(file)
        context.load_verify_locations(cadata=certificates_to_pem([ca.root.certificate]).decode())
        context.verify_mode = ssl.CERT_REQUIRED
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        contexts.append(context)
    here, there = socket.socketpair()
    seen = []

    def serve():
        with contexts[0].wrap_socket(there, server_side=True) as connection:
            seen.append(connection.getpeercert(binary_form=True))
            connection.sendall(b"x")

    thread = threading.Thread(target=serve)
    thread.start()
    with contexts[1].wrap_socket(here, server_hostname="localhost") as connection:
        assert connection.recv(1) == b"x"
    thread.join()
    leaf = x509.load_der_x509_certificate(seen[0])
    assert verify_outpost(leaf, trust=ca.trust, at=now, trust_domain=TRUST_DOMAIN).outpost_id == "o1"
