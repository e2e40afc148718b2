"""Chat completions as Anthropic messages."""

import pytest

from outpost.errors import Untranslatable
from outpost.translation.answer_to_anthropic import answer_to_anthropic
from tests.outpost.translation.conversation import COMPLETION, MESSAGE, answering, valid


def translated(message=None, *, thoughts=False, finish="stop", **changes):
    choice = {"index": 0, "message": {"role": "assistant", **(message or {})}, "finish_reason": finish}
    return answer_to_anthropic({**COMPLETION, "choices": [choice], **changes}, answering(), thoughts=thoughts)


def test_an_answer_is_the_same_in_both_apis():
    made = answer_to_anthropic(valid("completion", COMPLETION), answering(), thoughts=False)
    assert valid("message", made) == MESSAGE


def test_thoughts_are_told_to_who_asked():
    said = {"content": "a", "reasoning": "hm", "reasoning_content": None}
    thinking = {"type": "thinking", "thinking": "hm", "signature": ""}
    text = {"type": "text", "text": "a"}
    assert valid("message", translated(said, thoughts=True))["content"] == [thinking, text]
    assert translated(said)["content"] == [text]


def test_members_of_a_providers_own_are_left_out():
    call = {**COMPLETION["choices"][0]["message"]["tool_calls"][0], "extra_content": {"signature": "s"}}
    made = translated({"content": None, "tool_calls": [call], "annotations": []}, provider="x")
    assert made["content"] == MESSAGE["content"][1:2]


def test_a_refusal_is_said_and_is_the_reason():
    made = valid("message", translated({"content": None, "refusal": "no"}, service_tier="default", usage=None))
    assert (made["content"], made["stop_reason"]) == ([{"type": "text", "text": "no"}], "refusal")


@pytest.mark.parametrize(
    ("message", "changes", "field"),
    [
        ({"audio": {"id": "a"}}, {}, "choices[0].message.audio"),
        ({"function_call": {"name": "f"}}, {}, "choices[0].message.function_call"),
        ({"annotations": [{"type": "url_citation"}]}, {}, "choices[0].message.annotations"),
        ({"content": 5}, {}, "choices[0].message.content"),
        (
            {"tool_calls": [{"id": "c", "type": "function", "function": {"name": "t", "arguments": "{"}}]},
            {},
            "choices[0].message.tool_calls[0].function.arguments",
        ),
        ({}, {"choices": []}, "choices"),
        ({}, {"choices": [{}, {}]}, "choices"),
        ({}, {"finish": "function_call"}, "choices[0].finish_reason"),
        ({}, {"model": None}, "model"),
    ],
)
def test_what_a_message_cannot_say_is_refused(message, changes, field):
    with pytest.raises(Untranslatable) as refused:
        translated(message, **changes)
    assert (refused.value.field, refused.value.code) == (field, "provider_invalid_response")
