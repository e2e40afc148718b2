import random
from copy import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outpost.dlp.detector import Detector
from outpost.dlp.engine import Engine, default_engine
from outpost.errors import CouldNotInspect
from outpost.models.results import ModelFinding, Settled
from outpost.protocol.findings import Finding, Tier
from outpost.proxy import watched
from outpost.proxy.watched import Watch, about_something
from tests.fakes.models import NAME, FakeFollowing, FakeModels, answered

ENGINE = default_engine()
CARD = "4111 1111 1111 1111"
PHONE = "650-253-0000"
WEAK = Engine([Detector("three", "pii.phone", r"\b[0-9]{3}-[0-9]{3}-[0-9]{4}\b", 0.5)])
PARTS = [
    "plain words ",
    CARD,
    NAME,
    "Ana ",
    "Silva. ",
    "ignore ",
    "mail erika@example.org ",
    f"{PHONE} ",
    "x" * 40,
    "\n",
]
TEXTS = st.lists(st.sampled_from(PARTS), max_size=30).map("".join)


def everything(_text, findings):
    return list(findings)


def begin(counting=everything, *, whole=False):
    watch = Watch(ENGINE, counting, whole=whole)
    return watch, watch.scanner()


def through(text, cuts, *, whole=False):
    """All that is released, with how much of the text had been fed."""
    watch, scanner = begin(whole=whole)
    following, released, at = {}, [], 0
    for cut in [*sorted(cuts), len(text)]:
        assert scanner.feed(text[at:cut]) == []
        at = cut
        answered(watch, following)
        released += [(at, part) for part in scanner.take()]
    assert scanner.finish() == []
    answered(watch, following)
    released += [(at, part) for part in scanner.take()]
    assert scanner.done
    assert not list(watch.due())
    return released


def moved(released):
    found, at = [], 0
    for _, part in released:
        found += [(f.kind, at + f.start, at + f.end) for f in part.findings]
        at += len(part.text)
    return found


@settings(max_examples=150, deadline=None)
@given(TEXTS, st.lists(st.integers(0, 500), max_size=30), st.booleans())
def test_on_any_chunking_it_says_what_it_says_of_the_whole(text, cuts, whole):
    cuts = [cut for cut in cuts if cut < len(text)]
    released, at_once = through(text, cuts, whole=whole), through(text, [])
    assert "".join(part.text for _, part in released) == text
    kinds = {"pii.person", "pci.pan", "pii.email", "pii.phone"}
    assert sorted(f for f in moved(released) if f[0] in kinds) == sorted(f for f in moved(at_once) if f[0] in kinds)
    if whole:
        assert all(fed == len(text) for fed, _ in released)


@given(TEXTS, st.integers(0, 2**32))
@settings(max_examples=50, deadline=None)
def test_a_copy_reads_on_where_the_other_was(text, seed):
    rng = random.Random(seed)
    watch, scanner = begin()
    following, said = {}, ""
    for at in range(0, len(text), 30):
        scanner.feed(text[at : at + 30])
        if rng.random() < 0.5:
            answered(watch, following)
            said += "".join(part.text for part in scanner.take())
    other = copy(scanner)
    other.feed(" more")
    other.finish()
    answered(watch, following)
    rest = other.take()
    assert said + "".join(part.text for part in rest) == f"{text} more"
    offset = len(said)
    kinds = {(f.kind, offset + f.start, offset + f.end) for part in rest for f in part.findings if f.kind == "pci.pan"}
    assert kinds == {(f.kind, f.start, f.end) for f in ENGINE.scan(text) if f.kind == "pci.pan" and f.start >= offset}


def test_models_are_asked_when_there_is_about_as_much_as_they_lack():
    watch, scanner = begin()
    asked = []
    for _ in range(400):
        scanner.feed("words and ")
        for text, addition in watch.due():
            asked.append(len(addition.text))
            text.answered(Settled(0, lacking=100, tokens=sum(asked) // 4))
    assert 10 <= len(asked) <= 14  # of 4,000 characters, 360 at a time


def test_of_what_models_said_only_what_counts_is_given_and_labels_are_seen_whole():
    seen = []

    def counting(text, findings):
        seen.append(text)
        return [finding for finding in findings if text[finding.start : finding.end] != NAME]

    watch, scanner = begin(counting)
    scanner.feed(f"{'a word ' * 60}{NAME} or [REDACTED:pii.person] and {'a word ' * 60}")
    following = {}
    answered(watch, following)
    first = scanner.take()
    assert first[0].findings == ()
    scanner.finish()
    answered(watch, following)
    assert scanner.take()[0].findings == ()
    assert any("[REDACTED:pii.person]" in text for text in seen)


def test_a_pattern_that_models_doubt_is_none_and_they_are_given_the_weak_ones_only():
    watch = Watch(WEAK, everything)
    scanner = watch.scanner()
    text = f"{NAME}, {PHONE} is not real "
    weak = WEAK.scan(text)
    assert [f.score for f in weak] == [0.5]
    scanner.feed(text)
    scanner.finish()
    ((asked, addition),) = watch.due()
    assert addition.weak == weak
    asked.answered(FakeFollowing(FakeModels()).said(addition.text, addition.weak, last=True))
    assert [f.kind for part in scanner.take() for f in part.findings] == ["pii.person"]


def test_what_models_say_beyond_what_they_were_given_settles_nothing():
    watch, scanner = begin()
    scanner.feed("some words " * 50)
    ((asked, addition),) = watch.due()
    scanner.feed("more words " * 50)
    finding = Finding("pii.person", 600, 900, 0.9, "p/h", Tier.ENTITY_MODEL)
    asked.answered(Settled(10_000, (ModelFinding(finding, "X", 0.9, 0.5, (0, 9)),), (7,), tokens=9))
    released = sum(len(part.text) for part in scanner.take())
    assert 0 < released <= len(addition.text)


def test_an_empty_text_is_not_asked_about():
    watch, scanner = begin()
    scanner.finish()
    assert scanner.done
    assert not list(watch.due())
    assert watch.texts == []


def test_a_text_that_nobody_waits_for_is_not_asked_about():
    watch, scanner = begin()
    scanner.feed("words " * 100)
    watch.drop(scanner)
    watch.drop(scanner)
    assert not list(watch.due())


def test_a_text_without_end_is_refused(monkeypatch):
    monkeypatch.setattr(watched, "MAX_TEXT_CHARS", 100)
    _, scanner = begin()
    scanner.feed("x " * 50)
    with pytest.raises(CouldNotInspect):
        scanner.feed("x")


def test_ids_are_left_to_patterns():
    assert [about_something(text) for text in ("gpt-4o", " x ", "", "two words")] == [False, False, False, True]


def test_what_no_rule_cares_for_may_come_late_and_is_for_the_record():
    watch, scanner = begin()
    scanner.feed("some words " * 50)
    ((asked, _),) = watch.due()
    asked.answered(Settled(500, tokens=9))
    assert scanner.take()
    scanner.finish()
    ((asked, _),) = watch.due()
    late = Finding("attack.jailbreak", 0, 300, 0.9, "p/h", Tier.CONTEXT_MODEL)
    asked.answered(Settled(550, (ModelFinding(late, "X", 0.9, 0.5, (0, 300)),), tokens=90))
    assert [part.findings for part in scanner.take()] == [()]
    assert (scanner.late, scanner.done) == ([late], True)
