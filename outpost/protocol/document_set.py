"""All documents of one bundle together, and by which name each is published."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, TypeVar

from outpost.protocol.budgets import BudgetsDocument
from outpost.protocol.detectors import DetectorsDocument
from outpost.protocol.documents import (
    BUDGETS_TARGET,
    DETECTORS_TARGET,
    KEYS_TARGET,
    MODELS_TARGET,
    POLICY_TARGET,
    REQUIRED_DOCUMENTS,
    ROUTING_TARGET,
    SMOKE_TARGET,
    Document,
    DocumentError,
    KeysDocument,
    PolicyDocument,
    RouteTo,
    parse_document,
)
from outpost.protocol.list_file import list_of_target, list_target
from outpost.protocol.models import CARD_TARGET, ModelsDocument, file_of_pack
from outpost.protocol.routing import RoutingDocument
from outpost.protocol.smoke import SmokeDocument

MODELS: Final[Mapping[str, type[Document]]] = MappingProxyType(
    {
        POLICY_TARGET: PolicyDocument,
        KEYS_TARGET: KeysDocument,
        ROUTING_TARGET: RoutingDocument,
        DETECTORS_TARGET: DetectorsDocument,
        BUDGETS_TARGET: BudgetsDocument,
        SMOKE_TARGET: SmokeDocument,
        MODELS_TARGET: ModelsDocument,
    }
)
"""Every document by its target name."""

NO_DETECTORS: Final = DetectorsDocument(schema_version="1")
NO_BUDGETS: Final = BudgetsDocument(schema_version="1")
NO_SMOKE: Final = SmokeDocument(schema_version="1")
NO_MODELS: Final = ModelsDocument(schema_version="1")

D = TypeVar("D", bound=Document)


@dataclass(frozen=True, slots=True)
class DocumentSet:
    """What one bundle says."""

    policy: PolicyDocument
    keys: KeysDocument
    routing: RoutingDocument
    detectors: DetectorsDocument = NO_DETECTORS
    budgets: BudgetsDocument = NO_BUDGETS
    smoke: SmokeDocument = NO_SMOKE
    models: ModelsDocument = NO_MODELS


@dataclass(frozen=True, slots=True)
class Parsed:
    """Contents by target name, and what they say."""

    contents: Mapping[str, bytes]
    documents: DocumentSet


def is_readable(name: str) -> bool:
    """Whether people can read the target of this name: everything but lists and the files of a model pack."""
    return list_of_target(name) is None and (name == CARD_TARGET or file_of_pack(name) is None)


def require_lists(detectors: DetectorsDocument, names: Collection[str]) -> None:
    """Return only if every list that ``detectors`` name is among the targets ``names``.

    Raises:
        DocumentError: One is missing.
    """
    missing = [
        (f"lists.{number}", f"the bundle lacks {list_target(rule.id)}")
        for number, rule in enumerate(detectors.lists)
        if list_target(rule.id) not in names
    ]
    if missing:
        raise DocumentError(DETECTORS_TARGET, missing)


def require_routes(policy: PolicyDocument, routing: RoutingDocument) -> None:
    """Return only if ``routing`` knows every place to which rules of ``policy`` route.

    Raises:
        DocumentError: It does not know one: the rule could not be enforced.
    """
    problems = [
        (f"packs.{pack_number}.rules.{number}.route_to.{field}", f"{ROUTING_TARGET} has no {what}")
        for pack_number, pack in enumerate(policy.packs)
        for number, rule in enumerate(pack.rules)
        if rule.route_to is not None
        for field, what in _unknown(rule.route_to, routing)
    ]
    if problems:
        raise DocumentError(POLICY_TARGET, problems)


def _unknown(place: RouteTo, routing: RoutingDocument) -> Iterator[tuple[str, str]]:
    routes = routing.routes or []
    if place.route is not None and place.route not in {route.id for route in routes}:
        yield "route", f"route {place.route!r}"
    if place.provider is not None and place.provider not in {provider.id for provider in routing.providers}:
        yield "provider", f"provider {place.provider!r}"
    if place.model is not None and place.provider is None:
        served = {model for route in routes for model in route.models}
        served.update(model for provider in routing.providers for model in provider.models)
        if not served & {place.model, "*"}:
            yield "model", f"provider or route that serves {place.model!r}"


def unnamed_lists(detectors: DetectorsDocument, names: Collection[str]) -> list[str]:
    """The list targets among ``names`` that ``detectors`` do not name, and that so mean nothing."""
    named = {list_target(rule.id) for rule in detectors.lists}
    return sorted(name for name in names if list_of_target(name) is not None and name not in named)


def parse_set(contents: Mapping[str, bytes], before: Parsed | None = None) -> DocumentSet:
    """Parse the documents of a bundle, given by target name. Other targets are left alone.

    Args:
        contents: The bytes of each document.
        before: What was parsed last; a document whose bytes are the same is taken from it. A bundle is signed anew
            every hour, and a hundred thousand keys take a second to read.

    Raises:
        DocumentError: The first that is malformed, or missing and not optional.
    """
    for name in REQUIRED_DOCUMENTS:
        if name not in contents:
            raise DocumentError(name, [("", "the bundle lacks it")])

    def read(model: type[D], name: str) -> D:
        if before is not None and before.contents.get(name) == contents[name]:
            known = getattr(before.documents, name.removesuffix(".json"))
            if isinstance(known, model):
                return known
        return parse_document(model, name, contents[name])

    def read_or(empty: D, name: str) -> D:
        return read(type(empty), name) if name in contents else empty

    return DocumentSet(
        policy=read(PolicyDocument, POLICY_TARGET),
        keys=read(KeysDocument, KEYS_TARGET),
        routing=read(RoutingDocument, ROUTING_TARGET),
        detectors=read_or(NO_DETECTORS, DETECTORS_TARGET),
        budgets=read_or(NO_BUDGETS, BUDGETS_TARGET),
        smoke=read_or(NO_SMOKE, SMOKE_TARGET),
        models=read_or(NO_MODELS, MODELS_TARGET),
    )
