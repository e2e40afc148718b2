"""Keeps the outpost's identity alive: renewal, recovery, and the authorities it trusts, each by candidate and proof.

A new certificate or a smaller set of anchors counts only after a connection made with it was answered; until then, and
after any crash, the old ones are in use. What the control plane refuses is told apart and shown, and nothing here
ever deletes an identity. When to act is decided in ``renewal.py``, whom to believe in ``trust.py``.
"""

import asyncio
import random as _random
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import structlog
from cryptography import x509

from outpost.errors import (
    CertificateRefused,
    ControlPlaneHungUp,
    ControlPlaneOutOfTime,
    ControlPlaneUnavailable,
    ControlPlaneUntrusted,
    IdentityInvalid,
    OutpostError,
    Rejected,
    Unavailable,
)
from outpost.protocol.codes import ErrorCode
from outpost.protocol.messages import CertificateResponse, Heartbeat, HeartbeatReply, RenewRequest
from outpost.sync.client import ControlPlaneClient
from outpost.sync.clock import ClockWatch
from outpost.sync.credentials import (
    candidate_key,
    discard_candidate,
    load_candidate,
    make_candidate,
    make_current,
    remove_old,
    renewal_draw,
    store_candidate,
    store_trust,
)
from outpost.sync.doorstep import Doorstep
from outpost.sync.identity import Identity, verify_identity
from outpost.sync.renewal import renew_at
from outpost.sync.trust import Trust, adopt
from pki.csr import make_csr
from pki.errors import CertificateInvalid
from pki.pem import parse_certificate

_INSTANCE_BYTES: Final = 16
_HANG_UPS: Final = 3  # in a row: a restart of the control plane gives one or two
_SERVER_OUT_OF_TIME: Final = (
    "the control plane's certificate is out of its validity, and this machine's clock seems right: "
    "ask its operator to renew the server's certificate"
)
_log = structlog.get_logger(__name__)

Compose = Callable[[Identity], Heartbeat]
"""Makes the heartbeat that reports an identity: the proof of a candidate is one that is answered."""


@dataclass(frozen=True, slots=True)
class IdentityProblem:
    """Why the identity is in trouble. ``code`` is one of ``ErrorCode``."""

    code: ErrorCode
    message: str


class IdentityKeeper:
    """The identity in use, and everything that replaces it. ``keep`` is called on a schedule and after news."""

    def __init__(
        self,
        identity: Identity,
        client: ControlPlaneClient,
        doorstep: Doorstep,
        clock_watch: ClockWatch,
        clock: Callable[[], datetime],
        *,
        draw: Callable[[], float] = _random.random,
    ) -> None:
        self._identity = identity
        self._client = client
        self._doorstep = doorstep
        self._clock_watch = clock_watch
        self._clock = clock
        self._draw = draw
        self._generation_heard = 0
        self._renew_asked = False
        self._refused = False
        self._out_of_time = False
        self._hung_up = 0
        self._is_tidy = False
        self.instance_id: Final = secrets.token_hex(_INSTANCE_BYTES)
        """Of this process; two that alternate on one certificate are two machines with one identity."""
        self.problem: IdentityProblem | None = None

    @property
    def identity(self) -> Identity:
        """The identity in use now."""
        return self._identity

    def note_reply(self, reply: HeartbeatReply) -> bool:
        """Take what a heartbeat was answered; True if ``keep`` has something to do."""
        self._clock_watch.note_server_time(reply.server_time)
        self._generation_heard = max(self._generation_heard, reply.trust_generation or 0)
        self._renew_asked = reply.renew
        return reply.renew or self._generation_heard > self._identity.trust_generation

    def note_refusal(self, err: OutpostError) -> bool:
        """Take a failure of any exchange; True if ``keep`` has something to do about it."""
        if _is_certificate_refused(err):
            self._refused = True
        elif isinstance(err, ControlPlaneOutOfTime):
            self._out_of_time = True
        elif isinstance(err, ControlPlaneHungUp):
            self._hung_up += 1
        return self._refused or self._out_of_time or self._is_suspicious

    def note_accepted(self) -> None:
        """An answer over verified mutual TLS: the certificate in use is accepted, and the clocks agree well enough."""
        self._refused = self._out_of_time = False
        self._hung_up = 0
        if self.problem is not None and self.problem.code is ErrorCode.CLOCK_UNTRUSTED:
            self.problem = None

    @property
    def _is_suspicious(self) -> bool:
        """It takes connections and closes them, again and again: that is how many servers refuse a certificate."""
        return self._hung_up >= _HANG_UPS

    async def keep(self, compose: Compose) -> None:
        """Do what is due: finish a swap that a crash cut short, renew or recover, follow the authorities.

        Raises:
            OutpostError: It could not be done now; the identity in use is what it was.
        """
        if self._out_of_time:
            await self._explain_clock()
        try:
            await self._keep(compose)
        except Rejected as err:
            self.problem = IdentityProblem(err.code, err.message)
            raise
        except ControlPlaneOutOfTime as err:
            await self._explain_clock()
            raise ControlPlaneOutOfTime(self.problem.message if self.problem else str(err)) from err
        except (Unavailable, ControlPlaneUntrusted) as err:
            self.problem = self._problem_of(err)
            raise
        if not self._out_of_time:
            self.problem = None

    async def _keep(self, compose: Compose) -> None:
        at = self._clock()
        if not self._is_tidy:
            await asyncio.to_thread(remove_old, self._identity)
            self._is_tidy = True
        candidate = await asyncio.to_thread(load_candidate, self._identity, at)
        if candidate is not None:
            _log.info("candidate_found", credentials=candidate.credentials)
            await self._swap(candidate, compose)
        elif self._refused or self._is_suspicious or self._renew_asked or at >= await self._renew_at():
            await self._renew(compose, at)
        elif self._generation_heard > self._identity.trust_generation:
            await self._follow_trust(compose, at)

    async def _renew_at(self) -> datetime:
        draw = await asyncio.to_thread(renewal_draw, self._identity, self._draw)
        return renew_at(self._identity.certificate, draw)

    async def _renew(self, compose: Compose, at: datetime) -> None:
        """Ask with the old certificate; if that opens nothing any more, with a proof of the old key."""
        identity = self._identity
        key = await asyncio.to_thread(candidate_key, identity)
        try:
            response = await self._client.renew(RenewRequest(csr_pem=make_csr(key).decode("ascii")))
        except (Rejected, ControlPlaneUnavailable) as err:
            # A server that refuses a certificate may be seen as a mere broken connection.
            expired = at > identity.certificate.not_valid_after_utc and isinstance(err, ControlPlaneUnavailable)
            suspicious = self._is_suspicious and isinstance(err, ControlPlaneHungUp)
            if not expired and not suspicious and not _is_certificate_refused(err):
                raise
            _log.warning("recovering", reason=str(err))
            response = await self._doorstep.recover(identity, key)
            self._refused = True
        candidate = make_candidate(identity, key, *self._read(response, at), at)
        await asyncio.to_thread(store_candidate, candidate)
        await self._swap(candidate, compose)

    def _read(self, response: CertificateResponse, at: datetime) -> tuple[x509.Certificate, Trust]:
        try:
            certificate = parse_certificate(response.certificate_pem.encode())
        except CertificateInvalid as err:
            raise ControlPlaneUntrusted("the new certificate cannot be read; the old one stays") from err
        return certificate, adopt(self._identity.trust, response.trust, at)

    async def _swap(self, candidate: Identity, compose: Compose) -> None:
        """Prove the candidate on a connection of its own, then use it for everything."""
        try:
            reply = await self._prove(candidate, compose)
        except ControlPlaneOutOfTime:
            raise  # the clock's fault, not the candidate's
        except (Rejected, CertificateRefused, ControlPlaneUntrusted, IdentityInvalid) as err:
            if not isinstance(err, Rejected) or _is_certificate_refused(err):
                _log.error("candidate_refused", reason=str(err))
                await asyncio.to_thread(discard_candidate, self._identity)
            raise
        await asyncio.to_thread(make_current, candidate)
        await self._client.move_to(candidate)
        self._identity = candidate
        self.note_accepted()
        self.note_reply(reply)
        _log.info("certificate_renewed", until=candidate.certificate.not_valid_after_utc.isoformat())
        try:
            await asyncio.to_thread(remove_old, candidate)
        except Unavailable as err:
            self._is_tidy = False
            _log.warning("old_credentials_not_removed", reason=str(err))

    async def _prove(self, candidate: Identity, compose: Compose) -> HeartbeatReply:
        async with self._client.another(candidate) as proof:
            return await proof.heartbeat(compose(candidate))

    async def _follow_trust(self, compose: Compose, at: datetime) -> None:
        identity = self._identity
        trust = adopt(identity.trust, await self._client.fetch_trust(), at)
        if trust is identity.trust or trust.generation == identity.trust_generation:
            return
        changed = replace(
            identity,
            anchors=trust.anchors,
            trust_generation=trust.generation,
            trust_intermediates=trust.intermediates,
        )
        try:
            verify_identity(changed, at)
        except IdentityInvalid:
            # Its own certificate is of an authority that goes: both change together, or a restart would find neither.
            await self._renew(compose, at)
            return
        if trust.drops_anchors_of(identity.trust):
            await self._prove(changed, compose)
        stored = await asyncio.to_thread(store_trust, identity, trust)
        await self._client.move_to(stored)
        self._identity = stored
        _log.info("trust_updated", generation=trust.generation, anchors=len(trust.anchors))

    async def _explain_clock(self) -> None:
        """The control plane's certificate is out of its time by our clock: find out for a person whose fault it is."""
        self._out_of_time = True
        hint = await self._doorstep.unverified_date(self._identity)
        if hint is not None:
            self._clock_watch.note_hint(hint)
        reason = self._clock_watch.problem() or _SERVER_OUT_OF_TIME
        self.problem = IdentityProblem(ErrorCode.CLOCK_UNTRUSTED, reason)

    def _problem_of(self, err: OutpostError) -> IdentityProblem | None:
        """Only trouble that will end in a certificate that opens nothing is the identity's."""
        if not self._refused and self._identity.is_current(self._clock()):
            return None
        return IdentityProblem(ErrorCode.UNAVAILABLE, str(err))


def _is_certificate_refused(err: OutpostError) -> bool:
    """True for TLS's refusal and for the registry's, which looks again at every request."""
    if isinstance(err, Rejected):
        return err.code is ErrorCode.CERTIFICATE_INVALID
    return isinstance(err, CertificateRefused)
