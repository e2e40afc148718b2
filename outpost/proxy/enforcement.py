"""What is enforced right now, and whether anything may pass at all.

``Enforcement`` is one applied bundle, compiled; a request takes the reference once and keeps it, so a newer
bundle is swapped in between two requests. ``Admission`` answers the fail-closed rows of design §7 that do not
depend on a request. Pure: time is passed in.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from outpost.budget.keys import KeyIndex
from outpost.errors import Rejected
from outpost.policy.bundle import Bundle, Freshness
from outpost.policy.evaluate import CompiledPolicy, compile_policy
from outpost.protocol.codes import ErrorCode
from outpost.protocol.documents import Provider

# NTP steps a clock by less than this once it runs; a larger step back means that expiries cannot be judged.
CLOCK_TOLERANCE: Final = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Enforcement:
    """One bundle in the form in which requests use it."""

    bundle: Bundle
    policy: CompiledPolicy
    keys: KeyIndex
    providers: Mapping[str, Provider]
    """By model name; ``*`` serves the models nobody names."""

    def provider_for(self, model: str) -> Provider:
        """Where ``model`` is served.

        Raises:
            Rejected: ``unknown_model``.
        """
        provider = self.providers.get(model) or self.providers.get("*")
        if provider is None:
            raise Rejected(ErrorCode.UNKNOWN_MODEL, "no provider of the policy bundle serves this model")
        return provider


def compile_bundle(bundle: Bundle, peppers: Mapping[str, bytes]) -> Enforcement:
    """Make a verified bundle ready for use."""
    providers = {model: provider for provider in bundle.routing.providers for model in provider.models}
    return Enforcement(bundle, compile_policy(bundle.policy), KeyIndex(bundle.keys.keys, peppers), providers)


@dataclass(slots=True)
class Admission:
    """The state that can refuse everybody. The app writes it, every request asks it."""

    enforcement: Enforcement | None = None
    clock_floor_at: datetime | None = None
    """The latest moment this outpost knows has passed; persisted by the app."""
    revoked: bool = False
    audit_is_healthy: Callable[[], bool] = lambda: True
    draining: bool = False
    clock_tolerance: timedelta = CLOCK_TOLERANCE

    def admit(self, at: datetime) -> Enforcement:
        """The enforcement to use for a request at ``at``.

        Raises:
            Rejected: ``outpost_revoked``, ``no_policy``, ``clock_untrusted``, ``policy_expired`` or
                ``audit_unavailable``, in this order.
        """
        if self.revoked:
            raise Rejected(ErrorCode.OUTPOST_REVOKED, "this outpost has been revoked by its control plane")
        if self.enforcement is None:
            raise Rejected(ErrorCode.NO_POLICY, "this outpost has no verified policy yet; nothing can pass")
        floor = self._floor(self.enforcement.bundle)
        if at < floor - self.clock_tolerance:
            behind = int((floor - at).total_seconds() // 60)
            message = f"your clock is at least {behind} minutes behind; policy expiry cannot be judged"
            raise Rejected(ErrorCode.CLOCK_UNTRUSTED, message)
        if self.enforcement.bundle.freshness(at) is Freshness.EXPIRED:
            until = self.enforcement.bundle.enforceable_until
            message = f"the policy could be enforced offline until {until:%Y-%m-%dT%H:%M:%SZ}; it must be renewed"
            raise Rejected(ErrorCode.POLICY_EXPIRED, message)
        if not self.audit_is_healthy():
            raise Rejected(ErrorCode.AUDIT_UNAVAILABLE, "the audit log cannot be written; nothing can pass")
        return self.enforcement

    def _floor(self, bundle: Bundle) -> datetime:
        return bundle.signed_at if self.clock_floor_at is None else max(bundle.signed_at, self.clock_floor_at)
