import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpost.dlp.engine import default_engine
from outpost.errors import CouldNotInspect
from outpost.policy.evaluate import Facts
from outpost.protocol.codes import ErrorCode
from outpost.protocol.decisions import Direction
from outpost.protocol.findings import Finding
from outpost.proxy.decide import judge
from outpost.proxy.seen import GROUP_CHARS, MAX_FINDINGS, SeenTexts
from outpost.proxy.surfaces.openai_chat import parse_request
from tests.outpost.proxy.test_decide import CARD, EMAIL, policy

ENGINE = default_engine()
FACTS = Facts("openai.chat_completions", "m", "everyone", Direction.INPUT)
POLICY = policy(pii_email="REDACT", pci_pan="BLOCK", unscannable="BLOCK")
BROKEN = "\ud800"  # what no engine reads

SAID = st.sampled_from(
    ["good morning", EMAIL, CARD, "4111 1111", " 1111 1111", "", "my ssn is", "123-45-6789", "ssn", f'["{EMAIL}"]']
) | st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
CONTENT = SAID | st.lists(st.builds(lambda text: {"type": "text", "text": text}, SAID), max_size=3)
CONVERSATIONS = st.lists(st.lists(CONTENT, min_size=1, max_size=5), min_size=1, max_size=5)


class Counting:
    """An engine that notes what it is asked."""

    def __init__(self):
        self.scanned = []

    def scan(self, text):
        self.scanned.append(text)
        return ENGINE.scan(text)


def one_by_one(texts):
    return [ENGINE.scan(text) for text in texts]


def as_lists(found):
    return [list(findings) for findings in found]


@given(CONVERSATIONS)
def test_whoever_remembers_decides_as_whoever_does_not(conversations):
    """Over bodies that repeat each other's messages, also split over parts."""
    remembering = SeenTexts(ENGINE, max_remembered=12)
    for said in conversations:
        messages = [{"role": ("user", "assistant")[n % 2], "content": content} for n, content in enumerate(said)]
        raw = json.dumps({"model": "m", "messages": messages}).encode()
        verdicts = [
            judge(scanner, POLICY, FACTS, parse_request(raw), parse_request)
            for scanner in (remembering, SeenTexts(ENGINE))
        ]
        assert verdicts[0] == verdicts[1]


@given(st.lists(st.lists(SAID | st.just(BROKEN) | st.text(max_size=3), max_size=6), max_size=6), st.integers(0, 8))
def test_any_texts_in_any_order_give_what_each_gives_by_itself(asked, max_remembered):
    seen = SeenTexts(ENGINE, max_remembered)
    for texts in asked:
        try:
            wanted = one_by_one(texts)
        except CouldNotInspect:
            with pytest.raises(CouldNotInspect):
                seen.scan_each(texts)
        else:
            assert as_lists(seen.scan_each(texts)) == wanted
        assert len(seen) <= max_remembered


def test_only_what_is_new_is_scanned():
    engine = Counting()
    seen = SeenTexts(engine)
    seen.scan_each(["one", "two"])
    seen.scan_each([f"mail {EMAIL}", "three"])
    engine.scanned.clear()

    found = seen.scan_each(["one", f"mail {EMAIL}", "four", "two", "three", "four"])

    assert engine.scanned == ["four"]
    assert as_lists(found) == one_by_one(["one", f"mail {EMAIL}", "four", "two", "three", "four"])


def test_context_counts_for_the_whole_text_it_stands_in():
    """The same digits are something else behind another word, so nothing smaller than a text is remembered."""
    seen = SeenTexts(ENGINE)
    texts = ["123456789", "my ssn is 123456789", "my ssn is", "123456789"]

    assert as_lists(seen.scan_each(texts)) == one_by_one(texts)
    assert seen.scan_each(["my ssn is 123456789"])[0] != ()


def test_what_could_not_be_inspected_is_not_remembered():
    class Tires:
        def scan(self, text):
            raise CouldNotInspect(ErrorCode.INSPECTION_UNAVAILABLE, "too much")

    for scanner, text in ((ENGINE, BROKEN), (Tires(), "anything")):
        seen = SeenTexts(scanner)
        for _ in range(2):
            with pytest.raises(CouldNotInspect):
                seen.scan_each([text])
        with pytest.raises(CouldNotInspect):
            seen.scan_each(["clean", text])
        assert len(seen) <= 1


def test_what_is_asked_for_again_outlives_what_is_not():
    engine = Counting()
    seen = SeenTexts(engine, max_remembered=20)
    for number in range(500):
        seen.scan_each(["asked again and again", f"asked once {number}"])

    assert len(seen) <= 20
    assert engine.scanned.count("asked again and again") <= 1


def test_findings_count_as_much_as_texts():
    class FindsTwo:
        def scan(self, text):
            return [Finding("pii.email", 0, 1, 1.0, "test")] * 2

    seen = SeenTexts(FindsTwo(), max_remembered=30)
    for number in range(100):
        seen.scan_each([str(number)])

    assert len(seen) <= 10


def test_a_list_of_data_is_scanned_again():
    text = " ".join(f"user{number}@example.org" for number in range(MAX_FINDINGS + 1))
    seen = SeenTexts(ENGINE)

    assert [len(found) for found in seen.scan_each([text])] == [MAX_FINDINGS + 1]
    assert len(seen) == 0


def test_many_texts_are_scanned_in_groups_of_bounded_length():
    engine = Counting()
    text = "word " * (GROUP_CHARS // 20)
    SeenTexts(engine).scan_each([f"{number} {text}" for number in range(8)])

    assert 1 < len(engine.scanned) < 8
    assert max(map(len, engine.scanned)) < 2 * GROUP_CHARS


def test_no_text_is_kept_and_no_digest_can_be_guessed():
    first, second = SeenTexts(ENGINE), SeenTexts(ENGINE)
    for seen in (first, second):
        seen.scan_each(["good morning", f"write to {EMAIL}"])
        kept = str([getattr(seen, name) for name in vars(seen)])
        assert "good morning" not in kept
        assert EMAIL not in kept

    assert first._young.keys().isdisjoint(second._young)


def test_threads_may_share_it():
    seen = SeenTexts(ENGINE, max_remembered=16)
    lists = [[f"{number % 7} {EMAIL}" if number % 3 else f"plain {number % 11}"] * 2 for number in range(400)]
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(seen.scan_each, lists))

    assert [as_lists(one) for one in found] == [one_by_one(texts) for texts in lists]
    assert len(seen) <= 16
