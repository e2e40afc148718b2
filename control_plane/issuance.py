"""Certificates for outposts and for this control plane's own servers, and the record of every one given out.

The issuer decides every field (``pki.profiles``) and checks every certificate independently before it leaves
(``pki.check``, inside ``Authority``). A certificate is recorded in the transaction that gives it out.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import Encoding

from control_plane.authorities import FIRST_INTERMEDIATE, Kind, TrustState
from pki.authority import Authority
from pki.keys import certificate_sha256, spki_sha256
from pki.names import SpiffeId
from pki.revocation import CRL_LIFETIME, Revoked

# Of a root: only authorities are on it, its key may be offline; CA/B Baseline Requirements §4.9.7 allow twelve months.
ROOT_CRL_LIFETIME = timedelta(days=365)
ROOT_CRL_REISSUE_AFTER = ROOT_CRL_LIFETIME / 2
CRL_REISSUE_AFTER = CRL_LIFETIME / 14  # 12 h: an ingress that fetches daily never holds one near its end


@dataclass(frozen=True, slots=True)
class IssuedCertificate:
    """A certificate as recorded."""

    sha256: bytes
    outpost_id: str
    serial: str
    """Hexadecimal, without leading zeros."""
    spki_sha256: bytes
    der: bytes = field(repr=False)
    not_after: datetime
    issued_at: datetime
    authority: str = FIRST_INTERMEDIATE
    """The name of the intermediate that signed it."""
    revoked_at: datetime | None = None

    @property
    def pem(self) -> str:
        """The certificate as PEM text."""
        return x509.load_der_x509_certificate(self.der).public_bytes(Encoding.PEM).decode()


OutpostIssuer = Callable[[str, str, EllipticCurvePublicKey, datetime], IssuedCertificate]
"""``(org_id, outpost_id, public_key, at) -> certificate``; the only way a rule reaches the authority's key."""


def outpost_issuer(authority: Authority, trust_domain: str, name: str = FIRST_INTERMEDIATE) -> OutpostIssuer:
    """The issuer over an online authority called ``name``."""

    def issue(org_id: str, outpost_id: str, public_key: EllipticCurvePublicKey, at: datetime) -> IssuedCertificate:
        certificate = authority.issue_outpost(SpiffeId(trust_domain, org_id, outpost_id), public_key, at)
        return IssuedCertificate(
            sha256=certificate_sha256(certificate),
            outpost_id=outpost_id,
            serial=f"{certificate.serial_number:x}",
            spki_sha256=spki_sha256(certificate.public_key()),
            der=certificate.public_bytes(Encoding.DER),
            not_after=certificate.not_valid_after_utc,
            issued_at=at,
            authority=name,
        )

    return issue


@dataclass(frozen=True, slots=True)
class StoredCrl:
    """A signed CRL (DER) and how many revocations had happened when it was signed."""

    number: int
    content: bytes
    issued_at: datetime
    revoked_count: int
    authority: str = FIRST_INTERMEDIATE

    @property
    def next_update(self) -> datetime:
        """When it stops clearing anybody (RFC 5280 §5.1.2.5)."""
        next_update = x509.load_der_x509_crl(self.content).next_update_utc
        if next_update is None:
            raise ValueError("our lists always say when the next one comes")
        return next_update


class CrlStore(Protocol):
    """What the rules need of a database, inside the caller's write transaction."""

    def newest_crl(self, authority: str) -> StoredCrl | None:
        """The authority's CRL of the highest number, or None."""

    def last_number(self) -> int:
        """The highest number of any CRL; 0 if there is none."""

    def add_crl(self, crl: StoredCrl) -> None:
        """Store a new CRL; its number must be new."""

    def revoked_count(self, authority: str) -> int:
        """How many certificates of this authority were ever revoked."""

    def revoked(self, authority: str, unexpired_at: datetime) -> list[Revoked]:
        """The authority's revoked certificates that are not past their own end."""


def fresh_crl(store: CrlStore, name: str, at: datetime) -> StoredCrl | None:
    """The newest CRL of the intermediate called ``name`` if it has every revocation and is young enough, else None."""
    newest = store.newest_crl(name)
    if newest is None or newest.revoked_count != store.revoked_count(name):
        return None
    return newest if at < newest.issued_at + CRL_REISSUE_AFTER else None


def current_crl(store: CrlStore, authority: Callable[[], Authority], name: str, at: datetime) -> StoredCrl:
    """A CRL that has every revocation and is fresh; signs the next number only if the newest is not that.

    ``authority`` is asked for its key only then. Numbers grow over all authorities, so they grow for each.
    """
    fresh = fresh_crl(store, name, at)
    if fresh is not None:
        return fresh
    # A certificate is kept on the list for a CRL's lifetime past its end, so no reader misses it (RFC 5280 §3.3).
    revoked, number = store.revoked(name, at - CRL_LIFETIME), store.last_number() + 1
    content = authority().issue_crl(revoked, number, at).public_bytes(Encoding.DER)
    crl = StoredCrl(number, content, at, store.revoked_count(name), name)
    store.add_crl(crl)
    return crl


def root_revocations(state: TrustState, root: str) -> list[Revoked]:
    """What stands on the list of the root called ``root``: its intermediates that no longer count."""
    return [
        Revoked(one.certificate.serial_number, one.retired_at, x509.ReasonFlags.superseded)
        for one in state.authorities
        if one.issuer == root and one.kind is Kind.INTERMEDIATE and one.retired_at is not None
    ]


def root_crl_is_due(store: CrlStore, state: TrustState, root: str, at: datetime) -> bool:
    """True if the root's newest CRL lacks something or is half through its life."""
    newest = store.newest_crl(root)
    stale = newest is None or newest.revoked_count != len(root_revocations(state, root))
    return stale or newest is None or at >= newest.issued_at + ROOT_CRL_REISSUE_AFTER


def sign_root_crl(store: CrlStore, state: TrustState, root: str, authority: Authority, at: datetime) -> StoredCrl:
    """Sign and store the root's next CRL."""
    revoked, number = root_revocations(state, root), store.last_number() + 1
    content = authority.issue_crl(revoked, number, at, lifetime=ROOT_CRL_LIFETIME).public_bytes(Encoding.DER)
    crl = StoredCrl(number, content, at, len(revoked), root)
    store.add_crl(crl)
    return crl
