"""Both listeners on loopback with real TLS, at the real time (OpenSSL asks no fake clock)."""

import ssl
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

from control_plane.api.outpost import tls_peer_certificate
from control_plane.app import Opened, Server
from control_plane.config import Config
from control_plane.operations_core import utc_now
from pki.keys import private_key_to_pem
from pki.pem import certificates_to_pem
from tests.fakes.installation import FIRST, Installed, OutpostKeys, installed


@pytest.fixture
def plane(tmp_path):
    with installed(tmp_path / "data", utc_now) as result:
        yield result


@dataclass
class Enrolled:
    """An outpost that has enrolled, with its certificate."""

    id: str
    keys: OutpostKeys
    certificate: x509.Certificate


class Site:
    """A running control plane, and clients of it."""

    def __init__(self, plane: Installed, server: Server) -> None:
        self.plane, self.server, self.operations = plane, server, plane.operations
        self.anchor = plane.path / "ca" / "root.pem"

    def enrol(self, name: str = "edge", org_id: str = "acme") -> Enrolled:
        keys = OutpostKeys()
        record, token = self.operations.create_outpost(org_id, name, timedelta(minutes=15))
        enrolment, _ = self.operations.enroll(keys.message(token.text))
        return Enrolled(record.id, keys, x509.load_der_x509_certificate(enrolment.certificate.der))

    def platform(self) -> httpx.AsyncClient:
        context = ssl.create_default_context(cafile=str(self.anchor))
        return httpx.AsyncClient(base_url=self.server.urls["platform"], verify=context, trust_env=False)

    def outpost(
        self, certificate: x509.Certificate | None, key: EllipticCurvePrivateKey | None = None
    ) -> httpx.AsyncClient:
        context = ssl.create_default_context(cafile=str(self.anchor))
        if certificate is not None and key is not None:
            file: Path = self.plane.path.parent / f"client-{certificate.serial_number:x}.pem"
            chain = certificates_to_pem([certificate, self.operations.keyring.intermediate.certificate])
            file.write_bytes(private_key_to_pem(key, None) + chain)
            context.load_cert_chain(file)
        return httpx.AsyncClient(base_url=self.server.urls["outpost"], verify=context, timeout=40, trust_env=False)


@pytest.fixture
def serving(plane):
    """``async with serving(**settings) as site``."""

    @asynccontextmanager
    async def start(peer_certificate=tls_peer_certificate, **settings):
        values = {
            "data_dir": plane.path,
            "platform_host": "127.0.0.1",
            "platform_port": 0,
            "outpost_host": "127.0.0.1",
            "outpost_port": 0,
            "public_sync_url": "https://127.0.0.1:8443",
            "watch_poll_s": 0.05,
            "shutdown_grace_s": 1.0,
        }
        config = Config(**(values | settings))
        async with Server(config, Opened(plane.operations, FIRST.server_names), peer_certificate) as server:
            yield Site(plane, server)

    return start
