import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpost.protocol.ids import is_id


@pytest.mark.parametrize("text", ["a", "0", "edge-1", "a-b-c", "x" * 63])
def test_ids(text):
    assert is_id(text)


@pytest.mark.parametrize(
    "text", ["", "-a", "a-", "A", "a_b", "a.b", "a/b", "..", "a b", "a\n", "\na", "ä", "x" * 64, "a\x00", "٣"]
)
def test_not_ids(text):
    assert not is_id(text)


@given(st.text(max_size=70))
def test_an_id_needs_no_escaping_anywhere(text):
    if is_id(text):
        assert set(text) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
        assert 1 <= len(text) <= 63
