"""``GET /v1/models`` and ``GET /v1/models/{model}``: what the caller's key may use, of what providers serve.

Models and aliases named in the bundle are listed from it. A provider that serves ``*`` is asked for its own list, whose
entries pass only as far as they have OpenAI's fields and model ids that look like ids.
"""

import json
import re
from typing import Any, Final

from outpost.budget.keys import Caller
from outpost.errors import Rejected
from outpost.policy.routing import ANY
from outpost.protocol.codes import ErrorCode
from outpost.protocol.routing import Provider
from outpost.proxy.enforcement import Enforcement
from outpost.proxy.forward import Forwarder
from outpost.proxy.json_document import parse_json
from outpost.proxy.surfaces.dialects import OPENAI

_MODEL_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]{0,255}")
_OWNER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


async def list_models(enforcement: Enforcement, caller: Caller, forwarder: Forwarder) -> bytes:
    """The list object with every model the caller may use.

    Raises:
        Rejected: A provider that must be asked cannot be, or its list is not one.
    """
    models = await _models(enforcement, caller, forwarder)
    return json.dumps({"object": "list", "data": models}).encode()


async def retrieve_model(enforcement: Enforcement, caller: Caller, forwarder: Forwarder, model: str) -> bytes:
    """The model object of ``model``.

    Raises:
        Rejected: ``unknown_model`` if the caller has no such model; otherwise as ``list_models``.
    """
    for entry in await _models(enforcement, caller, forwarder):
        if entry["id"] == model:
            return json.dumps(entry).encode()
    raise Rejected(ErrorCode.UNKNOWN_MODEL, "no provider of the policy bundle serves this model in openai's API")


async def _models(enforcement: Enforcement, caller: Caller, forwarder: Forwarder) -> list[dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for provider in enforcement.bundle.routing.providers:
        if provider.surface != OPENAI.name:
            continue
        for model in provider.models:
            if model != ANY:
                found[model] = {"id": model, "object": "model", "created": 0, "owned_by": provider.id}
        if ANY in provider.models:
            for entry in await _ask(provider, forwarder):
                found.setdefault(entry["id"], entry)
    for route in enforcement.bundle.routing.routes or []:
        for model in route.models:
            if model != ANY and enforcement.routing.targets(model, (OPENAI.name,)):
                found.setdefault(model, {"id": model, "object": "model", "created": 0, "owned_by": route.id})
    return [entry for model, entry in found.items() if caller.may_use(model)]


async def _ask(provider: Provider, forwarder: Forwarder) -> list[dict[str, Any]]:
    async with forwarder.get(provider, "/models") as answer:
        raw = await forwarder.read(answer)
    try:
        value = parse_json(raw).value
    except Rejected as err:
        raise _not_a_list() from err
    data = value.get("data") if isinstance(value, dict) else None
    if not isinstance(data, list):
        raise _not_a_list()
    return [entry for item in data if (entry := _entry(item, provider)) is not None]


def _entry(item: Any, provider: Provider) -> dict[str, Any] | None:
    if not isinstance(item, dict) or not isinstance(item.get("id"), str) or not _MODEL_ID.fullmatch(item["id"]):
        return None
    created, owner = item.get("created"), item.get("owned_by")
    return {
        "id": item["id"],
        "object": "model",
        "created": created if isinstance(created, int) and not isinstance(created, bool) else 0,
        "owned_by": owner if isinstance(owner, str) and _OWNER.fullmatch(owner) else provider.id,
    }


def _not_a_list() -> Rejected:
    return Rejected(ErrorCode.PROVIDER_INVALID_RESPONSE, "the provider's answer is not a list of models")
