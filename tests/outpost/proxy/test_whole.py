from copy import copy

import pytest

from outpost.dlp.engine import default_engine
from outpost.errors import CouldNotInspect
from outpost.protocol.findings import Finding
from outpost.proxy import sse, whole
from outpost.proxy.whole import Collected, Texts, WholeScanner

CARD = "4111 1111 1111 1111"
NAME = Finding("pii.person", 0, 3, 0.9, "m", 2)


def scan(text):
    return default_engine().scan(text)


def test_a_text_is_read_when_it_has_ended():
    scanner = WholeScanner(scan)
    assert scanner.feed(CARD[:7]) == scanner.feed(CARD[7:]) == []
    other = copy(scanner)
    other.feed(" and more")
    (released,) = scanner.finish()
    assert (released.text, [f.kind for f in released.findings]) == (CARD, ["pci.pan"])
    assert other.finish()[0].text == f"{CARD} and more"
    assert scanner.finish() == []


def test_texts_are_asked_about_first_and_answered_then():
    texts = Texts(scan)
    for _ in range(2):
        scanner = texts.scanner()
        scanner.feed(f"Ana {CARD}")
        assert scanner.finish()[0].findings == ()
    assert [(q.text, [f.kind for f in q.patterns]) for q in texts.questions.values()] == [(f"Ana {CARD}", ["pci.pan"])]
    texts.answered([[NAME]])
    assert texts.scan(f"Ana {CARD}") == [NAME]
    assert [f.kind for f in texts.scan(CARD)] == ["pci.pan"]  # a text that nobody asked about


def test_ids_are_left_to_patterns():
    texts = Texts(scan)
    assert texts.scan_short("gpt-4o") == []
    assert [f.kind for f in texts.scan_short(CARD.replace(" ", ""))] == ["pci.pan"]
    assert texts.scan_short("two words") == []
    assert list(texts.questions) == ["two words"]


@pytest.mark.parametrize("bound", ["MAX_EVENTS", "MAX_BYTES"])
def test_more_than_can_be_held_is_not_inspected(monkeypatch, bound):
    monkeypatch.setattr(whole, bound, 2)
    collected = Collected()
    for _ in range(2):
        collected.add(sse.Event(b"x", b"x"))
    with pytest.raises(CouldNotInspect):
        collected.add(sse.Event(b"x", b"x"))
