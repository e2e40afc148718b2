import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpost.protocol.json_tokens import Place, Places

TEXT = b"""{
  "packs": [
    {"id": "p", "rules": [{"when": {}, "n": 1.5e3}, true]},
\t{"id": "\xc3\xa4", "x": null, "id": "twice"}
  ]
}"""

PLACES = [
    (("packs",), Place(2, 3)),
    (("packs", 0, "id"), Place(3, 6)),
    (("packs", 0), Place(3, 6)),
    (("packs", 0, "rules", 0, "n"), Place(3, 40)),
    (("packs", 0, "rules", 0, "when", "findings"), Place(3, 28)),
    (("packs", 0, "rules", 1), Place(3, 17)),
    (("packs", 1, "x"), Place(4, 14)),
    (("packs", 9), Place(2, 3)),
    (("other",), Place(1, 1)),
    ((), Place(1, 1)),
]


@pytest.mark.parametrize(("path", "place"), PLACES)
def test_where_a_value_stands(path, place):
    assert Places(TEXT).of(path) == place


def test_names_that_stand_twice():
    assert Places(TEXT).twice == [(("packs", 1, "id"), Place(4, 25))]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
)


@given(JSON, st.integers(0, 2))
def test_every_value_is_where_it_is_said_to_be(value, indent):
    raw = json.dumps(value, indent=indent or None, ensure_ascii=indent == 1).encode()
    places = Places(raw)
    lines = raw.decode().split("\n")
    for path in _paths(value):
        place = places.of(path)
        rest = "\n".join([lines[place.line - 1][place.column - 1 :], *lines[place.line :]])
        found, _ = json.JSONDecoder().raw_decode(rest)
        assert found == (path[-1] if isinstance(path[-1], str) else _at(value, path))


def _paths(value, path=()):
    """Paths of members, and of strings and numbers in lists."""
    if isinstance(value, dict):
        for name, member in value.items():
            yield (*path, name)
            yield from _paths(member, (*path, name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            if isinstance(item, str | int | float) and not isinstance(item, bool):
                yield (*path, index)
            yield from _paths(item, (*path, index))


def _at(value, path):
    for step in path:
        value = value[step]
    return value


@given(st.binary(max_size=50))
def test_any_bytes_give_places_or_a_value_error(raw):
    try:
        places = Places(raw)
    except ValueError:
        return
    assert places.of(()) == Place(1, 1)
