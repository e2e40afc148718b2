"""TLS contexts towards the control plane: the configured anchors and nothing else, host name always checked.

The system's trust store is never consulted: a proxy that intercepts with a company-wide authority is refused,
because the control plane is authenticated by the anchor that came with the enrolment token. TLS 1.3 only
(RFC 9325 §3.1.1 prefers it): both ends are ours, and it keeps the client certificate off the wire in clear.
"""

import ssl
from collections.abc import Iterable, Iterator
from typing import Final

from cryptography import x509

from outpost.errors import IdentityInvalid
from outpost.sync.identity import Identity
from pki.pem import certificates_to_pem

# X509_V_ERR_CERT_NOT_YET_VALID and X509_V_ERR_CERT_HAS_EXPIRED of OpenSSL's <openssl/x509_vfy.h>.
_TIME_CODES: Final = frozenset({9, 10})
# OpenSSL's names (err/openssl.txt) for the alerts 42 to 46, 48 and 116.
_CERTIFICATE_ALERTS: Final = frozenset(
    {
        "SSLV3_ALERT_BAD_CERTIFICATE",
        "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE",
        "SSLV3_ALERT_CERTIFICATE_REVOKED",
        "SSLV3_ALERT_CERTIFICATE_EXPIRED",
        "SSLV3_ALERT_CERTIFICATE_UNKNOWN",
        "TLSV1_ALERT_UNKNOWN_CA",
        "TLSV13_ALERT_CERTIFICATE_REQUIRED",
    }
)


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
    return any(isinstance(cause, ssl.SSLCertVerificationError) for cause in _causes(err))


def is_out_of_time(err: BaseException) -> bool:
    """True if the server's chain failed only for its time: one of the two clocks is wrong, or a renewal was missed."""
    return any(
        isinstance(cause, ssl.SSLCertVerificationError) and cause.verify_code in _TIME_CODES for cause in _causes(err)
    )


def is_own_certificate_refused(err: BaseException) -> bool:
    """True if the other end answered our certificate with one of TLS's alerts about it (RFC 8446 §6.2)."""
    return any(
        isinstance(cause, ssl.SSLError) and getattr(cause, "reason", None) in _CERTIFICATE_ALERTS
        for cause in _causes(err)
    )


def _causes(err: BaseException) -> Iterator[BaseException]:
    seen: BaseException | None = err
    while seen is not None:
        yield seen
        seen = seen.__cause__ or seen.__context__
