import contextlib
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpost.errors import Rejected
from outpost.protocol.codes import ErrorCode
from outpost.protocol.json_tokens import TOKEN
from outpost.proxy.json_document import MAX_DEPTH, MAX_EMBEDDED, JsonDocument, parse_json, replace_texts, walk

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
SCALARS = st.none() | st.booleans() | st.integers(-(10**18), 10**18) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    SCALARS | TEXT, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4), max_leaves=12
)
# JSON inside strings, as tool arguments are; sometimes with white space before it, sometimes escaped to ASCII.
EMBEDDED = st.builds(
    lambda value, space, ascii_only: space + json.dumps(value, ensure_ascii=ascii_only),
    st.lists(VALUES, max_size=3) | st.dictionaries(TEXT, VALUES, max_size=3),
    st.sampled_from(["", " ", "\n\t"]),
    st.booleans(),
)
DOCUMENTS = st.dictionaries(TEXT, VALUES | EMBEDDED | st.lists(EMBEDDED, max_size=2), max_size=4)
DUMPS = st.builds(
    lambda value, ascii_only, indent: json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode(),
    DOCUMENTS,
    st.booleans(),
    st.sampled_from([None, 0, 2]),
)


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes_give_a_document_or_a_refusal(raw):
    with contextlib.suppress(Rejected):
        assert parse_json(raw).raw == raw


@given(DUMPS)
def test_every_token_of_the_bytes_is_one_leaf(raw):
    leaves = walk(parse_json(raw), embedded=False)

    assert [leaf.ordinal for leaf in leaves] == list(range(len(leaves)))
    assert len(TOKEN.findall(raw)) == len(leaves)


@given(DUMPS)
def test_nothing_replaced_changes_nothing(raw):
    assert replace_texts(raw, {}) == raw


@given(DUMPS, st.data())
def test_exactly_the_replaced_leaves_change(raw, data):
    leaves = walk(parse_json(raw))
    chosen = data.draw(st.lists(st.sampled_from(leaves), unique=True, max_size=4)) if leaves else []
    new = {(leaf.ordinal, *leaf.inner): f'new "{number}" \n' for number, leaf in enumerate(chosen)}

    after = walk(JsonDocument(b"", _value(replace_texts(raw, new))))

    wanted = [new.get((leaf.ordinal, *leaf.inner), leaf.text) for leaf in leaves]
    assert [leaf.text for leaf in after] == wanted
    assert [(leaf.ordinal, leaf.inner) for leaf in after] == [(leaf.ordinal, leaf.inner) for leaf in leaves]


def _value(raw: bytes):
    # Two names can become equal; the test's names are unique, but a document may hold such a name already.
    return parse_json(raw).value


@given(DUMPS, st.data())
def test_bytes_around_a_replacement_stay(raw, data):
    leaves = [leaf for leaf in walk(parse_json(raw), embedded=False) if not leaf.is_number]
    if not leaves:
        return
    leaf = data.draw(st.sampled_from(leaves))

    tokens = list(TOKEN.finditer(raw))
    start, end = tokens[leaf.ordinal].span()
    assert replace_texts(raw, {(leaf.ordinal,): "x"}) == raw[:start] + b'"x"' + raw[end:]


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b'{"a":1,"a":2}', "duplicate name"),
        (b'{"a":1,"\\u0061":2}', "duplicate name"),
        (b'{"x":[{"a":1,"a":1}]}', "duplicate name"),
        (b'"\\ud800"', "surrogate"),
        (b'{"\\udc00":1}', "surrogate"),
        (b"[NaN]", "NaN"),
        (b"[-Infinity]", "NaN"),
        (b"\xff", "UTF-8"),
        (b'"\xed\xa0\x80"', "UTF-8"),
        (b'\xef\xbb\xbf{"a":1}', "not valid JSON"),
        (b'"a\nb"', "not valid JSON"),
        (b'{"a":1} {"b":2}', "not valid JSON"),
        (b"", "not valid JSON"),
        (b"[1,]", "not valid JSON"),
        (b"[01]", "not valid JSON"),
        (b"/**/{}", "not valid JSON"),
        (b"{'a':1}", "not valid JSON"),
        (b"[" * (MAX_DEPTH + 2) + b"]" * (MAX_DEPTH + 2), "nested deeper"),
        (b"[" * 1_000_000, "nested deeper"),
        (b'{"a":' * 500_000, "nested deeper"),
        (b"[" + b"9" * 5_000 + b"]", "too many digits"),
    ],
)
def test_what_two_readers_could_read_differently_is_refused(raw, said):
    with pytest.raises(Rejected, match=re.escape(said)) as refused:
        parse_json(raw)

    assert refused.value.code is ErrorCode.INVALID_REQUEST


def test_the_message_says_where_and_not_what():
    with pytest.raises(Rejected) as refused:
        parse_json(b'{"card": 4111111111111111, secret}')

    assert "4111" not in refused.value.message
    assert "secret" not in refused.value.message
    assert "column 28" in refused.value.message


def test_nesting_up_to_the_limit_is_accepted():
    assert parse_json(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH).value


@pytest.mark.parametrize("space", ["", " ", "\n", "\t\r\n "])
def test_escapes_inside_embedded_json_hide_nothing(space):
    inner = space + '{"card":"\\u0034111"}'
    leaves = walk(parse_json(json.dumps({"arguments": inner}).encode()))

    assert "4111" in [leaf.text for leaf in leaves]


def test_embedded_documents_are_read_to_a_fixed_depth():
    text = '"deep"'
    for _ in range(MAX_EMBEDDED + 2):
        text = json.dumps([text])
    leaves = walk(parse_json(text.encode()))

    assert len(leaves) == 1
    assert len(leaves[0].inner) == MAX_EMBEDDED


def test_what_only_looks_like_json_is_text():
    (_, leaf) = walk(parse_json(b'{"a":"[1, see below"}'))

    assert leaf.text == "[1, see below"


@pytest.mark.parametrize(
    ("number", "text"),
    [
        ("4111111111111111", "4111111111111111"),
        ("4111111111111111.0", "4111111111111111"),
        ("4111111111111111.00e0", "4111111111111111"),
        ("4.111111111111111e15", "4111111111111111"),
        ("4.111111111111111E+15", "4111111111111111"),
        ("0.7", "0.7"),
        ("-1.0", "-1"),
        ("1e400", "1e400"),
        ("1e999999999999999999999", "1e999999999999999999999"),
        ("1.5e-7", "1.5e-7"),
    ],
)
def test_a_whole_number_is_read_as_its_digits(number, text):
    (leaf,) = walk(parse_json(f"[{number}]".encode()))

    assert leaf.is_number
    assert leaf.text == text


def test_a_replaced_number_becomes_a_string():
    assert replace_texts(b'{"n": 1.50 }', {(1,): "x"}) == b'{"n": "x" }'


def test_a_long_string_full_of_escapes_is_found_in_bounded_memory():
    raw = b'["' + b'\\"' * 2_000_000 + b'",1]'

    assert len(TOKEN.findall(raw)) == 2
