"""All documents of one bundle together, and by which name each is published."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, TypeVar

from outpost.protocol.budgets import BudgetsDocument
from outpost.protocol.detectors import DetectorsDocument
from outpost.protocol.documents import (
    BUDGETS_TARGET,
    DETECTORS_TARGET,
    KEYS_TARGET,
    POLICY_TARGET,
    REQUIRED_DOCUMENTS,
    ROUTING_TARGET,
    SMOKE_TARGET,
    Document,
    DocumentError,
    KeysDocument,
    PolicyDocument,
    RoutingDocument,
    parse_document,
)
from outpost.protocol.smoke import SmokeDocument

MODELS: Final[Mapping[str, type[Document]]] = MappingProxyType(
    {
        POLICY_TARGET: PolicyDocument,
        KEYS_TARGET: KeysDocument,
        ROUTING_TARGET: RoutingDocument,
        DETECTORS_TARGET: DetectorsDocument,
        BUDGETS_TARGET: BudgetsDocument,
        SMOKE_TARGET: SmokeDocument,
    }
)
"""Every document by its target name."""

NO_DETECTORS: Final = DetectorsDocument(schema_version="1")
NO_BUDGETS: Final = BudgetsDocument(schema_version="1")
NO_SMOKE: Final = SmokeDocument(schema_version="1")

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


def parse_set(contents: Mapping[str, bytes]) -> DocumentSet:
    """Parse the documents of a bundle, given by target name. Other targets are left alone.

    Raises:
        DocumentError: The first that is malformed, or missing and not optional.
    """
    for name in REQUIRED_DOCUMENTS:
        if name not in contents:
            raise DocumentError(name, [("", "the bundle lacks it")])
    return DocumentSet(
        policy=parse_document(PolicyDocument, POLICY_TARGET, contents[POLICY_TARGET]),
        keys=parse_document(KeysDocument, KEYS_TARGET, contents[KEYS_TARGET]),
        routing=parse_document(RoutingDocument, ROUTING_TARGET, contents[ROUTING_TARGET]),
        detectors=_optional(contents, DETECTORS_TARGET, NO_DETECTORS),
        budgets=_optional(contents, BUDGETS_TARGET, NO_BUDGETS),
        smoke=_optional(contents, SMOKE_TARGET, NO_SMOKE),
    )


def _optional(contents: Mapping[str, bytes], name: str, empty: D) -> D:
    return parse_document(type(empty), name, contents[name]) if name in contents else empty
