"""An authority: a certificate, and a signer for its key. Nothing leaves it that has not passed ``check_issued``.

A root signs intermediates and vouches for the next root, an intermediate signs leaves only. Serial numbers are 159
random bits (RFC 5280 §4.1.2.2: positive, at most 20 octets), so two never meet and none can be guessed before it is
signed.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec

from pki.check import MAX_SERIAL_BITS, MIN_SERIAL_BITS, check_cross_signed, check_issued
from pki.errors import IssuanceRefused
from pki.issue import Issuer, issue
from pki.keys import spki_sha256
from pki.names import SpiffeId
from pki.profiles import (
    BACKDATE,
    Profile,
    cross_profile,
    ingress_profile,
    intermediate_profile,
    outpost_profile,
    root_profile,
    server_profile,
)
from pki.revocation import CRL_LIFETIME, Revoked, build_crl, verify_crl
from pki.signer import Signer

RandomBytes = Callable[[int], bytes]

_SERIAL_BYTES = 20
_SERIAL_ATTEMPTS = 4  # a draw below 64 bits has odds of 2^-95; several in a row mean a broken generator


class Authority:
    """Issues certificates and revocation lists under one certificate.

    Raises (constructor):
        IssuanceRefused: the signer's key is not the certificate's, or it is no authority's certificate.
    """

    def __init__(
        self,
        certificate: x509.Certificate,
        signer: Signer,
        *,
        random_bytes: RandomBytes = os.urandom,
        backdate: timedelta = BACKDATE,
    ) -> None:
        """``backdate``: how long before their issue leaves begin; see ``Profile``."""
        self.certificate = certificate
        self._backdate = backdate
        self._issuer = Issuer(certificate, signer)
        self._random_bytes = random_bytes
        if spki_sha256(signer.public_key) != spki_sha256(certificate.public_key()):
            raise IssuanceRefused(["the signer's key is not the certificate's"])
        try:
            constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
        except x509.ExtensionNotFound as err:
            raise IssuanceRefused(["the certificate is not an authority's"]) from err
        if not constraints.ca:
            raise IssuanceRefused(["the certificate is not an authority's"])
        self._signs_leaves = constraints.path_length == 0

    def issue_intermediate(
        self,
        trust_domain: str,
        common_name: str,
        public_key: ec.EllipticCurvePublicKey,
        at: datetime,
    ) -> x509.Certificate:
        """Certify an intermediate's key. Only a root can."""
        if self._signs_leaves:
            raise IssuanceRefused(["an intermediate signs leaves only"])
        return self._release(intermediate_profile(trust_domain, common_name), public_key, at)

    def issue_outpost(
        self,
        spiffe_id: SpiffeId,
        public_key: ec.EllipticCurvePublicKey,
        at: datetime,
    ) -> x509.Certificate:
        """Certify an outpost's key for client authentication, valid around ``at`` (aware UTC)."""
        return self._release_leaf(outpost_profile(spiffe_id), public_key, at)

    def issue_server(
        self,
        names: Sequence[str],
        public_key: ec.EllipticCurvePublicKey,
        at: datetime,
    ) -> x509.Certificate:
        """Certify a server's key for these DNS names and addresses."""
        return self._release_leaf(server_profile(names), public_key, at)

    def issue_ingress(
        self,
        names: Sequence[str],
        public_key: ec.EllipticCurvePublicKey,
        at: datetime,
    ) -> x509.Certificate:
        """Certify the key of an ingress that ends TLS for these DNS names and addresses."""
        return self._release_leaf(ingress_profile(names), public_key, at)

    def cross_sign(self, new_root: x509.Certificate, at: datetime) -> x509.Certificate:
        """Vouch for ``new_root``: its name, key and limits, signed by this root, valid while both are.

        Whoever trusts this root can then build a path to what ``new_root`` issues (RFC 4210 §4.4, NewWithOld).

        Raises:
            IssuanceRefused: this is no root, ``new_root`` is not a valid root of ours at ``at``, or this root's own
                path length leaves no room for it.
        """
        problems = self._cross_problems(new_root, at)
        public_key = new_root.public_key()
        if problems or not isinstance(public_key, ec.EllipticCurvePublicKey):
            raise IssuanceRefused(problems or ["the new root's key is not ECDSA"])
        certificate = self._release(cross_profile(new_root), public_key, at)
        check_cross_signed(certificate, new_root, self.certificate, at)
        return certificate

    def _cross_problems(self, new_root: x509.Certificate, at: datetime) -> list[str]:
        problems = []
        if self._signs_leaves:
            problems.append("an intermediate signs leaves only")
        if not new_root.not_valid_before_utc <= at < new_root.not_valid_after_utc:
            problems.append("the new root is not valid now")
        try:
            new_root.verify_directly_issued_by(new_root)
        except (InvalidSignature, ValueError, TypeError):
            problems.append("the new root is not signed by itself")
        limit = self.certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length
        # A self-issued certificate does not count (RFC 5280 §6.1.4 l); any other does, and an intermediate follows it.
        if limit == 1 and new_root.subject != self.certificate.subject:
            problems.append("this root's path length (1) allows the next root only under the same name")
        return problems

    def issue_crl(
        self,
        revoked: Sequence[Revoked],
        number: int,
        at: datetime,
        *,
        lifetime: timedelta = CRL_LIFETIME,
    ) -> x509.CertificateRevocationList:
        """Sign the full list of revoked serials; read back and verified before it is returned."""
        crl = build_crl(self._issuer, revoked, number=number, at=at, lifetime=lifetime)
        verify_crl(crl, issuer=self.certificate, at=at)
        return crl

    def _release_leaf(
        self,
        profile: Profile,
        public_key: ec.EllipticCurvePublicKey,
        at: datetime,
    ) -> x509.Certificate:
        if not self._signs_leaves:
            raise IssuanceRefused(["a root does not sign leaves"])
        return self._release(replace(profile, backdate=self._backdate), public_key, at)

    def _release(self, profile: Profile, public_key: ec.EllipticCurvePublicKey, at: datetime) -> x509.Certificate:
        return _issue_checked(profile, public_key, self._issuer, at, self._random_bytes)


def create_root(
    signer: Signer,
    *,
    trust_domain: str,
    common_name: str,
    at: datetime,
    random_bytes: RandomBytes = os.urandom,
) -> Authority:
    """Certify ``signer``'s key by itself as a trust anchor."""
    profile = root_profile(trust_domain, common_name)
    certificate = _issue_checked(profile, signer.public_key, Issuer(None, signer), at, random_bytes)
    return Authority(certificate, signer, random_bytes=random_bytes)


def create_intermediate(
    root: Authority,
    signer: Signer,
    *,
    trust_domain: str,
    common_name: str,
    at: datetime,
    random_bytes: RandomBytes = os.urandom,
) -> Authority:
    """Certify ``signer``'s key by ``root`` as the online authority."""
    certificate = root.issue_intermediate(trust_domain, common_name, signer.public_key, at)
    return Authority(certificate, signer, random_bytes=random_bytes)


def _issue_checked(
    profile: Profile,
    public_key: ec.EllipticCurvePublicKey,
    issuer: Issuer,
    at: datetime,
    random_bytes: RandomBytes,
) -> x509.Certificate:
    _require_valid_issuer(issuer.certificate, at)
    certificate = issue(profile, public_key, issuer, at, _draw_serial(random_bytes))
    check_issued(certificate, profile, public_key, issuer.certificate, at)
    return certificate


def _require_valid_issuer(issuer: x509.Certificate | None, at: datetime) -> None:
    if issuer is not None and not issuer.not_valid_before_utc <= at < issuer.not_valid_after_utc:
        raise IssuanceRefused(["the authority's own certificate is not valid now"])


def _draw_serial(random_bytes: RandomBytes) -> int:
    for _ in range(_SERIAL_ATTEMPTS):
        serial = int.from_bytes(random_bytes(_SERIAL_BYTES), "big") >> (8 * _SERIAL_BYTES - MAX_SERIAL_BITS)
        if serial.bit_length() >= MIN_SERIAL_BITS:
            return serial
    raise IssuanceRefused(["the source of serial numbers does not give random numbers"])
