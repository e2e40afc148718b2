import contextlib
import time

import pytest
import re2
from hypothesis import example, given, settings
from hypothesis import strategies as st

from outpost.dlp import engine as engine_module
from outpost.dlp.detector import REPORT_SCORE, Detector
from outpost.dlp.engine import MAX_FINDINGS, MAX_TEXT_CHARS, Engine, default_engine
from outpost.dlp.normalise import normalise
from outpost.dlp.one_byte import one_byte_each
from outpost.errors import CouldNotInspect
from outpost.protocol.codes import ErrorCode
from tests.outpost.dlp import samples

ENGINE = default_engine()
LATIN1 = re2.Options()
LATIN1.encoding = re2.Options.Encoding.LATIN1


def word(pattern, kind="x.word", score=0.9, **more):
    return Detector(name=f"test-{pattern}", kind=kind, pattern=pattern, base_score=score, **more)


@settings(max_examples=400, deadline=None)
@given(st.text(alphabet=st.characters(exclude_categories=[]), max_size=200))
@example("\ud800")
@example("e\u0301" * 50)
def test_any_text_gives_findings_or_the_typed_error(text):
    if any("\ud800" <= c <= "\udfff" for c in text):
        with pytest.raises(CouldNotInspect) as caught:
            ENGINE.scan(text)
        assert caught.value.code is ErrorCode.INVALID_REQUEST
    else:
        findings = ENGINE.scan(text)
        assert all(0 <= f.start < f.end <= len(text) and f.score >= REPORT_SCORE for f in findings)
        assert findings == sorted(findings, key=lambda f: (f.start, -f.end, f.kind))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(samples.PERSONAL + samples.ALL_SECRETS + samples.AROUND), max_size=12).map("".join))
def test_findings_of_one_kind_never_overlap_and_kinds_never_nest(text):
    findings = ENGINE.scan(text)
    for i, one in enumerate(findings):
        for other in findings[i + 1 :]:
            if one.kind == other.kind:
                assert one.end <= other.start
            else:
                assert not (one.start <= other.start and other.end <= one.end)
                assert not (other.start <= one.start and one.end <= other.end)


@pytest.mark.parametrize("value", samples.PERSONAL + samples.ALL_SECRETS)
@pytest.mark.parametrize("before", ["", "see ", "卡号", "Größe, ", "\u200b\u202e", "🙂", "½ "])
def test_offsets_are_code_points_of_the_text_received(value, before):
    text = f"{before}{value} then"
    (best,) = [f for f in ENGINE.scan(text) if text[f.start : f.end] == value] or [None]
    assert best is not None


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.one_of(st.sampled_from(samples.PERSONAL), st.text("0123456789 -.()+/x", max_size=20)), max_size=4).map(
        "".join
    )
)
def test_a_trigger_occurs_wherever_its_pattern_does(text):
    raw = one_byte_each(normalise(text).text)
    for detector in ENGINE.detectors:
        named = detector.pattern.startswith("(?P<")  # then the trigger is of the name that find asks for
        if detector.trigger and not named and re2.search(detector.pattern.encode("latin-1"), raw, LATIN1):
            assert re2.search(detector.trigger.encode("latin-1"), raw, LATIN1)


def test_one_byte_stands_for_one_code_point():
    assert one_byte_each("aé€ж卡🙂") == b"a\xe9\x80\xff\x80\x80"


def test_a_score_below_the_threshold_needs_context():
    engine = Engine([word(r"\bZZ[0-9]+", score=0.2, context_words=("ticket",), context_score=0.7)])
    assert engine.scan("ZZ17") == []
    assert [f.score for f in engine.scan("ticket ZZ17")] == [0.7]
    assert engine.scan("ticketing ZZ17")[0].score == 0.7
    assert engine.scan("notticket ZZ17") == []


def test_context_counts_before_the_match_and_only_near():
    engine = Engine([word(r"\bZZ[0-9]+", score=0.2, context_words=("ticket",), context_score=0.7)])
    assert engine.scan("ZZ17 is the ticket") == []
    assert engine.scan("ticket " + "a" * 64 + " ZZ17") == []


def test_a_word_that_ends_with_a_blank_is_no_beginning():
    engine = Engine([word(r"\bZZ[0-9]+", score=0.2, context_words=("tin ",), context_score=0.7)])
    assert engine.scan("tint ZZ17") == []
    assert all(len(engine.scan(f"tin{after}ZZ17")) == 1 for after in (" ", ": ", "=", '":'))


def test_each_of_many_detectors_behind_one_pattern_has_its_own_words():
    words = ("one", "two", "three", "four")
    shared = r"\bZZ[0-9]+"
    several = [
        Detector(name=w, kind=f"x.{w}", pattern=shared, base_score=0.2, context_words=(w,), context_score=0.7)
        for w in words
    ]
    strong = Detector(name="strong", kind="x.strong", pattern=shared, base_score=0.6)
    engine = Engine([*several, strong])
    assert [f.kind for f in engine.scan("nothing ZZ17")] == ["x.strong"]
    for w in words:
        assert [f.kind for f in engine.scan(f"{w} ZZ17")] == [f"x.{w}"]
    assert [f.kind for f in engine.scan("[REDACTED:x.two] ZZ17")] == ["x.strong"]


def test_a_redaction_marker_is_no_context():
    engine = Engine([word(r"\bZZ[0-9]+", score=0.2, context_words=("ticket",), context_score=0.7)])
    assert engine.scan("[REDACTED:x.ticket] ZZ17") == []
    assert engine.scan("ticket [REDACTED:x.word] ZZ17") == []
    assert len(engine.scan("[REDACTED:x.word] ticket ZZ17")) == 1


def test_a_text_beyond_the_bound_is_not_passed_as_clean(monkeypatch):
    monkeypatch.setattr(engine_module, "MAX_TEXT_CHARS", 100)
    assert MAX_TEXT_CHARS > 25 * 2**20
    with pytest.raises(CouldNotInspect) as caught:
        ENGINE.scan("a" * 101)
    assert caught.value.code is ErrorCode.INSPECTION_UNAVAILABLE


def test_too_many_findings_are_not_passed_as_clean():
    with pytest.raises(CouldNotInspect) as caught:
        ENGINE.scan("a@b.com " * (MAX_FINDINGS + 1))
    assert caught.value.code is ErrorCode.INSPECTION_UNAVAILABLE


def test_the_error_never_holds_the_text():
    with pytest.raises(CouldNotInspect) as caught:
        ENGINE.scan("secret-word \ud800")
    assert "secret-word" not in repr(caught.value)


PROSE = (
    "On 12 March 2024 we met 17 people from the Berlin office, and Ana wrote to ana.silva@mail.example.org about it. "
    "The order 20240117-5512 came to 1,299.00 EUR; the router at 10.20.30.40 had been replaced, as they said, twice. "
    "Please call (650) 253-0000 before noon and ask for the card ending in 4242, not for the other one they mentioned. "
)


def _ns_per_char(text):
    ENGINE.scan(text)
    best = min(_timed(text) for _ in range(5))
    return best / len(text) * 1e9


def _timed(text):
    begin = time.process_time()
    with contextlib.suppress(CouldNotInspect):
        ENGINE.scan(text)
    return time.process_time() - begin


@pytest.mark.parametrize(
    "unit",
    [
        "a", "1", "4111", "- ", ".", " ", "a@", "a@a.", "1 ", "1-", "41 11 ", ":", "aa11 ", "sk-", "eyJ", "(", "+1",
        "x.1",
        "\\n", "-----BEGIN ", "-----BEGIN PRIVATE KEY-----", "1.1.1.", "::1 ", "gh", "AKIA", "é", "卡", "\u200b",
        "e\u0301", "[REDACTED:",
    ],
)  # fmt: skip
def test_hostile_text_costs_no_more_per_character_than_prose_with_findings(unit):
    """Ratio of CPU times in one run, best of five; 5 is far below what any superlinear step would give."""
    prose = (PROSE * 400)[:100_000]
    hostile = (unit * 100_000)[:100_000]
    assert _ns_per_char(hostile) <= 5 * _ns_per_char(prose)


@pytest.mark.parametrize(
    "unit", ["4111 ", "650-253-0000 ", "aa11 bbbb ", "tel 1234567 ", "1:2:3 ", "a@b.c,", "ssn 123456789 "]
)
def test_time_grows_linearly(unit):
    """Four times the text takes about four times as long, with candidates everywhere (7 leaves room for noise)."""
    small, large = (unit * 20_000)[:20_000], (unit * 80_000)[:80_000]
    assert min(_timed(large) for _ in range(4)) <= 7 * min(_timed(small) for _ in range(4)) + 0.001


def test_a_value_split_over_segments_is_found_in_pieces():
    (pieces,) = ENGINE.scan_segments(["my card 4111 1111", "", " 1111 ", "1111, thanks"])
    assert [(index, f.start, f.end, f.kind) for index, f in pieces] == [
        (0, 8, 17, "pci.pan"),
        (2, 0, 6, "pci.pan"),
        (3, 0, 4, "pci.pan"),
    ]
    assert ENGINE.scan_segments([]) == []


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(samples.PERSONAL + samples.AROUND), max_size=8))
def test_segments_hold_what_the_joined_text_holds(texts):
    joined = "".join(texts)
    spans = []
    for pieces in ENGINE.scan_segments(texts):
        starts = [sum(map(len, texts[:index])) for index, _ in pieces]
        spans.append((starts[0] + pieces[0][1].start, starts[-1] + pieces[-1][1].end))
        assert sum(f.end - f.start for _, f in pieces) == spans[-1][1] - spans[-1][0]
    assert spans == [(f.start, f.end) for f in ENGINE.scan(joined)]
