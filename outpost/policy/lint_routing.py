"""What is wrong or suspicious in where requests go: ``routing.json``, and the rules that route. Pure."""

from collections.abc import Iterator

from outpost.policy.problems import Found, Severity
from outpost.policy.routing import APIS, CROSSING, RoutingTable, Target, routing_table
from outpost.protocol.decisions import Action, Destination
from outpost.protocol.document_set import require_routes
from outpost.protocol.documents import POLICY_TARGET, ROUTING_TARGET, DocumentError, PolicyDocument, Rule
from outpost.protocol.json_tokens import Path
from outpost.protocol.routing import RoutingDocument


def lint_routing(policy: PolicyDocument | None, routing: RoutingDocument) -> Iterator[Found]:
    """Everything to say about ``routing`` and, if it is given, about what ``policy`` makes of it."""
    table = routing_table(routing)
    yield from _targets(routing)
    if policy is None:
        return
    routed = set()
    try:
        require_routes(policy, routing)
    except DocumentError as err:
        for where, message in err.problems:
            path = tuple(int(step) if step.isdecimal() else step for step in where.split("."))
            yield Found(POLICY_TARGET, path, Severity.ERROR, "unknown-route", message)
    for pack_number, pack in enumerate(policy.packs):
        for number, rule in enumerate(pack.rules):
            path = ("packs", pack_number, "rules", number)
            if rule.route_to is not None:
                routed.add(rule.route_to.route)
                yield from _routing_rule(rule, table, path)
            yield from _aliases(rule, routing, path)
    for number, route in enumerate(routing.routes or []):
        if not route.models and route.id not in routed:
            message = "nothing leads here: it has no models, and no rule routes to it"
            yield Found(ROUTING_TARGET, ("routes", number), Severity.WARNING, "unused-route", message)


def _targets(routing: RoutingDocument) -> Iterator[Found]:
    """Targets whose provider does not serve what they ask it for."""
    providers = {provider.id: provider for provider in routing.providers}
    for route_number, route in enumerate(routing.routes or []):
        for number, target in enumerate(route.targets):
            served = providers[target.provider].models
            strangers = [target.model] if target.model else [model for model in route.models if model != "*"]
            for model in strangers:
                if not {model, "*"} & set(served):
                    path: Path = ("routes", route_number, "targets", number)
                    message = f"provider {target.provider} does not list {model} among its models"
                    yield Found(ROUTING_TARGET, path, Severity.WARNING, "unserved-model", message)


def _routing_rule(rule: Rule, table: RoutingTable, path: Path) -> Iterator[Found]:
    where = (*path, "route_to")
    destination = Destination(**dict(rule.route_to or {}))
    found = {dialect: table.targets("", (dialect,), destination) for dialect in APIS}
    reached = [target for targets in found.values() for target in targets]
    for dialect, targets in found.items():
        if not targets and reached and _may_come_from(rule, dialect):
            message = (
                f"only {' and '.join(sorted(CROSSING))} are translated; other callers of {dialect}'s API are refused"
            )
            yield Found(POLICY_TARGET, where, Severity.WARNING, "other-api", message)
    if rule.when.findings is not None and any(not target.provider.local for target in reached):
        message = f"what was found goes to {_named(reached)}, which is not said to be local"
        yield Found(POLICY_TARGET, where, Severity.WARNING, "not-local", message)


def _may_come_from(rule: Rule, dialect: str) -> bool:
    named = rule.when.surfaces
    return named is None or any(surface.startswith(f"{dialect}.") and surface not in CROSSING for surface in named)


def _named(targets: list[Target]) -> str:
    return ", ".join(sorted({target.provider.id for target in targets if not target.provider.local}))


def _aliases(rule: Rule, routing: RoutingDocument, path: Path) -> Iterator[Found]:
    """Names by which callers reach a model that a rule names, and which the rule does not name."""
    if rule.action is Action.ALLOW:
        return
    for number, model in enumerate(rule.when.models or []):
        for route in routing.routes or []:
            other = sorted(set(route.models) - {*(rule.when.models or []), model})
            if other and any(target.model == model for target in route.targets):
                message = f"callers reach {model} as {', '.join(other)} too, which this rule does not name"
                yield Found(POLICY_TARGET, (*path, "when", "models", number), Severity.WARNING, "alias", message)
