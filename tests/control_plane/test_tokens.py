import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_plane.errors import TokenInvalid
from control_plane.tokens import make_token, parse_token


def test_a_token_reads_back_and_hides_its_secret():
    token = make_token("edge-1", bytes(range(32)), os.urandom)
    assert parse_token(token.text) == token
    assert repr(token.secret) not in repr(token)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text + "A",
        lambda text: text[:-1],
        lambda text: text.replace("oet1", "oet2"),
        lambda text: text.replace("edge-1", "Edge_1"),
        lambda text: text + "\n",
        lambda text: "",
    ],
)
def test_another_form_is_refused(change):
    text = make_token("edge-1", bytes(32), os.urandom).text
    with pytest.raises(TokenInvalid):
        parse_token(change(text))


def test_only_one_spelling_of_a_secret_counts():
    text = make_token("edge-1", bytes(32), bytes).text
    head, _, tail = text.rpartition(".")
    with pytest.raises(TokenInvalid):
        parse_token(f"{head}.{tail[:-1]}B")  # differs only in bits that base64 leaves unused


@given(st.text() | st.from_regex(r"oet1\.[a-z0-9-]{1,70}\.[\w-]{40,45}\.[\w-]{43}", fullmatch=True))
def test_any_text_gives_a_token_or_the_typed_error(text):
    try:
        token = parse_token(text)
    except TokenInvalid:
        return
    assert token.text == text
