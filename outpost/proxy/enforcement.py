"""What is enforced right now, and whether anything may pass at all.

``Enforcement`` is one applied bundle, compiled; a request takes the reference once and keeps it, so a newer
bundle is swapped in between two requests. ``Admission`` answers the fail-closed rows of design §7 that do not
depend on a request. Pure: time is passed in.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

from outpost.budget.keys import KeyIndex
from outpost.dlp.engine import Engine
from outpost.errors import Rejected
from outpost.policy.bundle import Bundle, Freshness
from outpost.policy.compile import Compiled, Lists, check_smoke, compile_documents
from outpost.policy.evaluate import CompiledPolicy, compile_policy
from outpost.policy.model_rules import ModelRules, require_offered
from outpost.policy.routing import RoutingTable, routing_table
from outpost.protocol.codes import ErrorCode
from outpost.proxy.seen import SeenTexts

# NTP steps a clock by less than this once it runs; a larger step back means that expiries cannot be judged.
CLOCK_TOLERANCE: Final = timedelta(minutes=5)
NO_LIST_KEYS: Final[Mapping[str, bytes]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Enforcement:
    """One bundle in the form in which requests use it."""

    bundle: Bundle
    policy: CompiledPolicy
    engine: Engine
    keys: KeyIndex
    routing: RoutingTable
    """Who serves what."""
    peppers: Mapping[str, bytes] = field(repr=False)
    """With which keys and allow-list were made ready."""
    list_keys: Mapping[str, bytes] = field(repr=False)
    """With which lists were made ready."""
    models: ModelRules = field(default_factory=ModelRules)
    """What of the models' findings counts."""
    seen: SeenTexts = field(init=False, repr=False, compare=False)
    """The engine, with what it found so far: nothing in any other enforcement, which may find other things."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "seen", SeenTexts(self.engine))


def compile_bundle(
    bundle: Bundle,
    peppers: Mapping[str, bytes],
    before: Enforcement | None = None,
    list_keys: Mapping[str, bytes] = NO_LIST_KEYS,
    offered: Collection[str] | None = (),
) -> Enforcement:
    """Make a verified bundle ready for use, and try its smoke cases. Takes up to seconds for 100,000 keys.

    Args:
        bundle: The documents.
        peppers: By id.
        before: What is in force now; parts that did not change are taken from it.
        list_keys: By id.
        offered: What the models here offer (``ModelCard.offered``); None if that is not known yet, and each request
            will be asked.

    Raises:
        BundleRejected: It does not compile, demands what no model here finds, or a smoke case comes out differently.
    """
    enforcement = _compile(bundle, peppers, list_keys, before)
    if offered is not None:
        require_offered(enforcement.policy, enforcement.models.offered(offered))
    check_smoke(bundle.smoke, Compiled(enforcement.policy, enforcement.engine))
    return enforcement


def with_peppers(
    enforcement: Enforcement, peppers: Mapping[str, bytes], list_keys: Mapping[str, bytes] = NO_LIST_KEYS
) -> Enforcement:
    """The same bundle with other peppers. Fewer of them only take away: callers' keys, values of the allow-list.

    List keys are only added: without theirs, lists that are in force would find nothing any more.
    """
    return _compile(enforcement.bundle, peppers, {**list_keys, **enforcement.list_keys}, enforcement)


def _compile(
    bundle: Bundle, peppers: Mapping[str, bytes], list_keys: Mapping[str, bytes], before: Enforcement | None
) -> Enforcement:
    same = before if before is not None and before.peppers == peppers else None
    if same is not None and _same_engine(same, bundle, list_keys) and not bundle.budgets.budgets:
        compiled = Compiled(compile_policy(bundle.policy), same.engine, same.models)
    else:
        lists = Lists(bundle.lists, list_keys)
        compiled = compile_documents(bundle.policy, bundle.detectors, bundle.budgets, peppers, lists)
    keys = same.keys if same and same.bundle.keys == bundle.keys else KeyIndex(bundle.keys.keys, peppers)
    routing = routing_table(bundle.routing)
    return Enforcement(
        bundle, compiled.policy, compiled.engine, keys, routing, dict(peppers), dict(list_keys), compiled.models
    )


def _same_engine(before: Enforcement, bundle: Bundle, list_keys: Mapping[str, bytes]) -> bool:
    return (
        before.list_keys == list_keys
        and before.bundle.detectors == bundle.detectors
        and before.bundle.lists == bundle.lists
    )


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
