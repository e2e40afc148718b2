import random

import pytest

from training.encode import CLS, IGNORED, MASK, MAX_TOKENS, SEP, WORDS, blanked, checks, encode, tags, window
from training.row import ATTACKS, TAGS, Row
from training.template import Span

TEXT = "Ana Silva, born 1990, in Rio"
OFFSETS = [(0, 3), (4, 6), (6, 9), (9, 10), (11, 15), (16, 20), (20, 21), (22, 24), (25, 28)]


def named(numbers):
    return [TAGS[number] if number != IGNORED else "?" for number in numbers]


def test_the_first_token_of_a_span_begins_it_and_the_others_continue():
    spans = [Span(0, 9, "PERSON"), Span(16, 20, "DOB"), Span(25, 28, "LOCATION")]
    assert named(tags(OFFSETS, spans)) == [
        "B-PERSON",
        "I-PERSON",
        "I-PERSON",
        "O",
        "O",
        "B-DOB",
        "O",
        "O",
        "B-LOCATION",
    ]


def test_two_spans_beside_each_other_are_two():
    spans = [Span(0, 3, "PERSON"), Span(4, 9, "PERSON")]
    assert named(tags(OFFSETS, spans))[:3] == ["B-PERSON", "B-PERSON", "I-PERSON"]


def test_a_span_of_an_unknown_type_counts_for_no_loss():
    assert named(tags(OFFSETS, [Span(25, 28, "?")]))[-1] == "?"


def test_numbers_for_the_context_check_are_no_entities():
    spans = [Span(16, 20, "-"), Span(0, 3, "+"), Span(25, 28, "ID")]
    assert named(tags(OFFSETS, spans))[5] == "O"
    assert checks(OFFSETS, spans) == [1, *[IGNORED] * 4, 0, IGNORED, IGNORED, 1]


def test_a_token_that_covers_nothing_has_no_tag_of_a_span():
    assert named(tags([(0, 0), (0, 3)], [Span(0, 3, "PERSON")])) == ["O", "B-PERSON"]


@pytest.mark.parametrize("focus", [None, (0, 30), (2_000, 2_100), (4_980, 5_000)])
def test_a_window_of_a_long_text_is_full_and_holds_the_beginning_of_the_attack(focus):
    offsets = [(at * 5, at * 5 + 4) for at in range(1_000)]
    for seed in range(40):
        first, last = window(offsets, focus, random.Random(seed))
        assert last - first == MAX_TOKENS - 2
        assert 0 <= first < last <= len(offsets)
        if focus is not None:
            at = next(i for i, (_, end) in enumerate(offsets) if end > focus[0])
            assert first <= at < last


def test_a_row_becomes_a_window_with_special_tokens_and_targets():
    row = Row(TEXT, "g", "x", spans=[Span(0, 9, "PERSON")], attacks=(3,))
    item = encode(row, list(range(len(OFFSETS))), OFFSETS, random.Random(1))
    assert item.ids == [CLS, *range(len(OFFSETS)), SEP]
    assert len(item.tags) == len(item.checks) == len(item.shapes) == len(item.ids)
    assert (item.tags[0], item.tags[-1]) == (IGNORED, IGNORED)
    assert item.attacks == [float(name in ("attack", "jailbreak")) for name in ATTACKS]


def test_what_nobody_said_is_ignored():
    item = encode(Row(TEXT, "g", "x"), list(range(len(OFFSETS))), OFFSETS, random.Random(1))
    assert set(item.tags) == {IGNORED} == {item.intent, item.language}
    assert set(item.attacks) == {-1.0}


def test_a_harmless_row_is_no_attack_of_any_kind():
    item = encode(Row(TEXT, "g", "x", attacks=()), list(range(len(OFFSETS))), OFFSETS, random.Random(1))
    assert set(item.attacks) == {0.0}


def test_some_words_of_most_windows_are_taken_away_and_nothing_else_changes():
    row = Row("word " * 100, "", "", attacks=())
    changed = 0
    for seed in range(200):
        rng = random.Random(seed)
        before = encode(row, [2_000] * 100, [(5 * i, 5 * i + 4) for i in range(100)], rng)
        after = encode(row, [2_000] * 100, [(5 * i, 5 * i + 4) for i in range(100)], rng)
        blanked(after, rng)
        assert (after.ids[0], after.ids[-1], len(after.ids)) == (CLS, SEP, len(before.ids))
        assert all(i in (2_000, MASK) or i in WORDS for i in after.ids[1:-1])
        assert (after.tags, after.shapes, after.attacks) == (before.tags, before.shapes, before.attacks)
        changed += after.ids != before.ids
    assert 90 <= changed <= 150  # of 200; 0.6 of them are chosen


def test_tokens_of_a_placed_attack_are_marked_and_nothing_else_is():
    row = Row(TEXT, "g", "x", attacks=(1,), focus=(4, 9))
    made = encode(row, list(range(len(OFFSETS))), OFFSETS, random.Random(1))
    assert made.focus == [0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0]
    for other in (Row(TEXT, "g", "x", attacks=(1,)), Row(TEXT, "g", "x", attacks=(), focus=(4, 9))):
        assert not any(encode(other, list(range(len(OFFSETS))), OFFSETS, random.Random(1)).focus)
