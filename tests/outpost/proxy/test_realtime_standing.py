import json

import pytest

from outpost.errors import Rejected
from outpost.protocol.decisions import Action, Decision, Destination
from outpost.protocol.routing import RoutingDocument
from outpost.proxy.enforcement import compile_bundle
from outpost.proxy.realtime_standing import Standing, _able, require_here, required
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


def able(model, destination=None):
    return [target.provider.id for target in _able(ENFORCEMENT, model, destination)]


def test_a_connection_goes_only_to_who_serves_the_model_under_its_own_name():
    assert able("m") == ["b", "c"]
    assert able("b") == ["b"]
    assert able("unknown") == []
    assert able("m", Destination(route="r")) == ["b", "c"]


def test_the_policy_says_to_whom_of_them():
    standing = Standing(ENFORCEMENT, None, _able(ENFORCEMENT, "m"))
    assert required(standing, "m", Decision(Action.ALLOW, "p/default", "")) == standing.targets
    assert [target.provider.id for target in required(standing, "m", to(provider="b"))] == ["b"]
    with pytest.raises(Rejected):
        required(standing, "m", to(provider="a"))
    assert [standing.may_stay(provider) for provider in DOCUMENT.providers] == [False, True, True]


HERE = [
    (Decision(Action.ALLOW, "p/default", ""), True),
    (to(provider="c"), True),
    (to(route="r"), True),
    (to(provider="b"), False),
    (to(provider="c", model="another"), False),
]


@pytest.mark.parametrize(("decision", "stays"), HERE)
def test_what_the_policy_wants_elsewhere_is_refused(decision, stays):
    standing = Standing(ENFORCEMENT, None, _able(ENFORCEMENT, "m"))
    here = DOCUMENT.providers[2]
    if stays:
        require_here(standing, here, "m", decision)
        return
    with pytest.raises(Rejected) as refused:
        require_here(standing, here, "m", decision)
    assert refused.value.code == "route_unavailable"
