import pytest

from training.conventions import named, unmarked, whole
from training.template import Span


def brought(text, start, end, label):
    return [(text[s.start : s.end], s.label) for s in named(text, start, end, label)]


@pytest.mark.parametrize(
    ("text", "label", "wanted"),
    [
        ("Dr. Ada Byron", "PERSON", [("Dr.", "TITLE"), ("Ada Byron", "PERSON")]),
        ("the Rhine", "LOCATION", [("Rhine", "LOCATION")]),
        ("Porto, Portugal", "LOCATION", [("Porto", "LOCATION"), ("Portugal", "LOCATION")]),
        ("Acme Works, a maker of anvils", "ORG", [("Acme Works", "ORG"), ("a maker of anvils", "?")]),
        ("Ada's", "PERSON", [("Ada", "PERSON")]),
        ('"Ada"', "PERSON", [("Ada", "PERSON")]),
        ("Mali (West Africa)", "LOCATION", [("Mali", "LOCATION"), ("West Africa", "LOCATION")]),
        (", ", "ORG", []),
    ],
)
def test_what_others_marked_is_brought_to_the_convention(text, label, wanted):
    assert brought(text, 0, len(text), label) == wanted


def test_what_their_annotators_had_no_type_for_is_left_free():
    text = "@ada met a Kenyan in Porto in May 2021, Mr. Byron said"
    spans = unmarked(text, [Span(21, 26, "LOCATION")])
    free = [text[s.start : s.end] for s in spans if s.label == "?"]
    assert free == ["@ada", "Kenyan", "May", "2021,", "Mr."]
    assert Span(21, 26, "LOCATION") in spans


def test_parts_of_one_name_or_address_are_one_span():
    text = "Ada Byron, 1 Main St, Porto; Lima"
    spans = [Span(0, 3, "PERSON"), Span(4, 9, "PERSON"), Span(11, 20, "ADDRESS"), Span(22, 27, "LOCATION")]
    assert whole(text, [*spans, Span(29, 33, "LOCATION")]) == [
        Span(0, 9, "PERSON"),
        Span(11, 27, "ADDRESS"),
        Span(29, 33, "LOCATION"),
    ]
