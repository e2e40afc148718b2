"""``routing.json``: the providers of an org, and which of them serve what.

A request goes to these and to nobody else (``base_url`` is the only place where an address is named), so it is
signed like the rest. Parsed by ``outpost/protocol/documents.py``; made ready by ``outpost/policy/routing.py``.
"""

import re
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from outpost.protocol.documents import Document, ModelName, Name, SchemaVersion, require_unique

_URL_TEXT = re.compile(r"[\x21-\x7e]+")  # RFC 3986 §2: a URL is visible ASCII


class ProviderKey(Document):
    """One of several keys of a provider."""

    id: Name
    """The key itself is the secret ``provider/<id>`` or the local setting ``provider_keys.<id>``."""
    weight: int = Field(default=1, ge=0, le=1000)
    """Its share of the requests, beside the weights of the other keys; 0: only when the others fail."""


class Timeouts(Document):
    """How long to wait for one provider; what is absent is the outpost's own setting (``provider_*_timeout_s``)."""

    connect_s: float | None = Field(default=None, gt=0, le=3600)
    first_byte_s: float | None = Field(default=None, gt=0, le=3600)
    """From the request to the first byte of the answer's body; absent: as ``read_s``."""
    read_s: float | None = Field(default=None, gt=0, le=3600)
    """Between two pieces of an answer."""
    total_s: float | None = Field(default=None, gt=0, le=3600)


class Provider(Document):
    """Where requests for some models go. The provider's key is a sealed secret or a local setting, never here."""

    id: Name
    surface: Literal["openai", "anthropic"]
    """Whose API it speaks: requests in that API go to it."""
    base_url: str = Field(max_length=512)
    """Up to and including the version segment, for example ``https://llm.example/v1``."""
    models: list[str] = Field(min_length=1, max_length=1000)
    """Model names this provider serves; ``*`` serves any model not named by another provider."""
    keys: list[ProviderKey] | None = Field(default=None, min_length=1, max_length=20)
    """Its keys; absent: the one of the provider's own id, or none if there is no such secret."""
    timeouts: Timeouts | None = None
    max_connections: int | None = Field(default=None, ge=1, le=10_000)
    """Requests that may be with it at once; what comes on top fails over, or is refused. Absent: any number."""
    local: bool | None = None
    """It runs in the org's own network: what goes to it does not leave."""

    @property
    def key_ids(self) -> tuple[str, ...]:
        """By which its keys are found."""
        return (self.id,) if self.keys is None else tuple(key.id for key in self.keys)

    @field_validator("keys")
    @classmethod
    def _keys_are_unique(cls, keys: list[ProviderKey] | None) -> list[ProviderKey] | None:
        require_unique("key id", [key.id for key in keys or []])
        return keys

    @field_validator("base_url")
    @classmethod
    def _is_http_url(cls, url: str) -> str:
        wrong = "must be an http(s) URL without query or fragment"
        if _URL_TEXT.fullmatch(url) is None:  # urlsplit drops line ends and tabs that would stay in the value
            raise ValueError(wrong)
        try:
            parts = urlsplit(url)
            has_host = parts.hostname and parts.port != 0
        except ValueError as err:  # its text quotes the URL
            raise ValueError(wrong) from err
        if parts.scheme not in {"https", "http"} or not has_host or parts.query or parts.fragment:
            raise ValueError(wrong)
        if "@" in parts.netloc:
            raise ValueError("must not carry credentials")
        return url.rstrip("/")


class RouteTarget(Document):
    """One that can serve a route."""

    provider: Name
    model: ModelName | None = None
    """The model that the provider is asked for; absent: the one that the caller named."""
    weight: int = Field(default=1, ge=0, le=1000)
    """Its share of the requests, beside the weights of the targets of the same ``order``; 0: only when these fail."""
    order: int = Field(default=0, ge=0, le=9)
    """Targets of a higher one are asked only when those of the lower ones cannot serve."""


class Route(Document):
    """Several targets for the same requests: shared by weight, and one standing in for another."""

    id: Name
    models: list[ModelName] = Field(default=[], max_length=1000)
    """Names by which callers ask for it, also names that no provider knows (aliases); ``*``: any that nothing else
    names. None: only ``ROUTE_TO`` leads to it."""
    targets: list[RouteTarget] = Field(min_length=1, max_length=50)

    @model_validator(mode="after")
    def _targets_are_unique(self) -> "Route":
        require_unique("target", [f"{target.provider} {target.model or ''}".rstrip() for target in self.targets])
        return self


class Retry(Document):
    """When one target fails before any of its answer went out: how often, and how long, others are tried."""

    max_attempts: int = Field(default=3, ge=1, le=10)
    """Of one request, the first included; as the official SDKs, which repeat twice."""
    deadline_s: float = Field(default=600, ge=0, le=3600)
    """No attempt begins later than so long after the first; the official SDKs wait ten minutes."""
    wait_s: float = Field(default=0, ge=0, le=60)
    """How long, in all, may be waited to ask the same target again: after its ``Retry-After``, or a moment that grows.
    0: a target is asked once, and the caller told at once when it may come again."""


class RoutingDocument(Document):
    """``routing.json``."""

    schema_version: SchemaVersion
    providers: list[Provider] = Field(min_length=1, max_length=100)
    routes: list[Route] | None = Field(default=None, max_length=200)
    retry: Retry | None = None

    @model_validator(mode="after")
    def _providers_are_unique(self) -> "RoutingDocument":
        require_unique("provider id", [provider.id for provider in self.providers])
        for surface in {provider.surface for provider in self.providers}:
            speaking = [provider for provider in self.providers if provider.surface == surface]
            require_unique("model", [model for provider in speaking for model in provider.models])
        return self

    @model_validator(mode="after")
    def _routes_lead_somewhere(self) -> "RoutingDocument":
        routes, known = self.routes or [], {provider.id for provider in self.providers}
        require_unique("route id", [route.id for route in routes])
        require_unique("model of a route", [model for route in routes for model in route.models])
        for route in routes:
            strangers = sorted({target.provider for target in route.targets} - known)
            if strangers:
                raise ValueError(f"route {route.id!r} names provider {strangers[0]!r}, which is not there")
        return self
