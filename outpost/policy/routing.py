"""Who can serve a request: the routing table of a bundle, asked by model or by a rule's destination. Pure.

What a route names goes to its targets, exactly; then a provider that names the model; then the route, then the
provider of ``*``. A destination of the policy takes the place of all that: there is no way back from it to where the
caller wanted to go. Another API than the caller's is spoken only where a route or a destination leads to it. A
caller's bytes choose a model's name and never an address.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Final

from outpost.protocol.decisions import Destination
from outpost.protocol.routing import Provider, Retry, Route, RoutingDocument

DEFAULT_RETRY: Final = Retry()
ANY: Final = "*"
APIS: Final = ("openai", "anthropic")
# Surfaces whose requests can be said in every API; those of the others stay in their own.
CROSSING: Final = frozenset({"openai.chat_completions", "anthropic.messages"})


def apis_for(surface: str) -> tuple[str, ...]:
    """APIs in which requests of a surface (by its name) can be made, its own first."""
    own = surface.partition(".")[0]
    return (own, *(api for api in APIS if api != own)) if surface in CROSSING else (own,)


@dataclass(frozen=True, slots=True)
class Target:
    """One that can serve a request.

    Attributes:
        provider: Where it is.
        model: What the provider is asked for; None for what the caller asked for.
        weight: Its share among those of the same order.
        order: Those of a higher one are asked only when the lower ones cannot serve.
        route: The route that led here, if one did.
    """

    provider: Provider
    model: str | None = None
    weight: int = 1
    order: int = 0
    route: str | None = None


@dataclass(frozen=True, slots=True)
class RoutingTable:
    """``routing.json``, ready to be asked."""

    providers: Mapping[str, Provider]
    routes: Mapping[str, tuple[Target, ...]]
    by_model: Mapping[str, str]
    """The route of a name that callers use."""
    served: Mapping[tuple[str, str], Provider]
    """By API and model."""
    retry: Retry = DEFAULT_RETRY

    def targets(
        self, model: str, dialects: Collection[str], destination: Destination | None = None
    ) -> tuple[Target, ...]:
        """All that can serve ``model`` to a caller whose requests these dialects can carry; none if nobody can.

        Args:
            model: As the caller named it; empty if the request names none.
            dialects: APIs in which the request can be made, the caller's own first.
            destination: Where the policy sends it instead.
        """
        if destination is None:
            return self._asked(model, dialects)
        if destination.route is not None:
            return _speaking(self.routes.get(destination.route, ()), dialects)
        if destination.provider is not None:
            provider = self.providers.get(destination.provider)
            return _speaking(() if provider is None else (Target(provider, destination.model),), dialects)
        model = destination.model or ""
        found = self._asked(model, dialects, crossing=True)
        return tuple(target if target.model else replace(target, model=model) for target in found)

    def _asked(self, model: str, dialects: Collection[str], *, crossing: bool = False) -> tuple[Target, ...]:
        """``crossing``: a provider that names the model need not speak the caller's own API."""
        route = self.by_model.get(model)
        if route is not None:
            return _speaking(self.routes[route], dialects)
        own = next(iter(dialects))
        naming = (self.served.get((dialect, model)) for dialect in (dialects if crossing else (own,)))
        provider = next((one for one in naming if one is not None), None)
        if provider is None and not model:
            provider = self._only(own)
        if provider is None and ANY in self.by_model:
            return _speaking(self.routes[self.by_model[ANY]], dialects)
        provider = provider or self.served.get((own, ANY))
        return () if provider is None else (Target(provider),)

    def _only(self, dialect: str) -> Provider | None:
        """Who serves requests that name no model, if there is no choice."""
        speaking = [provider for provider in self.providers.values() if provider.surface == dialect]
        return speaking[0] if len(speaking) == 1 else None


def routing_table(document: RoutingDocument) -> RoutingTable:
    """Index a routing document. One that was parsed always compiles."""
    providers = {provider.id: provider for provider in document.providers}
    routes = document.routes or []
    return RoutingTable(
        providers,
        {route.id: _targets(route, providers) for route in routes},
        {model: route.id for route in routes for model in route.models},
        {(provider.surface, model): provider for provider in document.providers for model in provider.models},
        document.retry or DEFAULT_RETRY,
    )


def _targets(route: Route, providers: Mapping[str, Provider]) -> tuple[Target, ...]:
    return tuple(
        Target(providers[target.provider], target.model, target.weight, target.order, route.id)
        for target in route.targets
    )


def _speaking(targets: tuple[Target, ...], dialects: Collection[str]) -> tuple[Target, ...]:
    return tuple(target for target in targets if target.provider.surface in dialects)
