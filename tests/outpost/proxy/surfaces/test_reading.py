import json

import pytest

from outpost.errors import Rejected
from outpost.proxy.json_document import Leaf, parse_json
from outpost.proxy.surfaces.reading import Layout, is_count, is_index, nothing, read_model, segments, tokens


def test_units_are_segments_of_their_own_and_parts_are_read_across_their_seams():
    body = {
        "system": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
        "messages": [{"role": "user", "content": "c"}, "d"],
        "user": "e",
    }
    made = segments(
        parse_json(json.dumps(body).encode()),
        Layout(items=frozenset({"messages"}), whole=frozenset({"system"})),
        nothing,
    )

    assert [(one.name, one.text.split("\n\x1e\n"), one.seams_only) for one in made] == [
        ("system", ["a", "b"], False),
        ("messages[0]", ["c"], False),
        ("messages[1]", ["d"], False),
        ("system.content", ["ab"], True),
        ("body", ["e"], False),
    ]


def test_only_numbers_and_their_names_are_counts():
    assert is_count(Leaf(0, ("usage", "n"), "4", is_number=True), {"usage"})
    assert is_count(Leaf(0, ("usage", "prompt_tokens"), "prompt_tokens", is_name=True), {"usage"})
    assert not is_count(Leaf(0, ("usage", "Erika M"), "Erika M", is_name=True), {"usage"})
    assert not is_count(Leaf(0, ("usage", "tier"), "standard"), {"usage"})
    assert not is_count(Leaf(0, ("other", "n"), "4", is_number=True), {"usage"})


def test_small_numbers_are_indices_and_others_are_not():
    assert is_index(0)
    assert not any(is_index(value) for value in (True, -1, 10_000, "1", None))
    assert tokens(7) == 7
    assert [tokens(value) for value in (True, -1, 2**60, "7", None)] == [None] * 5


def test_a_model_is_named_unless_the_api_has_a_default():
    assert read_model({}, "d") == "d"
    assert read_model({"model": "m"}, "d") == "m"
    for body in ({}, {"model": ""}, {"model": 1}, {"model": "x" * 257}):
        with pytest.raises(Rejected, match="'model'"):
            read_model(body)
