"""What the probes say about this outpost: may it serve, how fresh is what it enforces, what expires when."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol

from outpost.admin.freshness import freshness_fields, offline_percent
from outpost.admin.outside import certificate_report, certificate_warning, provider_report, provider_warnings
from outpost.audit.log import AuditLog
from outpost.errors import Rejected
from outpost.models.service import ModelService
from outpost.protocol.codes import ErrorCode
from outpost.proxy.client_tls import Validity
from outpost.proxy.enforcement import Admission
from outpost.proxy.health import Known
from outpost.sync.clock import ClockWatch
from outpost.sync.keeper import IdentityKeeper
from outpost.sync.revocation_watch import RevocationWatch
from outpost.sync.version import outpost_version
from pki.keys import certificate_sha256

# As early as the first line in the log. A limit so short that this warns all the time was chosen too short.
WARN_FROM_PERCENT: Final = 50


@dataclass(frozen=True, slots=True)
class Standing:
    """How the outpost stands with its control plane."""

    keeper: IdentityKeeper
    revocations: RevocationWatch
    clock_watch: ClockWatch


class Workers(Protocol):
    """The processes that serve (``outpost.workers.fleet.Fleet``)."""

    @property
    def serves(self) -> bool:
        """Whether anybody takes new clients."""

    def problem(self) -> str | None:
        """Why not all are there; None if they are."""

    def report(self) -> dict[str, Any]:
        """For ``/health``."""


class OutpostHealth:
    """Reads the running parts; changes nothing."""

    def __init__(  # noqa: PLR0913 - the parts that it reads
        self,
        standing: Standing,
        admission: Admission,
        audit: AuditLog,
        clock: Callable[[], datetime],
        sync_report: Callable[[], dict[str, Any]],
        *,
        models: ModelService | None = None,
        pack_report: Callable[[], dict[str, Any] | None] = lambda: None,
        workers: Workers | None = None,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._standing = standing
        self._admission = admission
        self._audit = audit
        self._clock = clock
        self._sync_report = sync_report
        self._models = models
        self._pack_report = pack_report
        self._workers = workers
        self._clock_s = clock_s
        self.providers: Callable[[], Sequence[Known]] = list
        """What is known of providers, on the clock ``clock_s``; set before anybody asks."""
        self.listener: Callable[[], Validity | None] = lambda: None
        """Of the certificate of the proxy port; likewise."""

    def ready_problems(self) -> list[str]:
        """Why requests cannot be served now; empty if they can."""
        if self._admission.draining:
            return ["draining: the outpost is shutting down"]
        try:
            enforcement = self._admission.admit(self._clock())
        except Rejected as err:
            return [f"{err.code}: {err.message}"]
        if self._models is not None and self._models.problem is not None:
            return [f"{ErrorCode.INSPECTION_UNAVAILABLE}: {self._models.problem}"]
        if self._workers is not None and not self._workers.serves:
            return [self._workers.problem() or "workers: they are starting"]
        missing = enforcement.keys.missing_peppers
        return [f"no_policy: secrets for {len(missing)} pepper(s) have not arrived"] if missing else []

    def warnings(self) -> list[str]:
        """What works now and will not for long."""
        at = self._clock()
        found = self._standing_warnings(at)
        if self._workers is not None and (problem := self._workers.problem()) is not None:
            found.append(problem)
        if self._models is not None and self._models.warning is not None:
            found.append(self._models.warning)
        expiry = certificate_warning(self.listener(), at)
        found += [*provider_warnings(self._provider_report(at)), *([] if expiry is None else [expiry])]
        enforcement = self._admission.enforcement
        if enforcement is not None:
            bundle = enforcement.bundle
            if at > bundle.expires_at:
                found.append(f"the policy is stale since {bundle.expires_at:%Y-%m-%dT%H:%M:%SZ}")
            used = offline_percent(bundle, at)
            if used > WARN_FROM_PERCENT:
                until = f"{bundle.enforceable_until:%Y-%m-%dT%H:%M:%SZ}"
                found.append(f"everything is refused from {until} on: {used:.0f} % of max_offline has passed")
        return found

    def _standing_warnings(self, at: datetime) -> list[str]:
        found = []
        standing = self._standing
        if not standing.keeper.identity.is_current(at):
            found.append("the client certificate is out of its validity; the control plane cannot be reached")
        problem = standing.keeper.problem
        if problem is not None:
            found.append(f"{problem.code}: {problem.message}")
        clock_problem = standing.clock_watch.problem()
        if clock_problem is not None and (problem is None or problem.message != clock_problem):
            found.append(clock_problem)
        if standing.revocations.rumoured and not standing.revocations.revoked:
            found.append("outpost_revoked: the control plane says so, but no signed list confirms it yet")
        if not standing.revocations.is_list_current:
            found.append("the revocation list is past its next update")
        return found

    def _provider_report(self, at: datetime) -> list[dict[str, Any]]:
        enforcement = self._admission.enforcement
        providers = [] if enforcement is None else enforcement.bundle.routing.providers
        return provider_report((provider.id for provider in providers), self.providers(), at, self._clock_s())

    def state(self) -> str:
        """``green``; ``yellow`` for what works and soon will not; ``red`` if requests or the identity are refused.

        ``red`` too while a worker is missing: those that are left may not be enough.
        """
        if self.ready_problems() or self._standing.keeper.problem is not None:
            return "red"
        if self._workers is not None and self._workers.problem() is not None:
            return "red"
        return "yellow" if self.warnings() else "green"

    def report(self) -> dict[str, Any]:
        """Versions, freshness and expiry dates."""
        at = self._clock()
        identity, problem = self._standing.keeper.identity, self._standing.keeper.problem
        reading = self._standing.clock_watch.reading
        enforcement = self._admission.enforcement
        bundle = None
        if enforcement is not None:
            part = enforcement.bundle
            bundle = {"snapshot_version": part.snapshot_version, **freshness_fields(part, at)}
        return {
            "version": outpost_version(),
            "state": self.state(),
            "org_id": identity.org_id,
            "outpost_id": identity.outpost_id,
            "certificate_expires_at": identity.certificate.not_valid_after_utc.isoformat(),
            "identity": {
                "certificate_sha256": certificate_sha256(identity.certificate).hex(),
                "trust_generation": identity.trust_generation,
                "problem": None if problem is None else {"code": problem.code.value, "message": problem.message},
                "revoked": self._standing.revocations.revoked,
            },
            "clock": {
                "skew_s": None if reading is None else round(reading.skew_s, 1),
                "measured_at": None if reading is None else reading.measured_at.isoformat(),
                "verified": None if reading is None else reading.verified,
                "problem": self._standing.clock_watch.problem(),
            },
            "bundle": bundle,
            "audit": {
                "healthy": self._audit.healthy,
                "size": self._audit.size,
                "delivered": self._audit.delivered,
                "waiting": self._audit.size - self._audit.delivered,
            },
            "providers": self._provider_report(at),
            "tls": certificate_report(self.listener(), at),
            "models": None if self._models is None else self._models.report() | {"bundle_pack": self._pack_report()},
            "workers": None if self._workers is None else self._workers.report(),
            "sync": self._sync_report(),
            "warnings": self.warnings(),
        }
