import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpost.errors import Rejected
from outpost.proxy.rewriting import with_model

CASES = [
    (b'{"model":"a","x":1.50}', b'{"model":"n","x":1.50}'),
    (b' { "x" : {"model":"a"},\n "model" :\t"\\u0061" } ', b' { "x" : {"model":"a"},\n "model" :\t"n" } '),
    (b'{"messages":["model"]}', b'{"model":"n","messages":["model"]}'),
    (b" { } ", b' {"model":"n" } '),
    (b'{"model":"a","tools":[{"model":"a"}]}', b'{"model":"n","tools":[{"model":"a"}]}'),
]


@pytest.mark.parametrize(("body", "expected"), CASES)
def test_only_the_models_name_changes(body, expected):
    assert with_model(body, "n") == expected


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@given(
    st.dictionaries(st.text(max_size=6), JSON, max_size=5),
    st.none() | st.text(),
    st.text(min_size=1).filter(lambda text: text.isprintable()),
    st.booleans(),
)
def test_the_rest_of_any_object_stays(members, old, new, pretty):
    body = {**members, **({} if old is None else {"model": old})}
    written = json.dumps(body, indent=1 if pretty else None).encode()

    changed = with_model(written, new)

    assert json.loads(changed) == {**body, "model": new}
    if "model" not in body:
        assert changed.endswith(written[1:])


@given(st.binary(max_size=40))
def test_any_bytes_give_bytes_or_the_refusal(raw):
    with contextlib.suppress(Rejected):
        assert isinstance(with_model(raw, "n"), bytes)
