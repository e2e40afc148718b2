"""Who presents a certificate: the whole chain on every request, its signatures once.

A path is validated whole the first time. What is remembered of it is only what cannot change for the same bytes under
the same authorities, and only for as long as every certificate that may be in the path is valid; the time is looked at
on every request, and so is the registry, where revocation is (``outposts.admit``). Nothing is remembered of a refusal,
nor under a trust store that has revocation lists of its own.
"""

from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509

from control_plane.errors import CertificateRejected
from pki.errors import CertificateInvalid
from pki.names import SpiffeId
from pki.verify import TrustStore, verify_outpost

REMEMBERED = 20_000  # twice the watchers that one process takes on by default; about 10 MB


@dataclass(frozen=True, slots=True)
class _Verified:
    spiffe_id: SpiffeId
    trust: TrustStore
    first_at: datetime
    last_at: datetime


class Verifier:
    """``verify_outpost`` for one trust domain, with a memory of at most ``remembered`` certificates."""

    def __init__(self, trust_domain: str, remembered: int = REMEMBERED) -> None:
        self._trust_domain = trust_domain
        self._remembered = remembered
        self._verified: OrderedDict[x509.Certificate, _Verified] = OrderedDict()

    def __len__(self) -> int:
        return len(self._verified)

    def identify(self, certificate: x509.Certificate, trust: TrustStore, at: datetime) -> SpiffeId:
        """Which outpost holds ``certificate`` at ``at``.

        Raises:
            CertificateRejected: It leads to none of ours; says why.
        """
        known = self._verified.get(certificate)
        if known is not None and known.trust is trust and known.first_at <= at <= known.last_at:
            return known.spiffe_id
        self._verified.pop(certificate, None)
        try:
            spiffe_id = verify_outpost(certificate, trust=trust, at=at, trust_domain=self._trust_domain)
        except CertificateInvalid as err:
            message = f"the client certificate is refused: {err.message}"
            raise CertificateRejected(message, err.reason.value) from err
        if not trust.crls:
            self._verified[certificate] = _remembered(certificate, spiffe_id, trust, at)
            while len(self._verified) > self._remembered:
                self._verified.popitem(last=False)
        return spiffe_id


def _remembered(certificate: x509.Certificate, spiffe_id: SpiffeId, trust: TrustStore, at: datetime) -> _Verified:
    """Whatever path it was, it is of these certificates, each valid at ``at``."""
    possible = [
        one
        for one in (certificate, *trust.anchors, *trust.intermediates)
        if one.not_valid_before_utc <= at <= one.not_valid_after_utc
    ]
    first_at = max(one.not_valid_before_utc for one in possible)
    return _Verified(spiffe_id, trust, first_at, min(one.not_valid_after_utc for one in possible))
