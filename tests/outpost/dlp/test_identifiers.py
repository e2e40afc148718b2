import pytest
import re2
from hypothesis import given, settings
from hypothesis import strategies as st

from outpost.dlp.detector import REPORT_SCORE
from outpost.dlp.engine import Engine, one_byte_each
from outpost.dlp.identifiers import Identifier, Shape, detectors_of, pattern_of, score, split, stdnum
from outpost.dlp.normalise import normalise
from outpost.dlp.registry import ALL, IDENTIFIERS
from outpost.dlp.stream import StreamScanner
from tests.outpost.dlp.detectors.cases import CASES

DIGITS = Identifier("x-digits", "pii.national_id.xx", ("999999999", "999-999-999"), 10, ("number ",), "123456789")
LETTERS = Identifier("x-letters", "pii.national_id.xx", ("AA999999A", "AA 99 99 99 A"), 20, ("number ",), "AB123456C")


@pytest.mark.parametrize(
    ("forms", "text", "whole"),
    [
        (("999",), "123", True),
        (("999",), "1234", False),
        (("A9-X",), "B2-C", True),
        (("A9-X",), "B2C", False),
        (("[ST]99",), "S12", True),
        (("[ST]99",), "A12", False),
        (("9.9",), "1x1", False),
        (("99", "99-99"), "12-34", True),
    ],
)
def test_forms_are_patterns_of_whole_words(forms, text, whole):
    assert bool(re2.fullmatch(pattern_of(forms), text)) == whole


def test_the_longer_form_is_tried_first():
    assert re2.search(pattern_of(["99", "99-99"]), "12-34")[0] == "12-34"


def test_odds_become_probabilities_below_certainty():
    assert score(1) == 0.5
    assert score(0.25) == 0.2
    assert score(1_000_000) < 1


def test_digits_alone_need_a_word_and_letters_in_fixed_places_do_not():
    digits, letters = detectors_of([DIGITS])[0], detectors_of([LETTERS])[0]
    assert digits.base_score == score(Shape.COMMON.value * 10) < REPORT_SCORE < digits.context_score
    assert letters.base_score == score(Shape.RARE.value * 20) > REPORT_SCORE


def test_countries_share_the_pattern_of_digits_alone():
    other = Identifier("y-digits", "pii.national_id.yy", ("999999999",), 11, ("number ",), "123456789")
    one, _, two = detectors_of([DIGITS, other])
    assert one.pattern == two.pattern


def test_a_word_with_a_blank_at_its_end_is_not_the_beginning_of_another():
    engine = Engine(detectors_of([DIGITS]))
    assert len(engine.scan("number: 123456789")) == 1
    assert engine.scan("numbers 123456789") == []


def test_words_are_normalised_as_text_is():
    assert split("ลำดับ|ab ") == ("ลําดับ", "ab ")
    assert split("") == ()


def test_a_module_that_stumbles_over_a_number_refuses_it():
    assert stdnum("luhn")("18")
    assert not stdnum("cn.ric")("345029867908163772")  # a county that its table lacks


@pytest.mark.parametrize("text", ["AB 12 34 56", "AB 12 34 56 7", "AB 12 34 56 CD", "AB  12 34 56 C", "AB 12\n34 56 C"])
def test_a_form_with_blanks_is_found_whole_only(text):
    engine = Engine(detectors_of([LETTERS]))
    assert engine.scan(f"number {text}") == []
    assert [(f.start, f.end) for f in engine.scan("AB 12 34 56 C")] == [(0, 13)]


TEXTS = [f"{i.words[0].strip()}: {i.example}, then" for i in IDENTIFIERS]
TEXTS += [f"{text} and" for positives, _ in CASES.values() for text, _ in positives]
TEXTS += [f"{text} " for _, near_misses in CASES.values() for text in near_misses]
ENGINE = Engine(ALL)


@settings(max_examples=400, deadline=None)
@given(st.lists(st.sampled_from(TEXTS), min_size=1, max_size=3).map(" ".join), st.lists(st.integers(0, 200)))
def test_any_chunking_finds_what_a_whole_scan_finds(text, cuts):
    assert _streamed(text, cuts) == _whole(text)


@pytest.mark.parametrize("text", TEXTS)
def test_one_character_at_a_time_finds_what_a_whole_scan_finds(text):
    assert _streamed(text, range(len(text))) == _whole(text)


def _whole(text):
    return [(f.kind, f.start, f.end, f.score) for f in ENGINE.scan(text)]


def _streamed(text, cuts):
    places = sorted({min(cut, len(text)) for cut in cuts})
    scanner, found, at = StreamScanner(ENGINE), [], 0
    chunks = [text[a:b] for a, b in zip([0, *places], [*places, len(text)], strict=True)]
    for released in [*(r for chunk in chunks for r in scanner.feed(chunk)), *scanner.finish()]:
        found += [(f.kind, f.start + at, f.end + at, f.score) for f in released.findings]
        at += len(released.text)
    return found


LATIN1 = re2.Options()
LATIN1.encoding = re2.Options.Encoding.LATIN1


@pytest.mark.parametrize(
    "detector",
    [d for d in ALL if d.trigger and not d.kind.startswith(("secret.", "credential_leak"))],
    ids=lambda detector: detector.name,
)
def test_a_trigger_occurs_wherever_its_pattern_does(detector):
    pattern, trigger = (re2.compile(p.encode("latin-1"), LATIN1) for p in (detector.pattern, detector.trigger))
    for text in TEXTS:
        # Also of the beginnings that a stream would show it.
        for raw in (one_byte_each(normalise(text[:end]).text) for end in range(1, len(text) + 1)):
            assert not pattern.search(raw) or trigger.search(raw), raw
