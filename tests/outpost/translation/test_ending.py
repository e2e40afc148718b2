"""Reasons and counts, in either API's words."""

from typing import get_args

import pytest
from anthropic.types import StopReason
from openai.types.chat.chat_completion import Choice

from outpost.errors import Untranslatable
from outpost.translation.ending import (
    FINISH_REASONS,
    STOP_REASONS,
    anthropic_usage,
    chat_usage,
    finish_reason,
    stop_reason,
)
from outpost.translation.reading import Members
from tests.outpost.translation.conversation import COMPLETION, MESSAGE, answering


def members(value):
    return Members(value, "usage", answering())


def test_every_reason_of_either_api_is_known_or_refused():
    # An unfinished turn of the provider's own tools; a function of the API before tools.
    assert set(get_args(StopReason)) - FINISH_REASONS.keys() == {"pause_turn"}
    assert set(get_args(Choice.model_fields["finish_reason"].annotation)) - STOP_REASONS.keys() == {"function_call"}
    for name, how in (
        ("stop_reason", finish_reason),
        ("finish_reason", lambda m: stop_reason(m, called=False, refused=False)),
    ):
        for reason in ("pause_turn", "function_call", None, 5, []):
            with pytest.raises(Untranslatable, match=name):
                how(members({name: reason}))


@pytest.mark.parametrize(
    ("finish", "called", "refused", "stop"),
    [
        ("stop", False, False, "end_turn"),
        ("stop", True, False, "tool_use"),
        ("stop", False, True, "refusal"),
        ("length", True, False, "max_tokens"),
        ("content_filter", False, False, "refusal"),
    ],
)
def test_a_reason_says_what_happened(finish, called, refused, stop):
    assert stop_reason(members({"finish_reason": finish}), called=called, refused=refused) == stop


def test_counts_add_up_in_both():
    assert chat_usage(members(MESSAGE["usage"])) == COMPLETION["usage"]
    assert anthropic_usage(members(COMPLETION["usage"])) == MESSAGE["usage"]
    assert chat_usage(members({"output_tokens": 3}))["total_tokens"] == 3
    assert anthropic_usage(None) == {"input_tokens": 0, "output_tokens": 0}


@pytest.mark.parametrize("count", [-1, 1.5, "1", True])
def test_a_count_is_a_whole_number(count):
    with pytest.raises(Untranslatable, match=r"usage\.input_tokens"):
        chat_usage(members({"input_tokens": count}))
    with pytest.raises(Untranslatable, match=r"usage\.prompt_tokens"):
        anthropic_usage(members({"prompt_tokens": count}))


def test_no_more_is_cached_than_was_sent():
    with pytest.raises(Untranslatable, match="prompt_tokens_details"):
        anthropic_usage(members({"prompt_tokens": 1, "prompt_tokens_details": {"cached_tokens": 2}}))
