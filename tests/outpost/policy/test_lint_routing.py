import json

import pytest

from outpost.policy.lint import lint_documents

CLOUD = {"id": "cloud", "surface": "openai", "base_url": "https://llm.example/v1", "models": ["gpt-big", "gpt-small"]}
INSIDE = {"id": "inside", "surface": "openai", "base_url": "http://10.0.0.7/v1", "models": ["llama"], "local": True}
CLAUDE = {"id": "claude", "surface": "anthropic", "base_url": "https://c.example/v1", "models": ["*"]}
INPUT = {"directions": ["input"]}


def lint(*rules, routes=None, providers=(CLOUD, INSIDE)):
    numbered = [{"id": f"r{n}", "sequence": n, "when": INPUT} | rule for n, rule in enumerate(rules)]
    packs = [{"id": "p", "sequence": 1, "default": "BLOCK", "rules": numbered}]
    routing = {"providers": list(providers)} | ({} if routes is None else {"routes": routes})
    contents = {"policy.json": {"packs": packs}, "routing.json": routing}
    encoded = {name: json.dumps({"schema_version": "1"} | value).encode() for name, value in contents.items()}
    problems = lint_documents(encoded).problems
    return [(problem.path, problem.severity.value, problem.code) for problem in problems]


def to(when=INPUT, **place):
    return {"action": "ROUTE_TO", "when": when, "route_to": place}


FOUND = INPUT | {"findings": ["pii.email"], "surfaces": ["openai.chat_completions"]}
OPENAI = INPUT | {"surfaces": ["openai.chat_completions"]}
ROUTE = {"id": "r", "models": ["fast"], "targets": [{"provider": "cloud", "model": "gpt-small"}]}
WHERE = "packs.0.rules.0.route_to"

CASES = {
    "a local provider for what was found": ([to(FOUND, provider="inside", model="llama")], None, []),
    "a cloud for what was found": ([to(FOUND, provider="cloud")], None, [(WHERE, "warning", "not-local")]),
    "a cloud for nothing found": ([to(OPENAI, provider="cloud")], None, []),
    "nowhere": ([to(OPENAI, route="gone")], None, [(f"{WHERE}.route", "error", "unknown-route")]),
    "one API only, and callers of both": ([to(provider="cloud")], None, [(WHERE, "warning", "other-api")]),
    "a route that nothing leads to": (
        [],
        [ROUTE | {"models": []}],
        [("routes.0", "warning", "unused-route")],
    ),
    "a route that a rule leads to": ([to(OPENAI, route="r")], [ROUTE | {"models": []}], []),
    "a model that its provider does not list": (
        [],
        [ROUTE | {"targets": [{"provider": "cloud", "model": "gpt-huge"}]}],
        [("routes.0.targets.0", "warning", "unserved-model")],
    ),
    "a name that nobody knows and nobody replaces": (
        [],
        [ROUTE | {"targets": [{"provider": "cloud"}]}],
        [("routes.0.targets.0", "warning", "unserved-model")],
    ),
    "a rule that another name gets around": (
        [{"action": "BLOCK", "when": {"models": ["gpt-small"]}}],
        [ROUTE],
        [("packs.0.rules.0.when.models.0", "warning", "alias")],
    ),
    "a rule that names both": ([{"action": "BLOCK", "when": {"models": ["gpt-small", "fast"]}}], [ROUTE], []),
    "the same place twice": (
        [to(OPENAI, route="r"), to(OPENAI, route="r")],
        [ROUTE],
        [("packs.0.rules.1", "warning", "duplicate")],
    ),
    "another place that is never reached": (
        [to(OPENAI, route="r"), to(OPENAI, provider="inside")],
        [ROUTE],
        [("packs.0.rules.1", "warning", "unreachable")],
    ),
}


@pytest.mark.parametrize(("rules", "routes", "expected"), CASES.values(), ids=CASES)
def test_what_is_said(rules, routes, expected):
    assert lint(*rules, routes=routes) == expected


def test_a_route_may_cross_from_one_api_to_another():
    targets = [{"provider": "cloud", "model": "gpt-small"}, {"provider": "claude"}]
    assert lint(routes=[ROUTE | {"targets": targets}], providers=(CLOUD, INSIDE, CLAUDE)) == []


CALLERS = [
    (["openai.chat_completions"], []),
    (["anthropic.messages"], []),
    (["openai.embeddings"], [(WHERE, "warning", "other-api")]),
    (None, [(WHERE, "warning", "other-api")]),
]


@pytest.mark.parametrize(("surfaces", "expected"), CALLERS)
def test_callers_that_are_not_translated_are_named(surfaces, expected):
    when = INPUT | ({} if surfaces is None else {"surfaces": surfaces})
    assert lint(to(when, provider="claude"), providers=(CLOUD, INSIDE, CLAUDE)) == expected
