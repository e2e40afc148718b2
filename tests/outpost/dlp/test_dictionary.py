import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpost.dlp.dictionary import build_words, phrase
from outpost.dlp.redact import redact_until_clean
from outpost.dlp.stream import StreamScanner
from outpost.protocol.list_file import ListFileInvalid, ListKey, read_list_file
from tests.outpost.dlp.org_lists import KEY, OTHER, dictionary, engine, found

ENTRIES = [
    "Operation Nightjar",
    "Müller-Lüdenscheidt GmbH & Co. KG",
    "Quxley",
    "Quxley Holdings",
    "the of and",
    "夜鷹計画",
    "проект Соловей",
    "O'Hollerand",
]
ENGINE = engine(dictionary(ENTRIES))


@pytest.mark.parametrize(
    ("text", "spans"),
    [
        ("about operation nightjar.", ["operation nightjar"]),
        ("OPERATION\n  NIGHTJAR's plan", ["OPERATION\n  NIGHTJAR"]),
        ("operation_nightjar.txt", ["operation_nightjar"]),
        ("Muller Ludenscheidt GmbH & Co. KG", ["Muller Ludenscheidt GmbH & Co. KG"]),
        ("MÜLLER-LÜDENSCHEIDT GMBH CO KG", ["MÜLLER-LÜDENSCHEIDT GMBH CO KG"]),
        ("Quxley's and Quxley Holdings", ["Quxley", "Quxley Holdings"]),
        ("この夜鷹計画は", ["夜鷹計画"]),
        ("ПРОЕКТ СОЛОВЕЙ", ["ПРОЕКТ СОЛОВЕЙ"]),
        ("opera\u200btion Night\u00adjar", ["opera\u200btion Night\u00adjar"]),
        ("\uff2fPERATION Nightjar", ["\uff2fPERATION Nightjar"]),
        ("Mr O' Hollerand", ["O' Hollerand"]),
        # near misses
        ("operations nightjar", []),
        ("operation nightjars", []),
        ("operation, or rather a nightjar", []),
        ("operation" + " " * 5 + "nightjar", []),
        ("Nightjar Operation", []),
        ("Quxleys", []),
        ("the of", []),
        ("夜鷹", []),
        ("Co. KG", []),
    ],
)
def test_entries_are_found_however_they_are_written(text, spans):
    assert found(ENGINE, text) == spans


@pytest.mark.parametrize(
    "text",
    [
        "T3BlcmF0aW9uIE5pZ2h0amFyIGlzIHNlY3JldA==",
        "%4Fperation%20Nightjar",
        '"Operation Night" + "jar"',
        "Operati\u043en Nightj\u0430r",
    ],
)
def test_disguised_entries_are_found_too(text):
    assert [finding.kind for finding in engine(dictionary(ENTRIES)).scan(text)] == ["org.customers"]


def test_findings_name_the_list_and_its_score():
    (finding,) = ENGINE.scan("to Quxley")
    assert (finding.kind, finding.detector, finding.score) == ("org.customers", "list/customers", 0.9)


def test_redaction_leaves_nothing():
    text = "Quxley Holdings and operation nightjar, Quxley"
    clean = redact_until_clean(text, ENGINE.scan, {"org.customers"})
    assert clean == "[REDACTED:org.customers] and [REDACTED:org.customers], [REDACTED:org.customers]"


PIECES = st.sampled_from(
    [*ENTRIES, "operation", "Quxley", "Holdings", "the", "of", "Müller", "夜", "鷹計画", " ", ", ", "-", "\n", "     ",
     "x", "T3BlcmF0aW9uIE5pZ2h0amFyIA==", "%4Fperation Nightjar", "ana@mail.example.org", "\u200b", "\u0301"]
)  # fmt: skip
FULL = engine(dictionary(ENTRIES), every_detector=True)


@given(st.lists(PIECES, max_size=12), st.randoms(use_true_random=False))
def test_a_stream_gives_what_the_whole_text_gives(pieces, rng: random.Random):
    text = "".join(pieces)
    scanner, place, released, moved = StreamScanner(FULL), 0, [], []
    cuts = sorted(rng.randrange(len(text) + 1) for _ in range(rng.randrange(8)))
    parts = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    for part in [*(scanner.feed(part) for part in parts), scanner.finish()]:
        for piece in part:
            released.append(piece.text)
            moved += [(f.kind, place + f.start, place + f.end) for f in piece.findings]
            place += len(piece.text)
    assert "".join(released) == text
    assert moved == [(f.kind, f.start, f.end) for f in FULL.scan(text)]


def test_ordinary_text_is_released_as_without_a_list_and_an_entry_waits():
    with_list, without = StreamScanner(ENGINE), StreamScanner(engine())
    for text in ("We had a long talk about the weather ", "and all that "):
        released = with_list.feed(text)
        assert released == without.feed(text)
        assert released != []
    assert "Operation" not in "".join(part.text for part in with_list.feed("which Operation Night"))
    (finding,) = [finding for part in with_list.feed("jar, which is over by now.") for finding in part.findings]
    assert finding.kind == "org.customers"


def test_entries_that_cannot_be_listed_are_told():
    skipped = []
    entries = ["ab", "x" * 65, " ".join("abcdefghijklmnopq"), "  ", "fine", "Card"]
    content = build_words(entries, "l", KEY, skipped.append, {"card"})
    assert skipped == ["ab", "x" * 65, " ".join("abcdefghijklmnopq"), "Card"]
    assert read_list_file(content).header.entries == 1
    assert phrase("a b c") == ["a", "b", "c"]


def test_nothing_to_list_and_too_much_are_refused(monkeypatch):
    with pytest.raises(ListFileInvalid, match="no entries"):
        build_words(["", "a"], "l", KEY)
    monkeypatch.setattr("outpost.dlp.dictionary.MAX_PHRASES", 2)
    with pytest.raises(ListFileInvalid, match="at most 2"):
        build_words(["one", "two", "six"], "l", KEY)


def test_a_file_tells_nothing_without_its_key():
    mine, other = (read_list_file(build_words(ENTRIES, "l", key)) for key in (KEY, OTHER))
    elsewhere = read_list_file(build_words(ENTRIES, "m", KEY))
    for file in (other, elsewhere):
        assert not set(mine.sections[0].cast("Q")) & set(file.sections[0].cast("Q"))
        assert bytes(mine.sections[1]) != bytes(file.sections[1])


@given(st.lists(st.text(alphabet="abcde é夜-", min_size=1, max_size=12), min_size=1, max_size=8))
def test_every_entry_that_was_listed_is_found(entries):
    listed = [entry for entry in entries if phrase(entry)]
    if listed:
        scanned = engine(dictionary(entries))
        for entry in listed:
            runs = [gap for gap in entry.replace("-", " ").split(" ") if gap]
            if "     " not in entry.replace("-", " ") and runs:
                assert found(scanned, f"x. {entry} .x") != []


def test_a_key_has_another_name_for_each_list():
    assert KEY.derive("words", "a") != KEY.derive("words", "b") != ListKey("x", bytes(32)).derive("words", "b")
