import re
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outpost.models.decode import Labels, find_spans, seams
from outpost.protocol.model_card import Head, HeadKind

BIO = ["O", "B-PERSON", "I-PERSON", "B-ORG", "I-ORG"]
PLAIN = ["PERSON", "O"]


def labels_of(names):
    parts = {name.removeprefix("B-").removeprefix("I-") for name in names} - {"O"}
    return Labels(
        Head(
            name="h",
            output="h",
            kind=HeadKind.TOKEN_CLASSIFICATION,
            labels=names,
            kinds=dict.fromkeys(parts),
        )
    )


def decoded(text, rows, *, names=BIO, thresholds=None):
    """Spans in ``text``, whose tokens are words and marks; ``rows`` give each a label, or (label, probability)."""
    offsets = [match.span() for match in re.finditer(r"\w+?(?=#|\b)|[^\w\s#]", text)]
    assert len(offsets) == len(rows)
    table = np.zeros((len(rows), len(names)), np.float32)
    for row, wanted in enumerate(rows):
        label, probability = wanted if isinstance(wanted, tuple) else (wanted, 1.0)
        table[row, names.index(label)] = probability
        table[row, names.index("O")] += 1 - probability
    spans = find_spans(text, offsets, table, labels_of(names), (thresholds or {"PERSON": 0.5, "ORG": 0.5}).get)
    return [(span.name, text[span.start : span.end]) for span in spans]


@pytest.mark.parametrize(
    ("text", "rows", "spans"),
    [
        ("Ana Silva is in", ["B-PERSON", "I-PERSON", "O", "O"], [("PERSON", "Ana Silva")]),
        ("Ana Bob", ["B-PERSON", "B-PERSON"], [("PERSON", "Ana"), ("PERSON", "Bob")]),
        ("Ana Acme", ["B-PERSON", "I-ORG"], [("PERSON", "Ana"), ("ORG", "Acme")]),
        ("so Silva", ["O", "I-PERSON"], [("PERSON", "Silva")]),
        ("Smith & Sons", ["B-ORG", "O", "I-ORG"], [("ORG", "Smith & Sons")]),
        ("Ana, Bob", ["B-PERSON", "O", "B-PERSON"], [("PERSON", "Ana"), ("PERSON", "Bob")]),
        ("Ana ; Silva", ["B-PERSON", "O", "I-PERSON"], [("PERSON", "Ana ; Silva")]),
        ("Ana and Silva", ["B-PERSON", "O", "I-PERSON"], [("PERSON", "Ana"), ("PERSON", "Silva")]),
        ("Ana .\nSilva", ["B-PERSON", "O", "I-PERSON"], [("PERSON", "Ana"), ("PERSON", "Silva")]),
        ("Ana\nSilva", ["B-PERSON", "I-PERSON"], [("PERSON", "Ana\nSilva")]),
        ("Ana\n\nSilva", ["B-PERSON", "I-PERSON"], [("PERSON", "Ana"), ("PERSON", "Silva")]),
        (", Ana ,", ["B-PERSON", "I-PERSON", "I-PERSON"], [("PERSON", "Ana")]),
        (", ;", ["B-PERSON", "I-PERSON"], []),
        ("Ana", [("B-PERSON", 0.49)], []),
        ('"Ana"', ["B-PERSON", "I-PERSON", "I-PERSON"], [("PERSON", "Ana")]),
        ("Ana)", ["B-PERSON", "I-PERSON"], [("PERSON", "Ana")]),
        ("Acme (UK) x", ["B-ORG", "I-ORG", "I-ORG", "O", "O"], [("ORG", "Acme (UK)")]),
        ("(Acme) x", ["O", "B-ORG", "O", "O"], [("ORG", "Acme")]),
    ],
)
def test_words_become_spans(text, rows, spans):
    assert decoded(text, rows) == spans


def test_a_word_of_several_tokens_has_their_mean_and_is_never_cut():
    text, offsets = "Silvana x", [(0, 3), (3, 7), (8, 9)]
    table = np.array([[0.1, 0.9, 0, 0, 0], [0.7, 0, 0.3, 0, 0], [1, 0, 0, 0, 0]], np.float32)
    (span,) = find_spans(text, offsets, table, labels_of(BIO), {"PERSON": 0.55, "ORG": 0.5}.get)
    assert (span.start, span.end, span.probability) == (0, 7, pytest.approx(0.6))
    assert span.alternatives == (("O", pytest.approx(0.4)), ("ORG", 0.0))
    assert find_spans(text, offsets, table, labels_of(BIO), {"PERSON": 0.65, "ORG": 0.5}.get) == []


def test_scripts_without_blanks_are_cut_at_any_character():
    text, offsets = "我叫李明好", [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5)]
    table = np.eye(5, dtype=np.float32)[[0, 0, 1, 2, 0]]
    (span,) = find_spans(text, offsets, table, labels_of(BIO), {"PERSON": 0.5, "ORG": 0.5}.get)
    assert text[span.start : span.end] == "李明"


def test_a_low_threshold_finds_what_is_likelier_nothing():
    assert decoded("Ana", [("B-PERSON", 0.3)], thresholds={"PERSON": 0.25, "ORG": 0.5}) == [("PERSON", "Ana")]


@pytest.mark.parametrize(
    ("text", "rows", "spans"),
    [
        ("Ana de Silva", ["B-PERSON", ("I-PERSON", 0.6), "I-PERSON"], [("PERSON", "Ana de Silva")]),
        ("Ana Silva x", ["B-PERSON", ("I-PERSON", 0.6), "O"], [("PERSON", "Ana Silva")]),
        ("van Silva", [("B-PERSON", 0.6), "I-PERSON"], [("PERSON", "van Silva")]),
        ("so Silva", [("I-PERSON", 0.6), "B-PERSON"], [("PERSON", "Silva")]),  # the sure word begins anew
        ("Ana Silva", ["B-PERSON", ("B-PERSON", 0.6)], [("PERSON", "Ana")]),  # the weak one would begin anew
        ("Ana Acme", ["B-PERSON", ("I-ORG", 0.6)], [("PERSON", "Ana")]),
        ("Ana so", ["B-PERSON", ("I-PERSON", 0.45)], [("PERSON", "Ana")]),  # likelier nothing
        ("Silva", [("I-PERSON", 0.6)], []),
        ("Ana\n\nSilva", ["B-PERSON", ("I-PERSON", 0.6)], [("PERSON", "Ana")]),
    ],
)
def test_a_weak_word_goes_on_with_the_span_beside_it(text, rows, spans):
    assert decoded(text, rows, thresholds={"PERSON": 0.8, "ORG": 0.8}) == spans


def test_weak_words_do_not_change_the_probability_of_a_span():
    table = np.array([[0.1, 0.9, 0, 0, 0], [0.4, 0, 0.6, 0, 0]], np.float32)
    (span,) = find_spans("Ana Silva", [(0, 3), (4, 9)], table, labels_of(BIO), {"PERSON": 0.8}.get)
    assert (span.end, span.probability) == (9, pytest.approx(0.9))


def test_a_name_that_is_no_finding_takes_words_from_others():
    assert decoded("Ana Acme", ["B-PERSON", "B-ORG"], thresholds={"PERSON": 0.5}) == [("PERSON", "Ana")]


def test_labels_without_prefix_continue():
    assert decoded("Ana Silva x", ["PERSON", "PERSON", "O"], names=PLAIN) == [("PERSON", "Ana Silva")]


def test_no_tokens_no_spans():
    assert find_spans("", [], np.zeros((0, 5), np.float32), labels_of(BIO), {}.get) == []


@given(st.data())
def test_spans_are_disjoint_in_order_and_never_cut_a_word(data):
    text = data.draw(st.text("ab \n,é你-", min_size=1, max_size=30))
    ends = sorted(set(data.draw(st.lists(st.integers(0, len(text)), max_size=12))) | {0, len(text)})
    offsets = [
        (start, end) for start, end in pairwise(ends) if text[start:end].strip() == text[start:end] and text[start:end]
    ]
    rows = data.draw(st.lists(st.integers(0, 4), min_size=len(offsets), max_size=len(offsets)))
    weak = data.draw(st.lists(st.sampled_from((0.0, 0.45, 0.6)), min_size=len(offsets), max_size=len(offsets)))
    table = np.eye(5, dtype=np.float32)[rows].reshape(len(rows), 5) * (1 - np.array(weak, np.float32)[:, None])
    spans = find_spans(text, offsets, table, labels_of(BIO), {"PERSON": 0.5, "ORG": 0.5}.get)
    last = 0
    for span in spans:
        assert last <= span.start < span.end <= len(text)
        assert span.probability >= 0.5
        last = span.end
        assert span.name in {"PERSON", "ORG"}
        assert 0.5 <= span.probability <= 1


PIECES = re.compile(r"\w{1,3}|[^\w\s]")


@settings(max_examples=120, deadline=None)
@given(st.integers(0, 2**32))
def test_a_seam_parts_no_span_and_lets_neither_side_know_of_the_other(seed):
    noise = np.random.default_rng(seed)
    words = noise.choice(["ab", "abcd", "é", "x1", ",", "(", ")", "-", "."], noise.integers(3, 14))
    text = "".join(f"{word}{noise.choice([' ', ' ', '', chr(10)])}" for word in words)
    offsets = [match.span() for match in PIECES.finditer(text)]
    rows = noise.choice([0.02, 0.1, 0.3, 0.9], (len(offsets), 5), p=[0.5, 0.2, 0.2, 0.1])
    table = (rows / rows.sum(axis=1, keepdims=True)).astype(np.float32)

    def spans(start, end):
        found = find_spans(text, offsets[start:end], table[start:end], labels_of(BIO), {"PERSON": 0.5, "ORG": 0.3}.get)
        return [(span.name, span.start, span.end) for span in found]

    whole = spans(0, len(offsets))
    for known in range(1, len(offsets) + 1):
        for token in seams(text, offsets[:known], table[:known], labels_of(BIO), {"PERSON": 0.5, "ORG": 0.3}.get):
            assert whole == spans(0, token) + spans(token, len(offsets))
            assert spans(0, token) == [span for span in spans(0, known) if span[2] <= offsets[token][0]]
    assert seams("", [], table[:0], labels_of(BIO), {}.get) == set()
