"""By what a realtime connection may go on: the caller, the policy, and one provider for as long as it lasts.

A connection is not shared out and nobody stands in: what the policy wants to go elsewhere is refused. Asked before
every event, so that a change ends what it forbids.
"""

from dataclasses import dataclass

from outpost.budget.keys import Caller
from outpost.errors import Rejected
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
    """By what a connection may go on, at one moment."""

    enforcement: Enforcement
    caller: Caller
    provider: Provider


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
    provider = _provider(enforcement, model)
    if provider is None:
        raise nobody(OPENAI.name)
    return Standing(enforcement, caller, provider)


def _provider(enforcement: Enforcement, model: str, destination: Destination | None = None) -> Provider | None:
    """Who serves a connection: always the same, and only under the name that was asked for."""
    targets = enforcement.routing.targets(model, (OPENAI.name,), destination)
    able = [target for target in targets if target.model in {None, model}]
    first = min(able, key=lambda target: (target.order, -target.weight, target.provider.id), default=None)
    return None if first is None else first.provider


def require_here(standing: Standing, model: str, decision: Decision) -> None:
    """Refuse what the policy wants to go elsewhere: a connection stays where it is.

    Raises:
        Rejected: ``route_unavailable``.
    """
    if decision.destination is None or decision.action is Action.BLOCK:
        return
    if _provider(standing.enforcement, model, decision.destination) != standing.provider:
        raise nobody_there(str(decision.destination))
