from hypothesis import given
from hypothesis import strategies as st

from outpost.protocol.findings import Finding
from outpost.proxy.spans import Span, label, replace_spans

TEXT = "0123456789"
SPANS = st.lists(
    st.tuples(st.integers(0, 10), st.integers(0, 10), st.sampled_from(["", "<A>", "<B>"])).map(
        lambda drawn: Span(min(drawn[:2]), max(drawn[:2]), drawn[2])
    ),
    max_size=6,
)


@given(SPANS)
def test_no_covered_character_stays_and_every_other_does(spans):
    covered = {position for span in spans for position in range(span.start, span.end)}

    result = replace_spans(TEXT, spans)

    assert [char for char in result if char.isdigit()] == [
        char for position, char in enumerate(TEXT) if position not in covered
    ]


@given(SPANS)
def test_each_covered_stretch_gets_at_least_one_label(spans):
    spans = [Span(span.start, span.end, "<A>") for span in spans if span.start < span.end]
    covered = "".join(
        "x" if any(span.start <= position < span.end for span in spans) else " " for position in range(10)
    )

    assert replace_spans(TEXT, spans).count("<A>") >= len(covered.split())


def test_the_first_of_overlapping_spans_gives_the_label():
    assert replace_spans(TEXT, [Span(4, 8, "<B>"), Span(2, 6, "<A>")]) == "01<A>89"
    assert replace_spans(TEXT, [Span(2, 8, "<A>"), Span(3, 4, "<B>")]) == "01<A>89"


def test_touching_spans_keep_a_label_each():
    assert replace_spans(TEXT, [Span(2, 4, "<A>"), Span(4, 6, "<B>")]) == "01<A><B>6789"


def test_a_label_names_the_kind_alone():
    assert label(Finding("pci.pan", 0, 16, 0.9, "card/luhn")) == "[REDACTED:pci.pan]"
