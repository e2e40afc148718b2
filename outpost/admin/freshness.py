"""How old the enforced policy is: metrics, health fields, and warnings long before anything is refused.

The share of ``max_offline`` that has passed since the policy was signed is what an operator must see coming: the log
says at 50, 75 and 90 percent, once each, and when a tier is entered. A newly signed policy begins anew. Reads only.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

import structlog
from prometheus_client import CollectorRegistry, Gauge

from outpost.policy.bundle import Bundle, Freshness
from outpost.proxy.enforcement import Admission

WARN_AT_PERCENT: Final = (50, 75, 90)
CHECK_EVERY_S: Final = 10.0  # the shortest max_offline is a minute
NO_POLICY: Final = "none"
"""The tier of an outpost that has no verified policy."""

_log = structlog.get_logger(__name__)


def offline_percent(bundle: Bundle, at: datetime) -> float:
    """The share of ``max_offline`` that has passed at ``at``, in percent; above 100 everything is refused."""
    return max(0.0, (at - bundle.signed_at) / timedelta(seconds=bundle.policy.max_offline_s) * 100)


def freshness_fields(bundle: Bundle, at: datetime) -> dict[str, Any]:
    """What ``/health`` says about the age of ``bundle``."""
    return {
        "freshness": bundle.freshness(at),
        "signed_at": bundle.signed_at.isoformat(),
        "expires_at": bundle.expires_at.isoformat(),
        "enforceable_until": bundle.enforceable_until.isoformat(),
        "age_s": round((at - bundle.signed_at).total_seconds()),
        "refused_in_s": round((bundle.enforceable_until - at).total_seconds()),
        "offline_percent": round(offline_percent(bundle, at), 1),
    }


class FreshnessWatch:
    """Metrics that are read when they are asked for, and a log line where a limit is passed."""

    def __init__(self, admission: Admission, clock: Callable[[], datetime], registry: CollectorRegistry) -> None:
        self._admission = admission
        self._clock = clock
        self._signed_at: datetime | None = None
        self._passed: set[int] = set()
        self._tier: str = Freshness.FRESH
        _gauge(
            "outpost_policy_age_seconds", "Since the policy in force was signed; -1 without one", self._age, registry
        )
        _gauge(
            "outpost_policy_refused_in_seconds",
            "Until requests are refused because the policy is too old; negative once they are, 0 without a policy",
            self._refused_in,
            registry,
        )
        tiers = Gauge("outpost_policy_tier", "1 for the tier of the policy in force", ["tier"], registry=registry)
        for tier in (*Freshness, NO_POLICY):
            tiers.labels(str(tier)).set_function(partial(self._is_in, str(tier)))

    def tier(self) -> str:
        """``fresh``, ``stale``, ``expired``, or ``none`` without a verified policy."""
        bundle = self._bundle()
        return NO_POLICY if bundle is None else bundle.freshness(self._clock()).value

    def check(self) -> None:
        """Log what has been passed since the last check. Call it every ``CHECK_EVERY_S``."""
        bundle, at = self._bundle(), self._clock()
        if bundle is None:
            return
        if bundle.signed_at != self._signed_at:
            self._signed_at = bundle.signed_at
            self._passed = set()
        used = offline_percent(bundle, at)
        passed = [mark for mark in WARN_AT_PERCENT if used >= mark and mark not in self._passed]
        if passed:
            self._passed.update(passed)
            until = f"{bundle.enforceable_until:%Y-%m-%dT%H:%M:%SZ}"
            _log.warning("policy_ageing", offline_percent=passed[-1], refused_from=until)
        tier = bundle.freshness(at).value
        if tier != self._tier:
            self._tier = tier
            (_log.info if tier == Freshness.FRESH else _log.warning)("policy_tier", tier=tier)

    def _is_in(self, tier: str) -> float:
        return float(self.tier() == tier)

    def _bundle(self) -> Bundle | None:
        enforcement = self._admission.enforcement
        return None if enforcement is None else enforcement.bundle

    def _age(self) -> float:
        bundle = self._bundle()
        return -1.0 if bundle is None else (self._clock() - bundle.signed_at).total_seconds()

    def _refused_in(self) -> float:
        bundle = self._bundle()
        return 0.0 if bundle is None else (bundle.enforceable_until - self._clock()).total_seconds()


def _gauge(name: str, what: str, value: Callable[[], float], registry: CollectorRegistry) -> None:
    Gauge(name, what, registry=registry).set_function(value)
