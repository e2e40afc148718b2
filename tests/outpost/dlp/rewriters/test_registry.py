"""Every disguise of every value is seen through, where it stands, and nothing harmless is taken for a value."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outpost.dlp.engine import Engine, default_engine
from outpost.dlp.linear import of_bytes
from outpost.dlp.one_byte import one_byte_each
from outpost.dlp.registry import ALL
from outpost.dlp.rewriters.registry import REWRITERS
from tests.outpost.dlp import disguises, samples
from tests.outpost.dlp.values import MAKERS

ENGINE = default_engine()
PLAIN = Engine(ALL, ())
FITTING = [
    (name, way, kinds)
    for table, kinds in (
        (disguises.GENERAL, tuple(MAKERS)),
        (disguises.SPREAD, ("card", "amex", "iban")),
        (disguises.SPELLED, ("card", "amex", "ssn")),
        (disguises.ADDRESS, ("email",)),
        (disguises.LETTERS, ("iban", "email", "github", "aws", "anthropic")),
        (disguises.WRAPPED, ("github", "aws", "anthropic")),
    )
    for name, way in table.items()
]


@pytest.mark.parametrize(("name", "way", "kinds"), FITTING, ids=[name for name, _, _ in FITTING])
def test_a_disguised_value_is_found_where_it_stands(name, way, kinds):
    rng = random.Random(name)
    caught = total = 0
    for kind_name in kinds:
        make, kind = MAKERS[kind_name]
        for _ in range(4):
            written = way(make(rng), rng)
            text = f"Please check {written} for me."
            at = text.index(written)
            total += 1
            caught += any(f.kind == kind and at <= f.start < f.end <= at + len(written) for f in ENGINE.scan(text))
    assert caught >= 0.9 * total  # a plus sign alone between quotes reads as an operator


@pytest.mark.parametrize(
    "text",
    [
        ("integrity sha512-9fGq3JvT0bWlUkzqI4k1y7n9pZc2h5aQeXoRrYtVuMsLdKjHgFwEiPaSxCvBnM0AbCdEfGhIjKlMnOpQrStUvW=="),
        "commit da39a3ee5e6b4b0d3255bfef95601890afd80709",
        "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
        "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
        "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16",
        "2019\n2020\n2021\n2022\n2023",
        "P 3900 3100\nF 0 H 3900 2850 50  0001 C CNN",
        "at this point in the story, meet me at noon",
        "look at example.com or write to us at the office",
        "one two three four five six seven eight nine ten",
        "trove-classifiers==2026.9.21.13",
        "Update 29/07/2004 5:46:41 PM",
        "в2024 году",
        "x = [0x12, 0x90, 0xfe, 0x00, 0x11, 0x22, 0x33, 0x44]",
        "https://example.com/a%20b%2Fc?d=%7B%22e%22%3A1%7D",
        "printf(\"%d\\n\" \"%s\\n\", 'a' + 'b')",
    ],
)
def test_harmless_text_stays_harmless(text):
    assert ENGINE.scan(text) == PLAIN.scan(text) == []


noise = st.lists(
    st.one_of(
        st.sampled_from(disguises.disguised(samples.PERSONAL + samples.ALL_SECRETS, 9)),
        st.text(alphabet="0123456789abcXYZ%\\&#;x=u'\"+ .\n-_@{}", max_size=30),
        st.text(max_size=8, alphabet=st.characters(exclude_categories=["Cs"])),
    ),
    max_size=5,
).map("".join)


@settings(max_examples=200, deadline=None)
@given(noise, st.integers(0, 40))
def test_tokens_are_in_order_within_bounds_and_only_where_the_trigger_is(text, begin):
    raw = one_byte_each(text)
    begin = min(begin, len(text))
    for rewriter in REWRITERS:
        tokens = rewriter.tokens(text, raw, begin, len(text))
        places = [place for token in tokens for place in (token.start, token.end)]
        assert places == sorted(places)
        assert not places or (begin <= places[0] and places[-1] <= len(text))
        assert not tokens or of_bytes(rewriter.trigger).occurs(raw)


@settings(max_examples=200, deadline=None)
@given(noise)
def test_findings_of_any_noise_lie_in_it(text):
    assert all(0 <= f.start < f.end <= len(text) for f in ENGINE.scan(text))
