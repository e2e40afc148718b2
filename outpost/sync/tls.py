"""TLS contexts towards the control plane: the configured anchors and nothing else, host name always checked.

The system's trust store is never consulted: a proxy that intercepts with a company-wide authority is refused,
because the control plane is authenticated by the anchor that came with the enrolment token. TLS 1.3 only
(RFC 9325 §3.1.1 prefers it): both ends are ours, and it keeps the client certificate off the wire in clear.
"""

import ssl
from collections.abc import Iterable

from cryptography import x509

from outpost.errors import IdentityInvalid
from outpost.sync.identity import Identity
from pki.pem import certificates_to_pem


def server_context(anchors: Iterable[x509.Certificate]) -> ssl.SSLContext:
    """Trust a server that leads to one of ``anchors`` and is named in its certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # verifies chain and host name by default
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    context.load_verify_locations(cadata=certificates_to_pem(anchors).decode("ascii"))
    return context


def mutual_context(identity: Identity) -> ssl.SSLContext:
    """``server_context`` with the identity's own certificate and key.

    Raises:
        IdentityInvalid: OpenSSL cannot read the certificate or key from the identity directory.
    """
    context = server_context(identity.anchors)
    try:
        context.load_cert_chain(identity.chain_file, identity.key_file)
    except (OSError, ssl.SSLError) as err:
        raise IdentityInvalid(f"certificate and key in {identity.directory} cannot be used for TLS") from err
    return context


def is_verification_failure(err: BaseException) -> bool:
    """True if ``err`` was caused by a server certificate that did not verify."""
    seen: BaseException | None = err
    while seen is not None:
        if isinstance(seen, ssl.SSLCertVerificationError):
            return True
        seen = seen.__cause__ or seen.__context__
    return False
