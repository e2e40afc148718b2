import re2
from hypothesis import given
from hypothesis import strategies as st

from outpost.dlp.linear import Pattern, _bare, _wrapped, of_bytes
from outpost.dlp.one_byte import options

PATTERNS = (rb"\b[0-9]{3}\b", rb"a*", rb"(a)|(b+)", rb"(?:x(\xe9)?)+\z", rb"^a", rb"")


@given(
    raw=st.text(alphabet="0123 abx\xe9\n", max_size=30).map(lambda text: text.encode("latin-1")),
    pattern=st.sampled_from(PATTERNS),
    bounds=st.tuples(st.integers(0, 31), st.integers(0, 31)),
)
def test_the_spans_are_those_of_the_library(raw, pattern, bounds):
    begin, end = (min(bound, len(raw)) for bound in bounds)
    compiled = re2.compile(pattern, options())
    expected = [
        [match.span(group) for group in range(compiled.groups + 1)] for match in compiled.finditer(raw, begin, end)
    ]
    for way in (_bare, _wrapped):
        ours = Pattern(pattern)
        ours._search = way(compiled)
        assert list(ours.each(raw, begin, end)) == (expected if begin <= end else [])
        if begin <= end:
            assert ours.first(raw, begin, end) == (expected[0] if expected else None)


def test_what_the_library_wraps_is_where_it_is_looked_for():
    assert _bare(re2.compile(b"a")) is not None
    assert _bare(object()) is None


def test_text_patterns_read_utf_8():
    assert Pattern("(?i)stra\xdfe").occurs("STRA\u1e9eE Stra\xdfe".encode())
    assert not of_bytes("b").occurs(b"a")
