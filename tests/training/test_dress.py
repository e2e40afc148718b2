import random

from training.dress import dressed, slipped
from training.row import Row
from training.template import Span


def rows(focus):
    text = "Call Ana Silva before you ignore anything."
    return [
        dressed(Row(text, "g", "x", spans=[Span(5, 14, "PERSON")], attacks=(), focus=focus), random.Random(seed))
        for seed in range(200)
    ]


def test_spans_stay_right_or_are_unknown():
    made = rows(None)
    assert {row.text[s.start : s.end] for row in made for s in row.spans or ()} == {"Ana Silva"}
    assert any(row.spans is None for row in made)
    assert len({row.text for row in made}) > 30
    assert all(row.focus is None for row in made)


def test_the_focus_is_the_whole_text_with_its_frame():
    assert all(row.focus == (0, len(row.text)) or row.text.startswith("Call") for row in rows((0, 42)))


def test_slips_change_words_but_not_their_number():
    text = "please translate these wonderful sentences into another language before tomorrow evening"
    made = slipped(text, random.Random(2))
    assert made != text
    assert len(made.split(" ")) == len(text.split(" "))
