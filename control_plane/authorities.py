"""The authorities of this installation and what each is good for now; a rotation moves them from state to state.

``TrustState`` is the one record from which everything follows: who issues, whom the outpost listener believes, what
outposts are told (``TrustUpdate``), which chain the servers present. Its generation grows with every change.
Source: RFC 4210 §4.4 for the overlap of old and new roots; design §4.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from outpost.protocol.messages import TrustUpdate
from pki.pem import certificates_to_pem
from pki.verify import TrustStore

FIRST_ROOT, FIRST_INTERMEDIATE = "root", "intermediate"
_MAX_CROSS_CERTIFICATES = 8  # what a TrustUpdate holds; with a root a decade that is all there ever were


class Kind(StrEnum):
    """What an authority signs: intermediates, or leaves."""

    ROOT = "root"
    INTERMEDIATE = "intermediate"


class State(StrEnum):
    """Where an authority is in its life."""

    NEXT = "next"
    """Published and trusted; issues nothing yet."""
    ACTIVE = "active"
    """Issues."""
    PREVIOUS = "previous"
    """Still trusted; issues nothing any more."""
    RETIRED = "retired"
    """No longer trusted; signs its last revocation lists."""
    WITHDRAWN = "withdrawn"
    """Was next and was rolled back."""


TRUSTED = frozenset({State.NEXT, State.ACTIVE, State.PREVIOUS})


@dataclass(frozen=True, slots=True)
class AuthorityRecord:
    """One authority. ``issuer`` is the name of the root that signed it; a root's own."""

    name: str
    """Unique; its key lies in ``ca/<name>.key``."""
    kind: Kind
    state: State
    issuer: str
    certificate_der: bytes = field(repr=False)
    created_at: datetime
    cross_der: bytes | None = field(default=None, repr=False)
    """A root certified by the root before it (RFC 4210 §4.4, NewWithOld)."""
    retired_at: datetime | None = None

    @property
    def certificate(self) -> x509.Certificate:
        """The certificate."""
        return x509.load_der_x509_certificate(self.certificate_der)

    @property
    def key_id(self) -> str:
        """The subject key identifier in hexadecimal: what certificates and lists it signed name as their issuer."""
        return key_id_of(self.certificate)


@dataclass(frozen=True, slots=True)
class TrustState:
    """All authorities there ever were, oldest first, at one generation."""

    generation: int
    authorities: tuple[AuthorityRecord, ...]

    def active(self, kind: Kind) -> AuthorityRecord:
        """The one that issues."""
        return next(one for one in self.authorities if one.kind is kind and one.state is State.ACTIVE)

    def trusted(self, kind: Kind) -> tuple[AuthorityRecord, ...]:
        """Those that count, the active one first."""
        found = [one for one in self.authorities if one.kind is kind and one.state in TRUSTED]
        return tuple(sorted(found, key=lambda one: one.state is not State.ACTIVE))

    def named(self, name: str) -> AuthorityRecord | None:
        """One by name, or None."""
        return next((one for one in self.authorities if one.name == name), None)

    def with_key_id(self, key_id: str) -> AuthorityRecord | None:
        """One by the key identifier that its certificates and lists name, or None."""
        return next((one for one in self.authorities if one.key_id == key_id), None)

    def cross_certificates(self, *, of_next: bool) -> tuple[x509.Certificate, ...]:
        """New root by old root, newest first, so that each certifies the key that signed the one before it.

        Those of retired roots stay: an outpost that slept through several rotations walks them one by one.
        """
        hidden = {State.WITHDRAWN} if of_next else {State.WITHDRAWN, State.NEXT}
        found = [one.cross_der for one in reversed(self.authorities) if one.cross_der and one.state not in hidden]
        return tuple(x509.load_der_x509_certificate(der) for der in found[:_MAX_CROSS_CERTIFICATES])


def first_state(root: x509.Certificate, intermediate: x509.Certificate) -> TrustState:
    """What ``init`` makes: one root, one intermediate, generation 1."""
    records = ((FIRST_ROOT, Kind.ROOT, root), (FIRST_INTERMEDIATE, Kind.INTERMEDIATE, intermediate))
    return TrustState(
        1,
        tuple(
            AuthorityRecord(
                name=name,
                kind=kind,
                state=State.ACTIVE,
                issuer=FIRST_ROOT,
                certificate_der=certificate.public_bytes(Encoding.DER),
                created_at=certificate.not_valid_before_utc,
            )
            for name, kind, certificate in records
        ),
    )


def key_id_of(authority: x509.Certificate) -> str:
    """The subject key identifier in hexadecimal."""
    return authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest.hex()


def trust_store(state: TrustState) -> TrustStore:
    """What client certificates are verified against. Revocation is the registry's word, asked on every request."""
    return TrustStore(
        anchors=tuple(one.certificate for one in state.trusted(Kind.ROOT)),
        intermediates=tuple(one.certificate for one in state.trusted(Kind.INTERMEDIATE)),
    )


def trust_update(state: TrustState) -> TrustUpdate:
    """What outposts are told."""
    return TrustUpdate(
        generation=state.generation,
        anchors_pem=[_pem(one.certificate) for one in state.trusted(Kind.ROOT)],
        intermediates_pem=[_pem(one.certificate) for one in state.trusted(Kind.INTERMEDIATE)],
        cross_certificates_pem=[_pem(cross) for cross in state.cross_certificates(of_next=True)],
    )


def presented_chain(state: TrustState) -> tuple[x509.Certificate, ...]:
    """What servers send after their leaf: enough for an outpost that knows only an older root."""
    return (state.active(Kind.INTERMEDIATE).certificate, *state.cross_certificates(of_next=False))


def _pem(certificate: x509.Certificate) -> str:
    return certificates_to_pem([certificate]).decode()
