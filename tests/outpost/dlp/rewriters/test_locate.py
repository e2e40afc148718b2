import re

from hypothesis import given
from hypothesis import strategies as st

from outpost.dlp.linear import of_bytes
from outpost.dlp.one_byte import one_byte_each
from outpost.dlp.rewriters.locate import matches

PATTERN = re.compile("a[0-9]{1,8}b|x+|(?:%[0-9]{2})+")
LOCATOR = of_bytes("a[0-9]|x|%[0-9]")


@given(
    st.lists(
        st.sampled_from(["a1b", "x", "xx" * 400, "%12" * 300, "%34%5", "a12345678b", "a", "  ", "z" * 700, "b" * 765]),
        max_size=12,
    ).map("".join)
)
def test_the_matches_are_those_of_a_plain_search(text):
    found = [match.span() for match in matches(LOCATOR, PATTERN, text, one_byte_each(text), (0, len(text)))]
    assert found == [match.span() for match in PATTERN.finditer(text)]


def test_only_what_lies_between_the_bounds_counts():
    found = [m.span() for m in matches(LOCATOR, PATTERN, "a1b a2b a3b", b"a1b a2b a3b", (3, 8))]
    assert found == [(4, 7)]
