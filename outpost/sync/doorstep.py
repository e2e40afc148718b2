"""The control plane's enrolment port as an enrolled outpost uses it (8100): recovery, revocation list, and the time.

The server is verified against the outpost's anchors; the client shows no certificate, because this is where it goes
when its certificate opens nothing. Only ``unverified_date`` believes nobody, and its answer is a hint for people.
"""

import asyncio
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from outpost.protocol import routes
from outpost.protocol.messages import CertificateResponse, RecoverRequest
from outpost.protocol.recovery import recovery_statement
from outpost.sync.exchange import OnDate, Transport, exchange, parse, server_date, transport_for
from outpost.sync.identity import Identity
from outpost.sync.limits import CERTIFICATES_BYTES, CRL_BYTES
from outpost.sync.tls import server_context
from pki.csr import make_csr
from pki.pem import certificates_to_pem

DEFAULT_PORT: Final = 8100  # design §3
_TOTAL_S: Final = 60.0
_STEP_S: Final = 10.0
_HINT_S: Final = 5.0


def enrolment_url(identity: Identity, configured: str | None) -> str:
    """Where to recover: the setting, else where it enrolled, else the usual port of the host it synchronises with."""
    if configured or identity.enrol_url:
        return str(configured or identity.enrol_url).rstrip("/")
    host = urlsplit(identity.sync_url).hostname or ""
    return f"https://{f'[{host}]' if ':' in host else host}:{DEFAULT_PORT}"


class Doorstep:
    """Calls to the enrolment port at ``url``."""

    def __init__(self, url: str, *, transport: Transport | None = None, on_date: OnDate | None = None) -> None:
        self._url = url
        self._transport = transport
        self._on_date = on_date

    async def recover(self, identity: Identity, new_key: ec.EllipticCurvePrivateKey) -> CertificateResponse:
        """A certificate for ``new_key``, bought with the identity's old certificate and key; not yet verified.

        Raises:
            Rejected, ControlPlaneUnavailable, ControlPlaneUntrusted: See ``exchange.py``.
        """
        content = recover_request(identity, new_key).model_dump_json().encode()
        body = await self._exchange(identity, "POST", routes.RECOVER, CERTIFICATES_BYTES, content)
        return parse(CertificateResponse, body)

    async def fetch_crl(self, identity: Identity) -> bytes:
        """The revocation list of the authority that issued the identity's certificate, as sent.

        Raises:
            Rejected, ControlPlaneUnavailable, ControlPlaneUntrusted: See ``exchange.py``.
        """
        path = f"{routes.PUBLIC_CRL}?issuer={issuer_key_id(identity.certificate)}"
        return await self._exchange(identity, "GET", path, CRL_BYTES)

    async def unverified_date(self, identity: Identity) -> datetime | None:
        """What the other end says the time is, whoever it may be: a hint for a person, never a time to act on."""
        # Nothing is sent but the path, and nothing of the answer is used but its date.
        async with httpx.AsyncClient(
            verify=False,  # noqa: S501 - see the line above
            transport=transport_for(self._transport, identity),
            timeout=_HINT_S,
        ) as http:
            try:
                async with asyncio.timeout(_HINT_S):
                    response = await http.head(self._url + routes.HEALTHZ)
            except (httpx.HTTPError, OSError, TimeoutError):
                return None
        return server_date(response.headers)

    async def _exchange(
        self, identity: Identity, method: str, path: str, max_bytes: int, content: bytes | None = None
    ) -> bytes:
        headers = {"Accept-Encoding": "identity"}
        if content is not None:
            headers["Content-Type"] = "application/json"
        context = server_context([*identity.anchors])
        async with httpx.AsyncClient(
            verify=context, transport=transport_for(self._transport, identity), timeout=_STEP_S
        ) as http:
            request = http.build_request(method, self._url + path, content=content, headers=headers)
            return await exchange(http, request, max_bytes=max_bytes, total_s=_TOTAL_S, on_date=self._on_date)


def issuer_key_id(certificate: x509.Certificate) -> str:
    """The key identifier of the certificate's issuer in hex (RFC 5280 §4.2.1.1), by which its list is asked for."""
    extension = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier)
    return (extension.value.key_identifier or b"").hex()


def recover_request(identity: Identity, new_key: ec.EllipticCurvePrivateKey) -> RecoverRequest:
    """The proof by the old key that whoever holds it wants a certificate for the new one."""
    csr_pem = make_csr(new_key)
    csr_der = x509.load_pem_x509_csr(csr_pem).public_bytes(Encoding.DER)
    statement = recovery_statement(identity.certificate.public_bytes(Encoding.DER), csr_der)
    return RecoverRequest.model_construct(
        certificate_pem=certificates_to_pem([identity.certificate]).decode("ascii"),
        csr_pem=csr_pem.decode("ascii"),
        proof=identity.private_key.sign(statement, ec.ECDSA(hashes.SHA256())),
    )
