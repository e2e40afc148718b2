import random

from hypothesis import given
from hypothesis import strategies as st

from training.row import Row
from training.swap import swapped, untokenised
from training.template import Span

TEXT = "ada met BYRON of Acme in Porto , did n't she ?"
SPANS = [Span(0, 3, "PERSON"), Span(8, 13, "PERSON"), Span(17, 21, "ORG"), Span(25, 30, "LOCATION"), Span(37, 40, "?")]
ROW = Row(TEXT, "g", "btc", spans=SPANS)


def values(slot):
    return f"the {slot.title()} X", "ANY"


@given(st.integers(0, 5_000))
def test_names_change_and_the_words_between_them_stay(seed):
    row = swapped(ROW, values, random.Random(seed), share=1.0)
    assert [span.label for span in row.spans] == [span.label for span in SPANS]
    found = [row.text[span.start : span.end] for span in row.spans]
    assert found[0] in ("first x", "last x")
    assert found[1] in ("FIRST X", "LAST X")
    assert found[2] == "Org X"
    assert found[4] == "n't"
    assert " met " in row.text
    assert row.text.endswith(" , did n't she ?")


def test_a_share_of_none_changes_nothing():
    assert swapped(ROW, values, random.Random(1), share=0.0) == ROW


def test_blanks_of_the_tokeniser_go_and_spans_follow():
    row = untokenised(ROW)
    assert row.text == "ada met BYRON of Acme in Porto, didn't she?"
    assert [row.text[s.start : s.end] for s in row.spans] == ["ada", "BYRON", "Acme", "Porto", "n't"]
