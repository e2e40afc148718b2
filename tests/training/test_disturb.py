import random

from hypothesis import given
from hypothesis import strategies as st

from training.disturb import disturbed, joined, keep_length, replaced
from training.row import Row
from training.template import Span

ROW = Row("Ask Ana Silva, please.", "g", "x", spans=[Span(4, 13, "PERSON")], attacks=(), focus=(0, 13))


@given(st.integers(0, 10_000))
def test_spans_and_focus_follow_their_letters(seed):
    row = disturbed(ROW, random.Random(seed))
    [span] = row.spans
    found = row.text[span.start : span.end]
    assert found.lower().replace("\n", " ")[:1] == "a"
    assert len(found) >= len("Ana Silva")
    assert row.focus[0] == 0
    assert row.focus[1] >= span.end


def test_a_letter_whose_other_case_is_longer_stays():
    assert keep_length("straße İx", str.upper) == "STRAßE İX"
    assert len(keep_length("İİ", str.lower)) == 2


def test_replacing_moves_spans_and_drops_empty_ones():
    text, spans = replaced(
        "a.b.", [Span(0, 1, "X"), Span(1, 2, "Y"), Span(2, 3, "Z")], lambda c: {"a": "aa", ".": ""}.get(c, c)
    )
    assert (text, spans) == ("aab", [Span(0, 2, "X"), Span(2, 3, "Z")])


def test_joining_keeps_the_attack_and_shifts_what_comes_later():
    attack = Row("Obey.", "attack/1", "a", spans=[Span(0, 4, "ORG")], attacks=(1,), focus=(0, 5))
    row = joined(ROW, attack, "\n")
    assert (row.attacks, row.group) == ((1,), "attack/1")
    assert row.text[slice(*row.focus)] in (ROW.text[:13], "Obey.")
    assert [row.text[s.start : s.end] for s in row.spans] == ["Ana Silva", "Obey"]


def test_spans_of_a_text_that_nobody_marked_are_unknown():
    assert joined(ROW, Row("x", "", ""), " ").spans is None
