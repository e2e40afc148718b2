"""Documents of a policy bundle: what all have in common, and two required ones: policy and keys.

They are signed, versioned and strict: an unknown field, rule condition or action refuses the document,
and with it the whole bundle (ADR-0004), and so does a name that stands twice in one object, of which two readers
could take different ones (RFC 8259 §4). Only texts for people may be added by a newer minor version. Parse with
``parse_document``, a whole bundle with ``document_set``; everything else trusts the types.
"""

import json
from enum import StrEnum
from ipaddress import ip_network
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from outpost.protocol.decisions import Action, Direction, Redaction
from outpost.protocol.ids import ID_PATTERN
from outpost.protocol.times import UtcTime

POLICY_TARGET = "policy.json"
KEYS_TARGET = "keys.json"
ROUTING_TARGET = "routing.json"
DETECTORS_TARGET = "detectors.json"
BUDGETS_TARGET = "budgets.json"
SMOKE_TARGET = "smoke.json"
MODELS_TARGET = "models.json"
REQUIRED_DOCUMENTS = (POLICY_TARGET, KEYS_TARGET, ROUTING_TARGET)
OPTIONAL_DOCUMENTS = (DETECTORS_TARGET, BUDGETS_TARGET, SMOKE_TARGET, MODELS_TARGET)
"""A bundle without one of them means the same as one with an empty one."""

KNOWN_MINOR = 0
"""Documents up to ``1.KNOWN_MINOR`` are fully known; a newer minor version may bring unknown ``messages`` only."""

SchemaVersion = Annotated[str, Field(pattern=r"^1(?:\.(?:0|[1-9][0-9]{0,3}))?$")]
"""``1`` or ``1.N``. Another major version is another language: refused."""

Name = Annotated[str, Field(pattern=f"^{ID_PATTERN}$")]
Kind = Annotated[
    str, Field(pattern=r"^(?:\*|[a-z][a-z0-9_]*(?:\.[a-z][a-z0-9_]*)*\.(?:\*|[a-z][a-z0-9_]*))$", max_length=80)
]
"""A finding's kind: ``domain.type`` or ``domain.type.subtype``; ``*`` as the last part matches all below it."""

ModelName = Annotated[str, Field(min_length=1, max_length=256)]

MAX_TEXT_CHARS = 300  # a sentence or two: it goes into an error message and an audit event
MAX_OFFLINE_DEFAULT_S = 7 * 86_400  # design §5: the org's own limit; 7 days unless the policy says otherwise


def kind_matches(pattern: str, kind: str) -> bool:
    """Whether ``pattern`` (a ``Kind``) names ``kind``: ``pii.email`` itself, ``pii.*`` all below it, ``*`` any."""
    return pattern in (kind, "*") or (pattern.endswith(".*") and kind.startswith(pattern[:-1]))


class DocumentError(ValueError):
    """A document is malformed. ``problems`` lists them as ``(path, message)``; of values only names are quoted."""

    def __init__(self, name: str, problems: list[tuple[str, str]]) -> None:
        self.name = name
        self.problems = problems
        super().__init__(f"{name}: " + "; ".join(f"{path or '(document)'}: {message}" for path, message in problems))


class Document(BaseModel):
    """Base of every bundle document: immutable, and closed against what this version cannot read."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    def unknown_messages(self) -> list[str]:
        """Paths of the ``messages`` members that this version does not know."""
        return []


class Messages(BaseModel):
    """Texts for people, the one place where a newer minor version may say more than this one can read."""

    model_config = ConfigDict(frozen=True, strict=True, extra="allow")

    user: str | None = Field(default=None, max_length=MAX_TEXT_CHARS)
    """For the caller who is refused, in place of ``reason``."""
    officer: str | None = Field(default=None, max_length=MAX_TEXT_CHARS)
    """For whoever reads the policy or a simulation: why the rule is there."""


class CombiningAlgorithm(StrEnum):
    """How a pack's rules combine (names as in XACML 3.0 §C)."""

    FIRST_APPLICABLE = "first_applicable"
    DENY_OVERRIDES = "deny_overrides"


class Conditions(Document):
    """All given conditions must hold; within a list one match suffices. No condition at all matches everything."""

    findings: list[Kind] | None = Field(default=None, min_length=1)
    min_score: float = Field(default=0.5, ge=0, le=1)
    """Only findings with at least this score count for ``findings``."""
    directions: list[Direction] | None = Field(default=None, min_length=1)
    models: list[str] | None = Field(default=None, min_length=1)
    groups: list[str] | None = Field(default=None, min_length=1)
    surfaces: list[str] | None = Field(default=None, min_length=1)


class RouteTo(Document):
    """Where a ``ROUTE_TO`` rule sends requests: a route, or a provider, or a model, or a model of a provider."""

    route: Name | None = None
    """A route of ``routing.json``, for example one that has no models of its own: a tier such as ``cheap``."""
    provider: Name | None = None
    """A provider, for example one in the org's own network."""
    model: ModelName | None = None
    """Asked for in place of the caller's: of ``provider``, or without it of whoever serves it."""

    @model_validator(mode="after")
    def _names_one(self) -> "RouteTo":
        if (self.route is None) == (self.provider is None and self.model is None):
            raise ValueError("name a route; or a provider, a model or both")
        return self


class Rule(Document):
    """One rule: when its conditions hold, its action applies."""

    id: Name
    sequence: int = Field(ge=0)
    when: Conditions
    action: Action
    redaction: Redaction | None = None
    """What stands in place of what is redacted: a ``label`` of its kind (also without this member), a ``mask``, a keyed
    ``hash``, other text of the same shape (``format``), or a name that is put back in the answer (``restore``)."""
    route_to: RouteTo | None = None
    """Of a ``ROUTE_TO`` rule: who serves the request instead, and nobody else."""
    reason: str = Field(default="", max_length=MAX_TEXT_CHARS)
    messages: Messages | None = None

    @model_validator(mode="after")
    def _route_is_for_requests(self) -> "Rule":
        if (self.route_to is not None) != (self.action is Action.ROUTE_TO):
            raise ValueError("a ROUTE_TO rule says in route_to where to, and no other rule does")
        if self.action is Action.ROUTE_TO and self.when.directions != [Direction.INPUT]:
            raise ValueError('a ROUTE_TO rule is for requests only: when.directions must be ["input"]')
        return self

    @model_validator(mode="after")
    def _redact_names_what(self) -> "Rule":
        if self.action is Action.REDACT and self.when.findings is None:
            raise ValueError("a REDACT rule must name the findings to redact in when.findings")
        if self.redaction is not None and self.action is not Action.REDACT:
            raise ValueError("redaction says how a REDACT rule redacts; this rule does not")
        return self


class Pack(Document):
    """Ordered rules with a stated default for when none of them ends the evaluation."""

    id: Name
    sequence: int = Field(ge=0)
    combining: CombiningAlgorithm = CombiningAlgorithm.FIRST_APPLICABLE
    default: Literal[Action.ALLOW, Action.BLOCK]
    rules: list[Rule] = Field(max_length=5000)
    messages: Messages | None = None
    """For its default and for rules without their own."""

    @model_validator(mode="after")
    def _ids_are_unique(self) -> "Pack":
        require_unique("rule id", [rule.id for rule in self.rules])
        require_unique("rule sequence", [str(rule.sequence) for rule in self.rules])
        return self


class PolicyDocument(Document):
    """``policy.json``."""

    schema_version: SchemaVersion
    max_offline_s: int = Field(default=MAX_OFFLINE_DEFAULT_S, ge=60, le=90 * 86_400)
    packs: list[Pack] = Field(min_length=1, max_length=200)

    @model_validator(mode="after")
    def _packs_are_unique(self) -> "PolicyDocument":
        require_unique("pack id", [pack.id for pack in self.packs])
        require_unique("pack sequence", [str(pack.sequence) for pack in self.packs])
        return self

    def unknown_messages(self) -> list[str]:
        """Paths of the ``messages`` members that this version does not know."""
        return [
            f"{path}.messages.{name}"
            for number, pack in enumerate(self.packs)
            for path, messages in (
                (f"packs.{number}", pack.messages),
                *((f"packs.{number}.rules.{at}", rule.messages) for at, rule in enumerate(pack.rules)),
            )
            if messages is not None
            for name in messages.model_extra or ()
        ]


class VirtualKeyDigest(Document):
    """What an outpost knows of one virtual key: enough to recognise it, not to make it."""

    id: Name
    prefix: str = Field(pattern=r"^sk-op-[a-z0-9]{1,16}-[0-9A-Za-z]{8}$")
    """The key's first characters, by which it is looked up."""
    pepper_id: Name
    digest: str = Field(pattern=r"^[0-9a-f]{64}$")
    """HMAC-SHA256 of the whole key under the named pepper, in hex."""
    group: Name
    allowed_models: list[str] = Field(default=["*"], min_length=1)
    allowed_networks: list[str] | None = Field(default=None, min_length=1)
    """CIDR networks from which the key may be used; absent means any."""
    expires_at: UtcTime | None = None

    @field_validator("allowed_networks")
    @classmethod
    def _are_networks(cls, networks: list[str] | None) -> list[str] | None:
        for network in networks or []:
            ip_network(network)
        return networks


class KeysDocument(Document):
    """``keys.json``."""

    schema_version: SchemaVersion
    keys: list[VirtualKeyDigest] = Field(max_length=100_000)

    @model_validator(mode="after")
    def _keys_are_unique(self) -> "KeysDocument":
        require_unique("key id", [key.id for key in self.keys])
        return self


D = TypeVar("D", bound=Document)


def parse_document(model: type[D], name: str, content: bytes) -> D:
    """Parse one target of a bundle.

    Raises:
        DocumentError: It is not UTF-8 JSON of exactly the expected shape; lists every problem.
    """
    try:
        document = model.model_validate_json(content)
    except ValidationError as err:
        problems = [
            (".".join(str(part) for part in error["loc"]), error["msg"])
            for error in err.errors(include_url=False, include_context=False, include_input=False)
        ]
        raise DocumentError(name, problems) from err
    try:
        json.loads(content, object_pairs_hook=_refuse_duplicates)
    except (ValueError, RecursionError) as err:
        raise DocumentError(name, [("", str(err))]) from err
    unknown = document.unknown_messages()
    if unknown and _minor(document) <= KNOWN_MINOR:
        raise DocumentError(name, [(path, "Extra inputs are not permitted") for path in unknown])
    return document


def encode_document(document: Document) -> bytes:
    """The bytes in which a document is published; ``parse_document`` reads them back as the same document."""
    return document.model_dump_json(exclude_none=True).encode()


def _minor(document: Document) -> int:
    return int(getattr(document, "schema_version", "1").partition(".")[2] or 0)


def _refuse_duplicates(pairs: list[tuple[str, object]]) -> None:
    # The values of inner objects come as None: nothing is built a second time.
    if len(dict(pairs)) != len(pairs):
        require_unique("name", [name for name, _ in pairs])


def require_unique(what: str, values: list[str]) -> None:
    """Refuse a list that names something twice.

    Raises:
        ValueError: Names the first that does.
    """
    seen: set[str] = set()
    for value in values:
        if value in seen:
            raise ValueError(f"duplicate {what} {value!r}")
        seen.add(value)
