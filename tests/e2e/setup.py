"""What the SDK tests ask, and the policy and the routing under which they ask it."""

import json
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from outpost.demo.faults import FAULTS
from outpost.demo.provider import MODELS
from outpost.protocol.documents import PolicyDocument
from outpost.protocol.routing import Provider, RoutingDocument
from tests.e2e.sdk import Target
from tests.fakes.outpost import running_outpost
from tests.fakes.upstream import Upstream

WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
            "additionalProperties": False,
        },
        "strict": True,
    },
}


def policy(cards_in: Sequence[str] = ("input", "output")) -> PolicyDocument:
    """Block cards in these directions, redact e-mail addresses in prompts, allow the rest."""
    rules: list[dict[str, Any]] = [
        {
            "id": "no-cards",
            "sequence": 1,
            "when": {"findings": ["pci.pan"], "directions": list(cards_in)},
            "action": "BLOCK",
        },
        {
            "id": "no-mail",
            "sequence": 2,
            "when": {"findings": ["pii.email"], "directions": ["input"]},
            "action": "REDACT",
        },
    ]
    packs = [{"id": "test", "sequence": 1, "combining": "deny_overrides", "default": "ALLOW", "rules": rules}]
    return PolicyDocument.model_validate_json(json.dumps({"schema_version": "1", "packs": packs}))


def routing(upstream: Upstream) -> RoutingDocument:
    providers = [
        Provider(id="standin", surface="openai", base_url=upstream.openai_url, models=[*MODELS, *FAULTS]),
        Provider(id="standin-anthropic", surface="anthropic", base_url=upstream.openai_url, models=["*"]),
    ]
    return RoutingDocument(schema_version="1", providers=providers)


def ask(content: Any = "What is the capital of France?", **more: Any) -> dict[str, Any]:
    return {"model": "standin-chat", "messages": [{"role": "user", "content": content}], **more}


def cases(bodies: dict[str, dict[str, Any]]) -> Iterable[Any]:
    return [pytest.param(body, id=name) for name, body in bodies.items()]


@asynccontextmanager
async def outpost_before(upstream: Upstream, chosen: PolicyDocument) -> AsyncIterator[Target]:
    async with running_outpost(policy=chosen, routing=routing(upstream)) as running:
        yield Target("outpost", f"{running.base_url}/v1", running.api_key)
