import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpost.models.sentences import LEAST_WORDS, sentences


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", []),
        (" \n ", []),
        ("one two", ["one two"]),
        ("Here is one sentence. And here is another! OK?", ["Here is one sentence.", "And here is another! OK?"]),
        ("Hello Anna,\nhow many days off have I got?\nBest", ["Hello Anna,\nhow many days off have I got?\nBest"]),
        ('He asked "are we there yet?" And then he left', ['He asked "are we there yet?"', "And then he left"]),
        ("a b c d\n\n\ne f g h", ["a b c d", "e f g h"]),
    ],
)  # fmt: skip
def test_a_text_falls_into_its_sentences(text, parts):
    assert [text[start:end] for start, end in sentences(text)] == parts


@given(st.text(alphabet='ab .\n!?"', max_size=200))
def test_every_word_is_in_one_sentence_and_none_is_too_short(text):
    found = sentences(text)
    assert [word for start, end in found for word in text[start:end].split()] == text.split()
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(found))
    if len(found) > 1:
        assert all(len(text[start:end].split()) >= LEAST_WORDS for start, end in found)
