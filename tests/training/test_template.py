import random

import pytest

from training.template import Span, TemplateError, expand, parse


def fill(slot):
    return {"name": ("Ana Silva", "PERSON"), "n": ("7", None)}[slot]


def made(template, seed=1, nested=lambda _: None):
    return expand(parse(template), fill, random.Random(seed), nested)


def test_slots_become_text_with_exact_spans():
    text, spans = made("Call {name} at {n}, {name}.")
    assert text == "Call Ana Silva at 7, Ana Silva."
    assert spans == [Span(5, 14, "PERSON"), Span(21, 30, "PERSON")]


def test_alternatives_nest_and_may_be_empty():
    seen = {made("a[|b[c|d]]e", seed)[0] for seed in range(60)}
    assert seen == {"ae", "abce", "abde"}


def test_a_slot_may_hold_another_template_and_its_spans_count_from_the_whole():
    inner = parse("({name})")
    text, spans = made("x {part} y", nested=lambda slot: inner if slot == "part" else None)
    assert text == "x (Ana Silva) y"
    assert [text[s.start : s.end] for s in spans] == ["Ana Silva"]


def test_a_backslash_takes_the_next_character_as_it_is():
    assert made(r"\{\[x\]\}|")[0] == "{[x]}|"


@pytest.mark.parametrize("template", ["{name", "[a|b", "[a|{name]"])
def test_what_is_not_closed_is_refused(template):
    with pytest.raises(TemplateError):
        parse(template)


def test_a_preposition_before_a_date_and_an_article_stay_outside():
    values = {
        "when": ("in the 1990s", "DATE"),
        "where": ("the Rhine", "LOCATION"),
        "who": ("In the Woods", "ORG"),
        "what": ("a hernia", "CONDITION"),
    }
    text, spans = expand(parse("{when} {where} {who} {what}"), lambda slot: values[slot], random.Random(1))
    assert [text[s.start : s.end] for s in spans] == ["1990s", "Rhine", "In the Woods", "hernia"]
