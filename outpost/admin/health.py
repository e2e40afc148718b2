"""What the probes say about this outpost: may it serve, how fresh is what it enforces, what expires when."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

from outpost.audit.log import AuditLog
from outpost.errors import Rejected
from outpost.proxy.enforcement import Admission
from outpost.sync.identity import Identity
from outpost.sync.version import outpost_version

# A day's notice is the least an operator needs before everything is refused.
EXPIRY_WARNING: Final = timedelta(days=1)


class OutpostHealth:
    """Reads the running parts; changes nothing."""

    def __init__(
        self,
        identity: Identity,
        admission: Admission,
        audit: AuditLog,
        clock: Callable[[], datetime],
        sync_report: Callable[[], dict[str, Any]],
    ) -> None:
        self._identity = identity
        self._admission = admission
        self._audit = audit
        self._clock = clock
        self._sync_report = sync_report

    def ready_problems(self) -> list[str]:
        """Why requests cannot be served now; empty if they can."""
        if self._admission.draining:
            return ["draining: the outpost is shutting down"]
        try:
            enforcement = self._admission.admit(self._clock())
        except Rejected as err:
            return [f"{err.code}: {err.message}"]
        missing = enforcement.keys.missing_peppers
        return [f"no_policy: secrets for {len(missing)} pepper(s) have not arrived"] if missing else []

    def warnings(self) -> list[str]:
        """What works now and will not for long."""
        at = self._clock()
        found = []
        if not self._identity.is_current(at):
            found.append("the client certificate is out of its validity; the control plane cannot be reached")
        enforcement = self._admission.enforcement
        if enforcement is not None:
            bundle = enforcement.bundle
            if at > bundle.expires_at:
                found.append(f"the policy is stale since {bundle.expires_at:%Y-%m-%dT%H:%M:%SZ}")
            # A shorter limit would warn all the time, and nobody reads what is always there.
            notice = min(EXPIRY_WARNING, timedelta(seconds=bundle.policy.max_offline_s) / 2)
            if at > bundle.enforceable_until - notice:
                found.append(f"everything is refused from {bundle.enforceable_until:%Y-%m-%dT%H:%M:%SZ} on")
        return found

    def report(self) -> dict[str, Any]:
        """Versions, freshness and expiry dates."""
        at = self._clock()
        enforcement = self._admission.enforcement
        bundle = None
        if enforcement is not None:
            part = enforcement.bundle
            bundle = {
                "snapshot_version": part.snapshot_version,
                "freshness": part.freshness(at),
                "signed_at": part.signed_at.isoformat(),
                "expires_at": part.expires_at.isoformat(),
                "enforceable_until": part.enforceable_until.isoformat(),
            }
        return {
            "version": outpost_version(),
            "org_id": self._identity.org_id,
            "outpost_id": self._identity.outpost_id,
            "certificate_expires_at": self._identity.certificate.not_valid_after_utc.isoformat(),
            "bundle": bundle,
            "audit": {
                "healthy": self._audit.healthy,
                "size": self._audit.size,
                "delivered": self._audit.delivered,
            },
            "sync": self._sync_report(),
            "warnings": self.warnings(),
        }
