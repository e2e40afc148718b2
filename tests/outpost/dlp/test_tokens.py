import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpost.dlp.normalise import normalise
from outpost.dlp.tokens import Words, fold


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        ("O'Neil, Smith & Sons_Ltd.", ["O", "Neil", "Smith", "Sons", "Ltd"]),
        ("Müller-Lüdenscheidt", ["Müller", "Lüdenscheidt"]),
        ("проект Соловей", ["проект", "Соловей"]),
        ("夜鷹計画 Nightjar", ["夜", "鷹", "計", "画", "Nightjar"]),
        ("夜鷹Nightjar42号", ["夜", "鷹", "Nightjar42", "号"]),
    ],
)
def test_words(text, words):
    assert Words(text).words == words
    assert [text[start:end] for start, end in Words(text).spans] == words


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("NIGHTJAR", "nightjar"),
        ("Müller", "Mu\u0308ller"),
        ("Müller", "muller"),
        ("Straße", "STRASSE"),
        ("Ἕλλην", "ελλην"),
    ],
)
def test_what_is_written_otherwise_is_the_same_word(one, other):
    assert fold(one) == fold(normalise(other).text)


def test_phrases_end_where_the_gap_is_too_long_or_a_barrier():
    words = Words("a b - c     d\x1ee f")
    assert [words.run(at, 16) for at in range(6)] == [3, 2, 1, 1, 2, 1]
    assert words.run(0, 2) == 2
    assert words.tail() == 4
    assert Words("a b     ").tail() == 2
    assert Words("a b\x1e").tail() == 2
    assert Words("").tail() == 0


def test_only_a_word_of_a_script_that_parts_words_can_grow():
    assert Words("night").ends_open()
    assert not Words("night ").ends_open()
    assert not Words("夜鷹").ends_open()


@given(st.text(max_size=60))
def test_words_never_overlap_and_folding_twice_changes_nothing(text):
    words = Words(text)
    assert all(a[1] <= b[0] for a, b in zip(words.spans, words.spans[1:], strict=False))
    assert len(words.spans) == len(words.words)
    assert all(fold(fold(word)) == fold(word) for word in words.words)
