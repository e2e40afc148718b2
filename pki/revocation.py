"""Certificate revocation lists: build, parse, verify, and ask.

One full list per authority, no deltas, no partitions: a list with a critical extension we do not read is refused whole.
A list that is missing, unsigned, not yet valid or past its next update cannot answer, and no answer is a refusal.
Source: RFC 5280 §5 and §6.3.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import CRLEntryExtensionOID, ExtensionOID

from pki.errors import CertificateInvalid, IssuanceRefused, Reason
from pki.issue import Issuer
from pki.signer import SIGNATURE_HASH, as_private_key

# As long as a leaf lives: an ingress cut off for longer has no leaf left to judge. Re-issued far more often.
CRL_LIFETIME = timedelta(days=7)
MAX_CRL_BYTES = 16 * 1024 * 1024  # about 400,000 entries

_NUMBER_LIMIT: Final = 1 << 159  # RFC 5280 §5.2.3: not longer than 20 octets, of which the first bit is the sign
_PARTIAL: Final = frozenset({ExtensionOID.ISSUING_DISTRIBUTION_POINT, ExtensionOID.DELTA_CRL_INDICATOR})
_READ_ENTRY_EXTENSIONS: Final = frozenset({CRLEntryExtensionOID.CRL_REASON, CRLEntryExtensionOID.INVALIDITY_DATE})


@dataclass(frozen=True, slots=True)
class Revoked:
    """One revoked certificate. ``revoked_at`` is aware UTC."""

    serial: int
    revoked_at: datetime
    reason: x509.ReasonFlags = x509.ReasonFlags.unspecified


def build_crl(
    issuer: Issuer,
    revoked: Sequence[Revoked],
    *,
    number: int,
    at: datetime,
    lifetime: timedelta = CRL_LIFETIME,
) -> x509.CertificateRevocationList:
    """Sign the full list of ``issuer``. ``number`` only ever grows (RFC 5280 §5.2.3).

    Raises:
        IssuanceRefused: ``number`` has more than 20 octets, or an entry's reason belongs in a delta list (§5.3.1).
    """
    if issuer.certificate is None:
        raise ValueError("a list is signed by an authority that has a certificate")
    if not 0 <= number < _NUMBER_LIMIT:
        raise IssuanceRefused(["the list's number is negative or too long"])
    if any(entry.reason is x509.ReasonFlags.remove_from_crl for entry in revoked):
        raise IssuanceRefused(["a full list does not take anything off a list"])
    this_update = at.replace(microsecond=0)
    issuer_ski = issuer.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.certificate.subject)
        .last_update(this_update)
        .next_update(this_update + lifetime)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer_ski), critical=False)
        .add_extension(x509.CRLNumber(number), critical=False)
    )
    for entry in sorted(revoked, key=lambda entry: entry.serial):
        builder = builder.add_revoked_certificate(_build_entry(entry))
    return builder.sign(as_private_key(issuer.signer), SIGNATURE_HASH())


def _build_entry(entry: Revoked) -> x509.RevokedCertificate:
    builder = x509.RevokedCertificateBuilder().serial_number(entry.serial)
    builder = builder.revocation_date(entry.revoked_at.replace(microsecond=0))
    if entry.reason is not x509.ReasonFlags.unspecified:  # RFC 5280 §5.3.1: "unspecified" is said by saying nothing
        builder = builder.add_extension(x509.CRLReason(entry.reason), critical=False)
    return builder.build()


def parse_crl(data: bytes) -> x509.CertificateRevocationList:
    """Read a list in PEM or DER; nothing about it is verified.

    Raises:
        CertificateInvalid: reason ``malformed``.
    """
    if len(data) > MAX_CRL_BYTES:
        raise CertificateInvalid(Reason.MALFORMED, "the revocation list is too large")
    try:
        is_pem = data.lstrip().startswith(b"-----BEGIN")
        crl = x509.load_pem_x509_crl(data) if is_pem else x509.load_der_x509_crl(data)
        _ = crl.issuer  # the library parses it only when asked; ask here, where it is expected
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion) as err:
        raise CertificateInvalid(Reason.MALFORMED, "the revocation list cannot be read") from err
    return crl


def verify_crl(crl: x509.CertificateRevocationList, *, issuer: x509.Certificate, at: datetime) -> None:
    """Return only if ``crl`` is ``issuer``'s own, current at ``at`` and says nothing we do not understand.

    Raises:
        CertificateInvalid: reason ``crl_unavailable``: such a list cannot clear anybody.
    """
    require_signed_by(crl, issuer)
    require_current(crl, at)


def require_current(crl: x509.CertificateRevocationList, at: datetime) -> None:
    """Return only if ``crl`` is in force at ``at``. Raises as ``verify_crl``."""
    try:
        this_update, next_update = crl.last_update_utc, crl.next_update_utc
    except ValueError as err:
        raise CertificateInvalid(Reason.CRL_UNAVAILABLE, "the revocation list's times cannot be read") from err
    if this_update > at:
        raise CertificateInvalid(Reason.CRL_UNAVAILABLE, "the revocation list is from the future")
    if next_update is None or next_update <= at:
        raise CertificateInvalid(Reason.CRL_UNAVAILABLE, "the revocation list is out of date")


def require_signed_by(crl: x509.CertificateRevocationList, issuer: x509.Certificate) -> None:
    """Return only if ``issuer`` may sign lists, signed this one, and it covers all of its certificates.

    Independent of time. Raises as ``verify_crl``.
    """
    try:
        issuer_key = issuer.public_key()
        may_sign = issuer.extensions.get_extension_for_class(x509.KeyUsage).value.crl_sign
        kinds = {ext.oid for ext in crl.extensions}
        # RFC 5280 §5.2.1 and §5.2.3: the two extensions a list has are never critical, and the number is never missing.
        is_odd = any(ext.critical for ext in crl.extensions) or ExtensionOID.CRL_NUMBER not in kinds
        is_partial = bool(kinds & _PARTIAL)
        is_signed = (
            isinstance(issuer_key, ec.EllipticCurvePublicKey)
            and crl.issuer == issuer.subject
            and crl.is_signature_valid(issuer_key)
        )
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension, x509.ExtensionNotFound) as err:
        raise CertificateInvalid(Reason.CRL_UNAVAILABLE, "the revocation list cannot be read") from err
    if not may_sign or not is_signed:
        raise CertificateInvalid(Reason.CRL_UNAVAILABLE, "the revocation list is not signed by the issuer")
    if is_odd or is_partial:
        raise CertificateInvalid(Reason.CRL_UNAVAILABLE, "the revocation list does not cover everything")


def is_revoked(crl: x509.CertificateRevocationList, serial: int) -> bool:
    """True if ``serial`` stands in ``crl``, whatever the reason given.

    Raises:
        CertificateInvalid: reason ``crl_unavailable``; the entry carries a critical extension we do not read.
    """
    try:
        entry = crl.get_revoked_certificate_by_serial_number(serial)
        if entry is None:
            return False
        unread = [ext.oid for ext in entry.extensions if ext.critical and ext.oid not in _READ_ENTRY_EXTENSIONS]
    except (ValueError, TypeError, x509.DuplicateExtension) as err:
        raise CertificateInvalid(Reason.CRL_UNAVAILABLE, "an entry of the revocation list cannot be read") from err
    if unread:
        raise CertificateInvalid(Reason.CRL_UNAVAILABLE, "an entry of the revocation list is not understood")
    return True


def require_not_revoked(
    path: Sequence[x509.Certificate],
    crls: Sequence[x509.CertificateRevocationList],
    at: datetime,
) -> None:
    """Return only if nothing in ``path`` (leaf first, anchor last, already validated) is revoked.

    With no list at all nothing is asked. Otherwise the leaf must be cleared by a current list of its issuer; an
    intermediate is asked about whenever its issuer has given any list (an offline root may have given none).

    Raises:
        CertificateInvalid: reason ``revoked``, or ``crl_unavailable`` if no list can answer.
    """
    if not crls:
        return
    for certificate, issuer in pairwise(path):
        own = [crl for crl in crls if crl.issuer == issuer.subject]
        if own or certificate is path[0]:
            _require_cleared(certificate, issuer, own, at)


def _require_cleared(
    certificate: x509.Certificate,
    issuer: x509.Certificate,
    crls: Sequence[x509.CertificateRevocationList],
    at: datetime,
) -> None:
    """One current list must clear, and none signed by the issuer may accuse: a late list still proves a revocation."""
    refusal = CertificateInvalid(Reason.CRL_UNAVAILABLE, "there is no revocation list of the certificate's issuer")
    cleared = False
    for crl in crls:
        try:
            require_signed_by(crl, issuer)
            _require_not_listed(certificate, crl)
            require_current(crl, at)
            cleared = True
        except CertificateInvalid as err:
            if err.reason is Reason.REVOKED:
                raise
            refusal = err
    if not cleared:
        raise refusal


def _require_not_listed(certificate: x509.Certificate, crl: x509.CertificateRevocationList) -> None:
    if is_revoked(crl, certificate.serial_number):
        raise CertificateInvalid(Reason.REVOKED, "the certificate is revoked")
