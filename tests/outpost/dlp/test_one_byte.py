from hypothesis import given
from hypothesis import strategies as st

from outpost.dlp.linear import of_bytes
from outpost.dlp.one_byte import one_byte_each


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_there_is_one_byte_for_each_code_point_and_ascii_is_itself(text):
    raw = one_byte_each(text)
    assert len(raw) == len(text)
    assert all(chr(byte) == sign for byte, sign in zip(raw, text, strict=True) if sign.isascii())


def test_what_looks_like_a_letter_is_read_as_one():
    assert one_byte_each("\uab75\ua4d0\u5361") == b"\xff\xff\x80"  # Cherokee, Lisu, Chinese


def test_patterns_are_of_bytes():
    assert of_bytes(r"[\xe0-\xff]+").first(one_byte_each("aé€ж")) == [(1, 2)]
