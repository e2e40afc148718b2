import base64
import random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from outpost.dlp.engine import default_engine
from outpost.dlp.stream import MAX_HOLD_CHARS, Released, StreamScanner
from outpost.errors import CouldNotInspect
from outpost.protocol.codes import ErrorCode
from outpost.protocol.findings import Finding
from tests.outpost.dlp import laws, samples
from tests.outpost.dlp.disguises import disguised

ENGINE = default_engine()

embedded = st.lists(
    st.one_of(
        st.sampled_from(samples.PERSONAL + samples.ALL_SECRETS),
        st.sampled_from(samples.LED),
        st.sampled_from(samples.AROUND),
        st.sampled_from(samples.AROUND),
        st.text(max_size=8, alphabet=st.characters(exclude_categories=["Cs"])),
        st.text(alphabet="0123456789 -.()+x@aAé", max_size=12),
    ),
    max_size=14,
).map("".join)


def feed_all(chunks, max_hold_chars=8192):
    scanner = StreamScanner(ENGINE, max_hold_chars)
    released = [r for chunk in chunks for r in scanner.feed(chunk)]
    return released + scanner.finish()


def absolute(released: list[Released]) -> list[Finding]:
    findings, at = [], 0
    for r in released:
        findings += [Finding(f.kind, f.start + at, f.end + at, f.score, f.detector) for f in r.findings]
        at += len(r.text)
    return findings


def cut_up(text, cuts):
    places = sorted({min(c, len(text)) for c in cuts})
    return [text[a:b] for a, b in zip([0, *places], [*places, len(text)], strict=True)]


@settings(max_examples=400, deadline=None)
@given(embedded, st.lists(st.integers(0, 1200), max_size=12))
def test_any_chunking_finds_what_a_whole_scan_finds(text, cuts):
    released = feed_all(cut_up(text, cuts))
    assert "".join(r.text for r in released) == text
    assert absolute(released) == ENGINE.scan(text)
    assert all(0 <= f.start < f.end <= len(r.text) for r in released for f in r.findings)


@settings(max_examples=150, deadline=None)
@given(embedded)
def test_one_character_at_a_time_finds_what_a_whole_scan_finds(text):
    released = feed_all(list(text))
    assert "".join(r.text for r in released) == text
    assert absolute(released) == ENGINE.scan(text)


DISGUISED = disguised(samples.PERSONAL + samples.ALL_SECRETS)
hidden = st.lists(
    st.one_of(
        st.sampled_from(DISGUISED),
        st.sampled_from(DISGUISED),
        st.sampled_from(samples.AROUND),
        st.sampled_from(samples.PERSONAL),
        st.text(alphabet="0123456789 -./\n\t\"'+%&#;=\\\\xuMQDEn", max_size=12),
    ),
    max_size=6,
).map(" ".join)


@settings(max_examples=250, deadline=None)
@example(" ".join(["41111111\n11111111", *[r"\u0034111111\u0031111111\u00311"] * 3][i] for i in (1, 0, 2, 3)), [])
@given(hidden, st.lists(st.integers(0, 900), max_size=12))
def test_disguised_values_are_found_on_any_chunking(text, cuts):
    released = feed_all(cut_up(text, cuts), 65_536)
    assert "".join(r.text for r in released) == text
    assert absolute(released) == ENGINE.scan(text)


@pytest.mark.parametrize(
    "text", [r"x\n4111 1111 1111 1111, ok", r"\n4111 1111 1111 1111\n\nü", r"a\n'4111 1111 1111 1111'\n"]
)
def test_a_value_behind_an_escaped_line_end_is_found(text):
    for pieces in (list(text), [text], [text[:3], text[3:]]):
        assert absolute(feed_all(pieces)) == ENGINE.scan(text) != []


numbers = st.lists(
    st.sampled_from(
        ["4111", "1111", "5555", "4444", "12", "7", "650", "253", "0000", "+44", "20", "(650)", "536", "22", "8726"]
    ),
    min_size=60,
    max_size=120,
).map(" ".join)


@settings(max_examples=100, deadline=None)
@given(numbers, st.lists(st.integers(0, 600), max_size=40))
def test_long_rows_of_numbers_obey_the_law_within_a_small_bound(text, cuts):
    released = feed_all(cut_up(text, cuts))
    assert "".join(r.text for r in released) == text
    assert absolute(released) == ENGINE.scan(text)


def test_prose_is_released_up_to_the_unfinished_word():
    scanner = StreamScanner(ENGINE)
    assert [r.text for r in scanner.feed("The quick brown fo")] == ["The quick brown "]
    assert [r.text for r in scanner.feed("x jumps, ")] == ["fox jumps, "]
    assert scanner.feed("ov") == []
    assert [r.text for r in scanner.finish()] == ["ov"]


def test_text_written_without_spaces_is_released_at_once():
    scanner = StreamScanner(ENGINE)
    text = "今天天气很好。我们去公园"
    assert [r.text for r in scanner.feed(text)] == [text]


def test_a_card_is_held_until_its_last_group_is_known():
    scanner = StreamScanner(ENGINE)
    assert [r.text for r in scanner.feed("card 4111 1111 ")] == ["card "]
    assert scanner.feed("1111 1111") == []
    assert scanner.feed(" ") == []
    (released,) = scanner.feed("now")
    assert released.text == "4111 1111 1111 1111 "
    assert [(f.kind, f.start, f.end) for f in released.findings] == [("pci.pan", 0, 19)]


def test_a_private_key_is_held_until_its_footer():
    scanner = StreamScanner(ENGINE)
    body, footer = samples.PEM[:-30], samples.PEM[-30:]
    assert [r.text for r in scanner.feed("key:\n" + body)] == ["key:\n"]
    (released,) = scanner.feed(footer + "\n")
    assert [(f.kind, f.start, f.end) for f in released.findings] == [("secret.private_key", 0, len(samples.PEM))]


def test_context_counts_from_text_released_long_before():
    scanner = StreamScanner(ENGINE)
    scanner.feed("Her social security number, she said, ")
    scanner.feed("is ")
    (released,) = scanner.feed("536228726, ")
    assert [f.kind for f in released.findings] == ["pii.national_id.us"]


@pytest.mark.parametrize("text", ["-----BEGIN PRIVATE KEY-----\n" + ("A" * 64 + "\n") * 300])
def test_more_than_the_bound_undecided_fails_closed_and_stays_closed(text):
    scanner = StreamScanner(ENGINE)
    with pytest.raises(CouldNotInspect) as caught:  # noqa: PT012 - which feed refuses does not matter
        for start in range(0, len(text), 100):
            scanner.feed(text[start : start + 100])
    assert caught.value.code is ErrorCode.INSPECTION_UNAVAILABLE
    with pytest.raises(CouldNotInspect):
        scanner.feed("harmless ")
    with pytest.raises(CouldNotInspect):
        scanner.finish()


def test_an_endless_row_of_numbers_flows_and_its_cards_are_found():
    row = "17 2024 3 " * 700 + "4111 1111 1111 1111 " + "8 99 1234 " * 700
    scanner = StreamScanner(ENGINE, max_hold_chars=512)
    released = [r for start in range(0, len(row), 7) for r in scanner.feed(row[start : start + 7])] + scanner.finish()
    assert "".join(r.text for r in released) == row
    assert absolute(released) == ENGINE.scan(row)
    assert [row[f.start : f.end] for f in absolute(released) if f.kind == "pci.pan"] == ["4111 1111 1111 1111"]


def test_a_lone_surrogate_is_refused():
    with pytest.raises(CouldNotInspect) as caught:
        StreamScanner(ENGINE).feed("a \ud800 b")
    assert caught.value.code is ErrorCode.INVALID_REQUEST


def test_nothing_is_taken_after_the_end():
    scanner = StreamScanner(ENGINE)
    scanner.finish()
    with pytest.raises(CouldNotInspect):
        scanner.feed("more ")


@pytest.mark.parametrize("width", [0, 76])
def test_a_long_encoded_file_flows_and_what_is_in_it_is_found(width):
    rng = random.Random(4)
    plain = "".join(
        f"Line {number} of a long report without much to say. "
        + (f"The card was {samples.PERSONAL[0]}, they said. " if rng.random() < 0.02 else "")
        for number in range(2000)
    )
    text = base64.b64encode(plain.encode()).decode()
    if width:
        text = "\n".join(text[i : i + width] for i in range(0, len(text), width))
    released = feed_all([text[i : i + 1000] for i in range(0, len(text), 1000)], MAX_HOLD_CHARS)
    assert "".join(r.text for r in released) == text
    assert max(len(r.text) for r in released) < MAX_HOLD_CHARS
    assert len(absolute(released)) == plain.count(samples.PERSONAL[0])
    assert absolute(released) == ENGINE.scan(text)


@pytest.mark.parametrize("unit", ["a", "A1b2", "%41", "&#65;", "\\u0041", "4d6f", "x/y-"])
def test_a_word_of_any_length_flows(unit):
    text = unit * (60_000 // len(unit))
    released = feed_all([text[i : i + 700] for i in range(0, len(text), 700)], MAX_HOLD_CHARS)
    assert "".join(r.text for r in released) == text


# Inputs of ``make fuzz`` that once broke a promise, made small.
FUZZED = [
    "x" + ", 0x".join(f"{byte:02x}" for byte in samples.SLACK_WEBHOOK.encode()) + "LS0tL",
    "x[@]a[.]x[@]l[.]example",
]


@pytest.mark.parametrize("text", FUZZED)
def test_what_fuzzing_found_stays_right(text):
    assert ENGINE.scan(text) != []
    laws.check(ENGINE, None, text, [])
    laws.check(ENGINE, None, text, list(range(1, len(text), 7)))


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_keep_the_promises(data):
    text, cuts = laws.text_of(data)
    laws.check(ENGINE, None, text, cuts)  # asserts each promise
    assert len(text) <= laws.MAX_CHARS
