"""Anthropic messages as chat completions."""

import pytest

from outpost.errors import Untranslatable
from outpost.translation.answer_to_chat import answer_to_chat
from tests.outpost.translation.conversation import AT, COMPLETION, MESSAGE, answering, valid


def translated(**changes):
    return answer_to_chat({**MESSAGE, **changes}, answering(), AT)


def test_an_answer_is_the_same_in_both_apis():
    assert valid("completion", answer_to_chat(valid("message", MESSAGE), answering(), AT)) == COMPLETION


def test_texts_are_joined_and_thoughts_kept_apart():
    made = translated(
        content=[
            {"type": "thinking", "thinking": "hm", "signature": "s"},
            {"type": "redacted_thinking", "data": "d"},
            {"type": "text", "text": "a", "citations": None},
            {"type": "text", "text": "b"},
        ],
        stop_reason="end_turn",
        a_new_member={"x": 1},
    )
    message = valid("completion", made)["choices"][0]["message"]
    assert message == {"role": "assistant", "content": "ab", "refusal": None, "reasoning_content": "hm"}
    assert made["choices"][0]["finish_reason"] == "stop"


def test_a_refusal_says_why():
    made = translated(content=[], stop_reason="refusal", stop_details={"type": "refusal", "explanation": "no"})
    choice = valid("completion", made)["choices"][0]
    assert choice["finish_reason"] == "content_filter"
    assert choice["message"] == {"role": "assistant", "content": None, "refusal": "no"}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"content": [{"type": "server_tool_use", "id": "s"}]}, "content[0].type"),
        ({"content": [{"type": "text", "text": "a", "citations": [{"cited_text": "b"}]}]}, "content[0].citations"),
        ({"content": "a"}, "content"),
        ({"stop_reason": "pause_turn"}, "stop_reason"),
        ({"usage": None}, "usage"),
        ({"id": None}, "id"),
        ({"type": "error"}, "type"),
    ],
)
def test_what_a_completion_cannot_say_is_refused(changes, field):
    with pytest.raises(Untranslatable) as refused:
        translated(**changes)
    assert (refused.value.field, refused.value.code) == (field, "provider_invalid_response")
