import pytest
from hypothesis import given
from hypothesis import strategies as st

from outpost.dlp.dictionary import build_words
from outpost.dlp.engine import iter_kinds
from outpost.dlp.finder import find_all
from outpost.dlp.lists import checked_list, label_phrases, list_finder
from outpost.dlp.tokens import Words
from outpost.errors import CouldNotInspect
from outpost.protocol.detectors import ListRule
from outpost.protocol.list_file import ListFileInvalid
from tests.outpost.dlp.org_lists import KEY, OTHER, dictionary, engine, found
from tests.outpost.dlp.test_exact_data import finder as rows_finder
from tests.outpost.dlp.test_fingerprint import SECRET
from tests.outpost.dlp.test_fingerprint import finder as passages_finder

RULE = ListRule(id="customers", kind="org.customers", form="words")
KEYS = {KEY.id: KEY.value}
CONTENT = build_words(["Quxley", "Operation Nightjar"], "customers", KEY)


def test_a_list_finds_what_is_in_it():
    assert found(engine(list_finder(RULE, CONTENT, KEYS)), "for Quxley") == ["Quxley"]


def test_what_is_allowed_is_no_finding():
    finder = list_finder(RULE, CONTENT, KEYS, lambda matched: matched == "Quxley")
    assert found(engine(finder), "Quxley, QUXLEY") == ["QUXLEY"]


@pytest.mark.parametrize(
    ("rule", "content", "keys", "why"),
    [
        (RULE, CONTENT[:-1], KEYS, "customers: the file of list customers is cut short"),
        (RULE, b"", KEYS, "customers: this is not a list file"),
        (RULE, build_words(["Quxley"], "others", KEY), KEYS, "its file is of list others"),
        (RULE.model_copy(update={"form": "passages"}), CONTENT, KEYS, "its file is of list customers of words"),
        (RULE, CONTENT, {}, "list key list-1, which is not here"),
        (RULE, CONTENT, {OTHER.id: OTHER.value}, "made with another key"),
    ],
)
def test_a_file_that_is_not_the_rules_is_refused(rule, content, keys, why):
    rule = ListRule.model_validate_json(rule.model_dump_json(exclude_none=True, warnings=False))
    with pytest.raises(ListFileInvalid, match=why):
        list_finder(rule, content, keys)


def test_without_the_key_it_is_checked_as_far_as_that_goes():
    assert checked_list(RULE, CONTENT).header.key_id == KEY.id


def test_nothing_in_a_label_can_be_listed():
    listed = build_words(sorted(label_phrases("org.customers")), "customers", KEY, excluded=["redacted"])
    excluded = label_phrases("org.customers")
    assert {"redacted", "pii", "email", "redacted pii email", "customers", "org customers"} <= excluded
    assert any(engine(list_finder(RULE, listed, KEYS)).scan(f"[REDACTED:{kind}]") for kind in iter_kinds())
    with pytest.raises(ListFileInvalid, match="no entries"):
        build_words(sorted(excluded), "customers", KEY, excluded=excluded)


LONG = [
    dictionary(["Quxley Holdings", "Nightjar", "a a a"]),
    rows_finder(),
    passages_finder(),
]


@given(
    st.lists(
        st.sampled_from(
            ["Quxley ", "Holdings ", "Nightjar", " and so ", "Ana ", "+44 20 7946 0958, ", "a ", SECRET[:700], "\n"]
        ),
        max_size=40,
    ),
    st.integers(40, 900),
)
def test_a_long_text_read_in_blocks_gives_what_it_gives_at_once(pieces, block_chars):
    words = Words("".join(pieces))
    for finder in LONG:
        at_once = finder.find(words, 0, rewritten=False)
        in_blocks = [
            f for found in find_all([finder], words, 0, rewritten=False, block_chars=block_chars) for f in found
        ]
        assert in_blocks == at_once


def test_too_many_findings_are_refused_before_they_fill_the_memory():
    with pytest.raises(CouldNotInspect):
        engine(dictionary(["Nightjar"])).scan("Nightjar " * 200_000)
