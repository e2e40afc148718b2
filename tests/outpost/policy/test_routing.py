import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpost.policy.routing import routing_table
from outpost.protocol.decisions import Destination
from outpost.protocol.routing import Provider, Route, RouteTarget, RoutingDocument

OPENAI, ANTHROPIC = ("openai",), ("anthropic",)


def provider(name, *models, surface="openai"):
    return Provider(id=name, surface=surface, base_url=f"https://{name}.example/v1", models=list(models))


def table(*providers, routes=()):
    return routing_table(RoutingDocument(schema_version="1", providers=list(providers), routes=list(routes) or None))


def route(name, *targets, models=()):
    return Route(id=name, models=list(models), targets=[RouteTarget(**target) for target in targets])


TABLE = table(
    provider("a", "m1", "*"),
    provider("b", "m2"),
    provider("in-house", "llama"),
    provider("c", "*", surface="anthropic"),
    routes=[
        route("both", {"provider": "a", "model": "m1"}, {"provider": "b", "order": 1}, models=["fast", "m2"]),
        route("inside", {"provider": "in-house", "model": "llama"}),
        route("claude", {"provider": "c", "model": "c-big"}, models=["claude"]),
    ],
)


def went(model, dialects=OPENAI, destination=None):
    return [(target.provider.id, target.model) for target in TABLE.targets(model, dialects, destination)]


ASKED = [
    ("m1", OPENAI, [("a", None)]),
    ("anything", OPENAI, [("a", None)]),
    ("fast", OPENAI, [("a", "m1"), ("b", None)]),
    ("m2", OPENAI, [("a", "m1"), ("b", None)]),  # a route goes before a provider that names the model
    ("anything", ANTHROPIC, [("c", None)]),
    ("fast", ANTHROPIC, []),  # named by a route that does not speak it: not to be guessed otherwise
    ("claude", OPENAI, []),
    ("claude", ANTHROPIC, [("c", "c-big")]),
    ("", ANTHROPIC, [("c", None)]),
    ("", OPENAI, [("a", None)]),
]


@pytest.mark.parametrize(("model", "dialects", "expected"), ASKED)
def test_who_serves_what_a_caller_asks_for(model, dialects, expected):
    assert went(model, dialects) == expected


SENT = [
    (Destination(route="inside"), OPENAI, [("in-house", "llama")]),
    (Destination(route="inside"), ANTHROPIC, []),
    (Destination(provider="b"), OPENAI, [("b", None)]),
    (Destination(provider="b", model="m2"), OPENAI, [("b", "m2")]),
    (Destination(model="llama"), OPENAI, [("in-house", "llama")]),
    (Destination(model="fast"), OPENAI, [("a", "m1"), ("b", "fast")]),
    (Destination(route="gone"), OPENAI, []),
    (Destination(provider="gone"), OPENAI, []),
]


@pytest.mark.parametrize(("destination", "dialects", "expected"), SENT)
def test_a_destination_takes_the_place_of_what_the_caller_asked_for(destination, dialects, expected):
    assert went("m1", dialects, destination) == expected
    assert went("anything", dialects, destination) == expected


def test_only_a_destination_or_a_route_leads_to_another_api():
    both = table(provider("a", "*"), provider("c", "claude", surface="anthropic"))
    dialects = ("openai", "anthropic")

    assert [t.provider.id for t in both.targets("claude", dialects)] == ["a"]
    assert [t.provider.id for t in both.targets("x", dialects, Destination(model="claude"))] == ["c"]
    assert [t.provider.id for t in both.targets("x", OPENAI, Destination(model="claude"))] == ["a"]


def test_a_route_for_everything_comes_behind_a_provider_that_names_the_model():
    both = table(
        provider("a", "m1"), provider("b", "*"), routes=[route("all", {"provider": "a"}, {"provider": "b"}, models="*")]
    )

    assert [t.provider.id for t in both.targets("m1", OPENAI)] == ["a"]
    assert [t.provider.id for t in both.targets("m9", OPENAI)] == ["a", "b"]
    assert [t.route for t in both.targets("m9", OPENAI)] == ["all", "all"]


def test_a_request_that_names_no_model_goes_to_the_only_provider_or_to_the_one_for_all():
    assert [t.provider.id for t in table(provider("a", "m1")).targets("", OPENAI)] == ["a"]
    assert not table(provider("a", "m1"), provider("b", "m2")).targets("", OPENAI)
    assert [t.provider.id for t in table(provider("a", "m1"), provider("b", "*")).targets("", OPENAI)] == ["b"]


@given(
    model=st.text(max_size=20) | st.sampled_from(["fast", "m1", "m2", "*"]),
    dialects=st.sampled_from([OPENAI, ANTHROPIC, ("openai", "anthropic")]),
    destination=st.none()
    | st.builds(Destination, route=st.text(max_size=8) | st.sampled_from(["both", "inside"]))
    | st.builds(Destination, provider=st.text(max_size=8) | st.sampled_from(["a", "c"]), model=st.none() | st.text()),
)
def test_whatever_is_asked_goes_to_a_provider_of_the_bundle_that_speaks_it(model, dialects, destination):
    for target in TABLE.targets(model, dialects, destination):
        assert TABLE.providers[target.provider.id] is target.provider
        assert target.provider.surface in dialects
        if destination is not None and destination.provider is not None:
            assert target.provider.id == destination.provider
        if destination is not None and destination.route is not None:
            assert target.route == destination.route
