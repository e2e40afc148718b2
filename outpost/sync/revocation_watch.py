"""Whether this outpost is revoked: fetches the signed list, keeps it, and tells the proxy.

Only a verified list changes what is persisted (``revocation.py``). A bare ``outpost_revoked`` is a rumour: reported and
a reason to fetch the list at once. A revocation ends only with a newer, current list that names this outpost no more,
fetched over mutual TLS, which the control plane opens to those it speaks to.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Final

import structlog
from cryptography import x509

from outpost.cache.bundles import StateKey, StateStore
from outpost.errors import ControlPlaneUnavailable, Rejected, Unavailable, Untrusted
from outpost.sync.client import ControlPlaneClient
from outpost.sync.doorstep import Doorstep
from outpost.sync.identity import Identity
from outpost.sync.revocation import Verdict, judge
from pki.errors import CertificateInvalid
from pki.files import write_private
from pki.revocation import parse_crl

CRL_FILE: Final = "crl.der"
_log = structlog.get_logger(__name__)


class RevocationWatch:
    """``revoked`` is the signed word, ``rumoured`` the unsigned one."""

    def __init__(  # noqa: PLR0913, PLR0917 - whom to ask, where to keep it, whom to tell
        self,
        identity: Callable[[], Identity],
        client: ControlPlaneClient,
        doorstep: Doorstep,
        state: StateStore,
        on_revoked: Callable[[bool], None],
        clock: Callable[[], datetime],
        spread: Callable[[bool], Awaitable[None]] | None = None,
    ) -> None:
        """``on_revoked`` makes it so here; ``spread`` is done when it is so in every other process, too."""
        self._identity = identity
        self._client = client
        self._doorstep = doorstep
        self._state = state
        self._on_revoked = on_revoked
        self._clock = clock
        self._spread = spread
        self._path = identity().directory / CRL_FILE
        self._seen = self._load_seen()
        self.rumoured = False
        self.revoked = bool(state.get(StateKey.REVOKED))
        self.is_list_current = True
        if self.revoked:
            on_revoked(True)

    async def check(self) -> None:
        """Fetch the list and obey it.

        Raises:
            Rejected, ControlPlaneUnavailable, ControlPlaneUntrusted: No list could be had, or it does not count.
        """
        der, is_spoken_to = await self._fetch()
        verdict = judge(der, self._identity(), self._clock(), self._seen)
        self._keep(der, verdict)
        self.is_list_current = verdict.current
        if verdict.revoked:
            await self._set(revoked=True, number=verdict.number)
        elif self.revoked and is_spoken_to and verdict.current and verdict.number > self._revoked_by():
            await self._set(revoked=False, number=verdict.number)

    async def _fetch(self) -> tuple[bytes, bool]:
        try:
            return await self._client.fetch_crl(), True
        except (Rejected, ControlPlaneUnavailable):
            return await self._doorstep.fetch_crl(self._identity()), False

    def _keep(self, der: bytes, verdict: Verdict) -> None:
        if self._seen == (verdict.issuer, verdict.number):
            return
        try:
            write_private(self._path, der)
        except OSError as err:
            _log.error("revocation_list_not_stored", reason=err.strerror)
        self._seen = (verdict.issuer, verdict.number)

    def _load_seen(self) -> tuple[x509.Name, int] | None:
        try:
            crl = parse_crl(self._path.read_bytes())
            return crl.issuer, crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
        except (OSError, CertificateInvalid, ValueError, x509.ExtensionNotFound):
            return None

    def _revoked_by(self) -> int:
        number = self._state.get(StateKey.REVOKED_BY_NUMBER)
        return number if isinstance(number, int) else 0

    async def _set(self, *, revoked: bool, number: int) -> None:
        if self.revoked is revoked:
            return
        stored = False
        try:
            self._state.update({StateKey.REVOKED: revoked, StateKey.REVOKED_BY_NUMBER: number if revoked else None})
        except (Unavailable, Untrusted) as err:
            # In force now all the same. An unwritten revocation is read again from the list after the next start.
            _log.error("revocation_state_not_stored", revoked=revoked, reason=str(err))
        else:
            stored = True
        self._on_revoked(revoked)
        if self._spread is not None:
            await self._spread(revoked)
        if stored:
            self.revoked = revoked
        _log.warning("revocation_changed", revoked=revoked, crl_number=number)
