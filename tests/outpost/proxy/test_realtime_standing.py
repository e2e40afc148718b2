import json

import pytest

from outpost.errors import Rejected
from outpost.protocol.decisions import Action, Decision, Destination
from outpost.protocol.routing import RoutingDocument
from outpost.proxy.enforcement import compile_bundle
from outpost.proxy.realtime_standing import Standing, _provider, require_here
from tests.fakes.outpost import PEPPER, make_bundle, make_key
from tests.outpost.proxy.setup import policy

PROVIDERS = [
    {"id": name, "surface": "openai", "base_url": f"https://{name}.example/v1", "models": [name]} for name in "abc"
]
ROUTES = [
    {
        "id": "r",
        "models": ["m"],
        "targets": [
            {"provider": "a", "model": "another"},
            {"provider": "b", "weight": 2},
            {"provider": "c", "weight": 3},
        ],
    }
]
DOCUMENT = RoutingDocument.model_validate_json(
    json.dumps({"schema_version": "1", "providers": PROVIDERS, "routes": ROUTES})
)
ENFORCEMENT = compile_bundle(make_bundle(policy(), DOCUMENT, [make_key()[1]]), {"p1": PEPPER})


def to(**place):
    return Decision(Action.ROUTE_TO, "p/r", "", destination=Destination(**place))


def test_a_connection_goes_to_the_same_one_always_and_keeps_the_models_name():
    assert _provider(ENFORCEMENT, "m").id == "c"
    assert _provider(ENFORCEMENT, "b").id == "b"
    assert _provider(ENFORCEMENT, "unknown") is None


HERE = [
    (Decision(Action.ALLOW, "p/default", ""), True),
    (to(provider="c"), True),
    (to(route="r"), True),
    (to(provider="b"), False),
    (to(provider="c", model="another"), False),
]


@pytest.mark.parametrize(("decision", "stays"), HERE)
def test_what_the_policy_wants_elsewhere_is_refused(decision, stays):
    standing = Standing(ENFORCEMENT, None, _provider(ENFORCEMENT, "m"))
    if stays:
        require_here(standing, "m", decision)
        return
    with pytest.raises(Rejected) as refused:
        require_here(standing, "m", decision)
    assert refused.value.code == "route_unavailable"
