import json

import pytest

from outpost.protocol.documents import DocumentError, PolicyDocument, encode_document, parse_document
from outpost.protocol.routing import Provider, RoutingDocument

PROVIDERS = [
    {"id": "a", "surface": "openai", "base_url": "https://a.example/v1", "models": ["m1", "*"]},
    {"id": "b", "surface": "openai", "base_url": "https://b.example/v1", "models": ["m2"]},
    {"id": "c", "surface": "anthropic", "base_url": "https://c.example/v1", "models": ["*"]},
]


def routing(**fields):
    content = json.dumps({"schema_version": "1", "providers": PROVIDERS} | fields).encode()
    return parse_document(RoutingDocument, "routing.json", content)


def route(*targets, **fields):
    return {"id": "r", "targets": list(targets)} | fields


REFUSED = {
    "no target": ({"routes": [route()]}, "at least 1 item"),
    "a stranger": ({"routes": [route({"provider": "z"})]}, "names provider 'z', which is not there"),
    "two of one id": ({"routes": [route({"provider": "a"}), route({"provider": "b"})]}, "duplicate route id 'r'"),
    "one name twice": (
        {"routes": [route({"provider": "a"}, models=["x"]), route({"provider": "b"}, id="s", models=["x"])]},
        "duplicate model of a route 'x'",
    ),
    "one target twice": ({"routes": [route({"provider": "a"}, {"provider": "a"})]}, "duplicate target 'a'"),
    "a weight below 0": ({"routes": [route({"provider": "a", "weight": -1})]}, "greater than or equal to 0"),
    "an unknown field": ({"routes": [route({"provider": "a"}, url="http://evil.example")]}, "Extra inputs"),
    "an address of its own": (
        {"routes": [route({"provider": "a", "base_url": "http://x.example"})]},
        "Extra inputs",
    ),
    "no attempt at all": ({"retry": {"max_attempts": 0}}, "greater than or equal to 1"),
    "a key twice": ({"providers": [PROVIDERS[0] | {"keys": [{"id": "k"}, {"id": "k"}]}]}, "duplicate key id 'k'"),
    "no key": ({"providers": [PROVIDERS[0] | {"keys": []}]}, "at least 1 item"),
    "a key in clear": ({"providers": [PROVIDERS[0] | {"keys": [{"id": "k", "value": "sk-x"}]}]}, "Extra inputs"),
    "no time": ({"providers": [PROVIDERS[0] | {"timeouts": {"connect_s": 0}}]}, "greater than 0"),
}


@pytest.mark.parametrize(("fields", "why"), REFUSED.values(), ids=REFUSED)
def test_what_leads_nowhere_or_anywhere_is_refused(fields, why):
    with pytest.raises(DocumentError, match=why):
        routing(**fields)


def test_one_target_may_stand_in_a_route_under_two_models():
    document = routing(routes=[route({"provider": "a", "model": "m1"}, {"provider": "a", "model": "m3", "weight": 0})])

    assert [target.model for target in document.routes[0].targets] == ["m1", "m3"]


def test_without_anything_new_the_bytes_are_what_older_outposts_read():
    assert (
        encode_document(routing())
        == json.dumps({"schema_version": "1", "providers": PROVIDERS}, separators=(",", ":")).encode()
    )


def test_a_providers_keys_are_found_by_their_ids():
    assert Provider(**PROVIDERS[0]).key_ids == ("a",)
    assert Provider(**PROVIDERS[0], keys=[{"id": "k1"}, {"id": "k2"}]).key_ids == ("k1", "k2")


def rule(**fields):
    when = {"directions": ["input"]}
    made = {"id": "r", "sequence": 1, "when": when, "action": "ROUTE_TO", "route_to": {"route": "r"}} | fields
    packs = [{"id": "p", "sequence": 1, "default": "BLOCK", "rules": [made]}]
    content = json.dumps({"schema_version": "1", "packs": packs}).encode()
    return parse_document(PolicyDocument, "policy.json", content).packs[0].rules[0]


@pytest.mark.parametrize(
    "place", [{"route": "r"}, {"provider": "a"}, {"model": "m"}, {"provider": "a", "model": "m"}], ids=str
)
def test_a_rule_routes_to_one_place(place):
    assert rule(route_to=place).route_to.model_dump(exclude_none=True) == place


WRONG = {
    "nowhere": {"route_to": None},
    "nothing": {"route_to": {}},
    "two places": {"route_to": {"route": "r", "provider": "a"}},
    "an address": {"route_to": {"url": "http://evil.example"}},
    "another action": {"action": "BLOCK"},
    "answers": {"when": {"directions": ["output"]}},
    "both directions": {"when": {"directions": ["input", "output"]}},
    "any direction": {"when": {}},
}


@pytest.mark.parametrize("fields", WRONG.values(), ids=WRONG)
def test_a_rule_that_could_not_be_enforced_is_refused(fields):
    with pytest.raises(DocumentError):
        rule(**fields)
