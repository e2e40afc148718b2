import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outpost.dlp.custom import MAX_PATTERN_CHARS, RuleInvalid, compile_rule, estimate_cost
from outpost.dlp.detector import Detector
from outpost.dlp.engine import Engine


@pytest.mark.parametrize(
    "pattern", [r"\bPRJ-[0-9]{4}\b", r"(?i)project\s+(falcon|heron)", "caf\xe9-[a-z]+", "(a+)+@acme"]
)
def test_a_good_rule_finds_what_it_describes(pattern):
    rule = compile_rule(pattern)
    engine = Engine([Detector(name="rule", kind="custom.rule", pattern=rule.pattern, base_score=0.9)])
    assert engine.scan("see PRJ-2024, Project Falcon, caf\xe9-noir, aaa@acme!")


@pytest.mark.parametrize(
    ("pattern", "reason", "position"),
    [
        ("abc(def", "syntax", 0),
        ("abc[def", "syntax", 3),
        ("abc**", "syntax", 3),
        ("a(?=b)", "unsupported", 2),
        ("x(?<!y)z", "unsupported", 1),
        (r"(a)\1", "unsupported", 3),
        ("ab{2000}", "too_expensive", 2),
        ("(?:a{100}){100}", "too_expensive", None),
        ("x" * (MAX_PATTERN_CHARS + 1), "too_long", MAX_PATTERN_CHARS),
        ("ab\u5361", "not_latin1", 2),
        ("a*", "matches_empty", None),
        ("[a-z]+", "matches_everything", None),
    ],
)
def test_a_bad_rule_is_refused_with_a_reason_and_a_place(pattern, reason, position):
    with pytest.raises(RuleInvalid) as caught:
        compile_rule(pattern)
    assert caught.value.reason == reason
    if position is not None:
        assert caught.value.position is not None


def test_the_cost_grows_with_what_is_repeated():
    assert estimate_cost("a{200}b").instructions > estimate_cost("a{20}b").instructions
    assert estimate_cost("PRJ-[0-9]+").has_literal
    assert not estimate_cost("[0-9]+x").has_literal


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="ab01()[]{}|*+?\\\\^$.,:<=!PdswbQExé\u5361", max_size=40))
def test_any_pattern_is_compiled_or_refused_with_the_typed_error(pattern):
    refused = None
    try:
        assert compile_rule(pattern).cost.instructions > 0
    except RuleInvalid as err:
        refused = err
    assert refused is None or refused.position is None or 0 <= refused.position <= len(pattern)
