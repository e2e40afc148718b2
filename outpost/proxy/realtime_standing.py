"""By what a realtime connection may go on: the caller, the policy, and one provider for as long as it lasts.

Who that is, of those that may serve the model under its own name, is found out when it is opened. From then on nobody
stands in: what the policy wants to go elsewhere is refused. Asked before every event, so that a change ends what it
forbids.
"""

from dataclasses import dataclass

from outpost.budget.keys import Caller
from outpost.errors import Rejected
from outpost.policy.routing import Target
from outpost.protocol.codes import ErrorCode
from outpost.protocol.decisions import Action, Decision, Destination
from outpost.protocol.routing import Provider
from outpost.proxy.dispatch import nobody, nobody_there
from outpost.proxy.enforcement import Enforcement
from outpost.proxy.exchange import Exchange
from outpost.proxy.parts import ProxyParts
from outpost.proxy.surfaces.dialects import OPENAI


@dataclass(frozen=True, slots=True)
class Standing:
    """By what a connection may go on, at one moment; ``targets`` are those that may serve it, at least one."""

    enforcement: Enforcement
    caller: Caller
    targets: tuple[Target, ...]

    def may_stay(self, provider: Provider) -> bool:
        """Whether a connection to ``provider`` may go on."""
        return any(target.provider == provider for target in self.targets)


def standing_of(parts: ProxyParts, exchange: Exchange, key: str | None, model: str) -> Standing:
    """Whether the caller may go on with ``model``, now.

    Raises:
        Rejected: Not any more.
    """
    at = parts.clock()
    enforcement = parts.admission.admit(at)
    caller = enforcement.keys.authenticate(key, at=at, address=exchange.address)
    if not caller.may_use(model):
        raise Rejected(ErrorCode.MODEL_NOT_ALLOWED, "this API key does not allow this model")
    exchange.bundle_version, exchange.caller = enforcement.bundle.snapshot_version, caller
    targets = _able(enforcement, model)
    if not targets:
        raise nobody(OPENAI.name)
    return Standing(enforcement, caller, targets)


def _able(enforcement: Enforcement, model: str, destination: Destination | None = None) -> tuple[Target, ...]:
    """Who can serve a connection: only under the name that was asked for, which its events repeat."""
    targets = enforcement.routing.targets(model, (OPENAI.name,), destination)
    return tuple(target for target in targets if target.model in {None, model})


def required(standing: Standing, model: str, decision: Decision) -> tuple[Target, ...]:
    """Those of the standing's targets to which the policy lets this go.

    Raises:
        Rejected: ``route_unavailable``: none of them.
    """
    if decision.destination is None or decision.action is Action.BLOCK:
        return standing.targets
    there = {target.provider.id for target in _able(standing.enforcement, model, decision.destination)}
    targets = tuple(target for target in standing.targets if target.provider.id in there)
    if not targets:
        raise nobody_there(str(decision.destination))
    return targets


def require_here(standing: Standing, provider: Provider, model: str, decision: Decision) -> None:
    """Refuse what the policy wants to go elsewhere: a connection to ``provider`` stays where it is.

    Raises:
        Rejected: ``route_unavailable``.
    """
    if all(target.provider != provider for target in required(standing, model, decision)):
        raise nobody_there(str(decision.destination))
