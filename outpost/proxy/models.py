"""``GET /v1/models`` and ``GET /v1/models/{model}``: what the caller's key may use, of what providers serve.

Models and aliases named in the bundle are listed from it. A provider that serves ``*`` is asked for its own list, whose
entries pass only as far as they have the fields of its API and model ids that look like ids. Who sends Anthropic's
version header is answered in Anthropic's shapes, about models that are served to Anthropic's clients.
Source: OpenAI API reference, /v1/models; Anthropic API reference, /v1/models (list with pages, retrieve).
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from outpost.budget.keys import Caller
from outpost.errors import Rejected
from outpost.policy.routing import ANY
from outpost.protocol.codes import ErrorCode
from outpost.protocol.routing import Provider
from outpost.proxy.enforcement import Enforcement
from outpost.proxy.forward import Forwarder
from outpost.proxy.json_document import parse_json
from outpost.proxy.surfaces.dialects import ANTHROPIC, ANTHROPIC_VERSION, OPENAI
from outpost.proxy.surfaces.surface import Dialect, invalid

PAGE: Final = 20  # Anthropic's default; its most is
MOST: Final = 1_000
_MODEL_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]{0,255}")
_OWNER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_TITLE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9 .()-]{0,63}")  # Claude Sonnet 4.5 (New)
_LONGEST_LIMIT: Final = 4
_UNKNOWN: Final = datetime.fromtimestamp(0, UTC)
"""Anthropic's answer where nobody knows when a model came out."""


@dataclass(frozen=True, slots=True)
class Model:
    """One entry, apart from its shape. ``title`` is for people."""

    id: str
    owner: str
    created_at: datetime = _UNKNOWN
    title: str | None = None


def dialect_of_models(headers: Mapping[str, str]) -> Dialect:
    """In whose shapes a caller wants to read of models."""
    return ANTHROPIC if "anthropic-version" in headers else OPENAI


async def list_models(
    enforcement: Enforcement,
    caller: Caller,
    forwarder: Forwarder,
    dialect: Dialect = OPENAI,
    query: Mapping[str, str] | None = None,
) -> bytes:
    """The list object with every model the caller may use; in Anthropic's shape, the page that ``query`` asks for.

    Raises:
        Rejected: A provider that must be asked cannot be, or its list is not one; ``invalid_request``: no such page.
    """
    models = await _models(enforcement, caller, forwarder, dialect)
    if dialect is OPENAI:
        return json.dumps({"object": "list", "data": [_openai(model) for model in models]}).encode()
    shown, more = _page(models, query or {})
    page = {
        "data": [_anthropic(model) for model in shown],
        "has_more": more,
        "first_id": shown[0].id if shown else None,
        "last_id": shown[-1].id if shown else None,
    }
    return json.dumps(page).encode()


async def retrieve_model(
    enforcement: Enforcement, caller: Caller, forwarder: Forwarder, name: str, dialect: Dialect = OPENAI
) -> bytes:
    """The model object of the model called ``name``.

    Raises:
        Rejected: ``unknown_model`` if the caller has no such model; otherwise as ``list_models``.
    """
    for model in await _models(enforcement, caller, forwarder, dialect):
        if model.id == name:
            return json.dumps(_openai(model) if dialect is OPENAI else _anthropic(model)).encode()
    message = f"no provider of the policy bundle serves this model in {dialect.name}'s API"
    raise Rejected(ErrorCode.UNKNOWN_MODEL, message)


async def _models(enforcement: Enforcement, caller: Caller, forwarder: Forwarder, dialect: Dialect) -> list[Model]:
    found: dict[str, Model] = {}
    for provider in enforcement.bundle.routing.providers:
        if provider.surface != dialect.name:
            continue
        for name in provider.models:
            if name != ANY:
                found[name] = Model(name, provider.id)
        if ANY in provider.models:
            for model in await _ask(provider, forwarder, dialect):
                found.setdefault(model.id, model)
    for route in enforcement.bundle.routing.routes or []:
        for name in route.models:
            if name != ANY and enforcement.routing.targets(name, (dialect.name,)):
                found.setdefault(name, Model(name, route.id))
    return [model for name, model in found.items() if caller.may_use(name)]


async def _ask(provider: Provider, forwarder: Forwarder, dialect: Dialect) -> list[Model]:
    path, headers = "/models", dict(forwarder.credentials(provider, dialect.credentials))
    if dialect is ANTHROPIC:
        path, headers["anthropic-version"] = f"/models?limit={MOST}", ANTHROPIC_VERSION
    async with forwarder.get(provider, path, headers) as answer:
        raw = await forwarder.read(answer)
    try:
        value = parse_json(raw).value
    except Rejected as err:
        raise _not_a_list() from err
    data = value.get("data") if isinstance(value, dict) else None
    if not isinstance(data, list):
        raise _not_a_list()
    return [model for item in data if (model := _model(item, provider)) is not None]


def _model(item: Any, provider: Provider) -> Model | None:
    """An entry of a provider's list, in either API's shape, as far as it looks like one."""
    if not isinstance(item, dict) or not isinstance(item.get("id"), str) or not _MODEL_ID.fullmatch(item["id"]):
        return None
    owner, title = item.get("owned_by"), item.get("display_name")
    return Model(
        item["id"],
        owner if isinstance(owner, str) and _OWNER.fullmatch(owner) else provider.id,
        _time(item.get("created", item.get("created_at"))),
        title if isinstance(title, str) and _TITLE.fullmatch(title) else None,
    )


def _time(said: Any) -> datetime:
    """Unix seconds or RFC 3339; the epoch for anything else."""
    try:
        if isinstance(said, int) and not isinstance(said, bool):
            return datetime.fromtimestamp(said, UTC)
        at = datetime.fromisoformat(said) if isinstance(said, str) else _UNKNOWN
        return at.astimezone(UTC) if at.tzinfo else _UNKNOWN
    except (ValueError, OverflowError, OSError):
        return _UNKNOWN


def _openai(model: Model) -> dict[str, Any]:
    created = int(model.created_at.timestamp())
    return {"id": model.id, "object": "model", "created": created, "owned_by": model.owner}


def _anthropic(model: Model) -> dict[str, Any]:
    created_at = model.created_at.strftime("%Y-%m-%dT%H:%M:%SZ")
    title = model.title or model.id
    return {
        "type": "model",
        "id": model.id,
        "display_name": title,
        "created_at": created_at,
        "lifecycle": "active",
    }


def _page(models: Sequence[Model], query: Mapping[str, str]) -> tuple[Sequence[Model], bool]:
    """The models that ``query`` asks for, and whether there are more behind (or, going back, before) them.

    Raises:
        Rejected: ``invalid_request``: it asks for something else.
    """
    limit = query.get("limit", str(PAGE))
    if not (limit.isascii() and limit.isdigit() and len(limit) <= _LONGEST_LIMIT and 0 < int(limit) <= MOST):
        raise invalid(f"'limit' must be a number from 1 to {MOST}")
    if set(query) - {"limit", "after_id", "before_id", "beta"} or {"after_id", "before_id"} <= set(query):
        raise invalid("a list of models takes 'limit', and 'after_id' or 'before_id'")
    ids = [model.id for model in models]
    if "before_id" in query:
        end = ids.index(query["before_id"]) if query["before_id"] in ids else 0
        begin = max(0, end - int(limit))
        return models[begin:end], begin > 0
    begin = ids.index(query["after_id"]) + 1 if query.get("after_id") in ids else 0
    return models[begin : begin + int(limit)], begin + int(limit) < len(models)


def _not_a_list() -> Rejected:
    return Rejected(ErrorCode.PROVIDER_INVALID_RESPONSE, "the provider's answer is not a list of models")
