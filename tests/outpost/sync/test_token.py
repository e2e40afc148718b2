import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_plane.tokens import make_token
from outpost.errors import Rejected
from outpost.protocol.codes import ErrorCode
from outpost.sync.token import parse_token

ANCHOR = bytes(range(32))
TOKEN = make_token("edge-1", ANCHOR, os.urandom).text


def test_a_token_of_the_control_plane_is_read_and_white_space_forgiven():
    token = parse_token(f"  {TOKEN}\n")
    assert (token.text, token.outpost_id, token.anchor_sha256) == (TOKEN, "edge-1", ANCHOR)


def test_neither_repr_nor_error_shows_the_secret():
    secret = TOKEN.split(".")[2]
    assert secret not in repr(parse_token(TOKEN))
    with pytest.raises(Rejected) as refused:
        parse_token(TOKEN + "x")
    assert refused.value.code is ErrorCode.TOKEN_INVALID
    assert secret not in str(refused.value)


@given(st.one_of(st.text(), st.integers(0, len(TOKEN)).map(lambda n: TOKEN[:n] + "é" + TOKEN[n:])))
def test_any_text_gives_a_token_or_the_typed_error(text):
    try:
        token = parse_token(text)
    except Rejected as err:
        assert err.code is ErrorCode.TOKEN_INVALID  # noqa: PT017 - both outcomes are right, the type is the point
    else:
        assert len(token.anchor_sha256) == 32
