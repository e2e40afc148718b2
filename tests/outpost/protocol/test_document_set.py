import contextlib

import pytest

from outpost.protocol.document_set import MODELS, DocumentSet, Parsed, parse_set, require_routes
from outpost.protocol.documents import OPTIONAL_DOCUMENTS, REQUIRED_DOCUMENTS, DocumentError, RouteTo, encode_document
from tests.outpost.protocol.samples import DOCUMENTS

CONTENTS = {f"{name}.json": encode_document(sample) for name, sample in DOCUMENTS.items()}


def test_every_document_has_a_model_and_a_place():
    assert set(MODELS) == {*REQUIRED_DOCUMENTS, *OPTIONAL_DOCUMENTS} == set(CONTENTS)
    assert {f"{name}.json" for name in DocumentSet.__slots__} == set(MODELS)


def test_a_set_reads_back():
    parsed = parse_set(CONTENTS)
    assert {name: getattr(parsed, name) for name in DocumentSet.__slots__} == DOCUMENTS


@pytest.mark.parametrize("name", OPTIONAL_DOCUMENTS)
def test_an_absent_one_says_nothing(name):
    parsed = parse_set({key: value for key, value in CONTENTS.items() if key != name})
    empty = getattr(parsed, name.removesuffix(".json"))
    assert encode_document(empty).startswith(b'{"schema_version":"1"')
    assert not any(value for field, value in empty if field != "schema_version")


@pytest.mark.parametrize("name", REQUIRED_DOCUMENTS)
def test_a_required_one_must_be_there(name):
    with pytest.raises(DocumentError, match=f"{name}: .*lacks"):
        parse_set({key: value for key, value in CONTENTS.items() if key != name})


@pytest.mark.parametrize("name", MODELS)
def test_each_is_read(name):
    with pytest.raises(DocumentError) as caught:
        parse_set(CONTENTS | {name: b"{}"})
    assert caught.value.name == name


def test_what_did_not_change_is_not_read_again():
    first = parse_set(CONTENTS)
    changed = CONTENTS | {"smoke.json": b'{"schema_version":"1"}'}
    second = parse_set(changed, Parsed(CONTENTS, first))
    assert all(getattr(second, name) is getattr(first, name) for name in DOCUMENTS if name != "smoke")
    assert second.smoke.cases == []
    without = {name: content for name, content in CONTENTS.items() if name != "smoke.json"}
    assert parse_set(without, Parsed(CONTENTS, first)).smoke.cases == []
    assert parse_set(CONTENTS, Parsed(without, parse_set(without))) == first


def test_other_targets_are_left_alone():
    assert parse_set(CONTENTS | {"model.onnx": b"\x00"}) == parse_set(CONTENTS)


def test_a_rule_routes_only_to_what_the_routing_knows():
    require_routes(DOCUMENTS["policy"], DOCUMENTS["routing"])
    bare = DOCUMENTS["routing"].model_copy(update={"providers": DOCUMENTS["routing"].providers[:1], "routes": None})
    with pytest.raises(DocumentError) as caught:
        require_routes(DOCUMENTS["policy"], bare)
    assert caught.value.problems == [
        ("packs.0.rules.3.route_to.provider", "routing.json has no provider 'in-house'"),
    ]


PLACES = [
    ({"route": "cheap"}, True),
    ({"route": "dear"}, False),
    ({"model": "fast"}, True),
    ({"model": "anything"}, True),  # somebody serves *
    ({"provider": "in-house", "model": "new"}, True),
    ({"provider": "nobody"}, False),
]


@pytest.mark.parametrize(("place", "known"), PLACES)
def test_places(place, known):
    rule = DOCUMENTS["policy"].packs[0].rules[3].model_copy(update={"route_to": RouteTo(**place)})
    pack = DOCUMENTS["policy"].packs[0].model_copy(update={"rules": [rule]})
    policy = DOCUMENTS["policy"].model_copy(update={"packs": [pack]})
    with contextlib.nullcontext() if known else pytest.raises(DocumentError):
        require_routes(policy, DOCUMENTS["routing"])


def test_a_model_that_nobody_serves():
    rule = DOCUMENTS["policy"].packs[0].rules[3].model_copy(update={"route_to": RouteTo(model="new")})
    pack = DOCUMENTS["policy"].packs[0].model_copy(update={"rules": [rule]})
    policy = DOCUMENTS["policy"].model_copy(update={"packs": [pack]})
    bare = DOCUMENTS["routing"].model_copy(update={"providers": DOCUMENTS["routing"].providers[1:], "routes": None})
    with pytest.raises(DocumentError, match="no provider or route that serves 'new'"):
        require_routes(policy, bare)
