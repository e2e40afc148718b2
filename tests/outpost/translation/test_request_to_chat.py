"""Requests for Anthropic messages as chat completions: each member's counterpart, and what is refused by name."""

import pytest

from outpost.errors import Untranslatable
from outpost.translation.request_to_chat import request_to_chat
from tests.outpost.translation.conversation import ANTHROPIC, CHAT, anthropic, asking, user, valid

LEAST = {"model": "m", "messages": [{"role": "user", "content": "x"}], "max_completion_tokens": 9}
TOOL = {"name": "t", "input_schema": {"type": "object"}}
MADE = [{"type": "function", "function": {"name": "t", "parameters": {"type": "object"}}}]


def translated(body):
    notes = asking()
    return request_to_chat(body, notes), notes.left_out


def test_a_conversation_is_the_same_in_both_apis():
    made, left_out = translated(ANTHROPIC)
    assert valid("chat request", made) == CHAT
    assert left_out == []


@pytest.mark.parametrize(
    ("asked", "made"),
    [
        ({}, {}),
        ({"system": ""}, {}),
        ({"stream": True}, {"stream": True, "stream_options": {"include_usage": True}}),
        ({"metadata": {"user_id": "u"}}, {"safety_identifier": "u"}),
        ({"metadata": {"user_id": None}}, {}),
        ({"tools": [TOOL]}, {"tools": MADE}),
        ({"tools": [{**TOOL, "type": "custom", "defer_loading": False}]}, {"tools": MADE}),
        (
            {"tools": [TOOL], "tool_choice": {"type": "auto", "disable_parallel_tool_use": True}},
            {"tools": MADE, "tool_choice": "auto", "parallel_tool_calls": False},
        ),
        (
            {"tools": [TOOL], "tool_choice": {"type": "tool", "name": "t"}},
            {"tools": MADE, "tool_choice": {"type": "function", "function": {"name": "t"}}},
        ),
        ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, {"reasoning_effort": "low"}),
        ({"thinking": {"type": "enabled", "budget_tokens": 5000}}, {"reasoning_effort": "medium"}),
        ({"thinking": {"type": "enabled", "budget_tokens": 32000}}, {"reasoning_effort": "high"}),
        ({"thinking": {"type": "adaptive"}, "output_config": {"effort": "max"}}, {"reasoning_effort": "max"}),
        ({"thinking": {"type": "disabled"}}, {}),
        (
            {"output_config": {"format": {"type": "json_schema", "schema": {"title": "not a name"}}}},
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "answer", "schema": {"title": "not a name"}, "strict": True},
                }
            },
        ),
    ],
)
def test_each_member_has_its_counterpart(asked, made):
    assert translated(anthropic(**asked))[0] == LEAST | made


def test_system_blocks_are_one_message():
    out, left_out = translated(
        anthropic(
            system=[
                {"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}},
                {"type": "text", "text": "b"},
            ]
        )
    )
    assert out["messages"][0] == {"role": "system", "content": [{"type": "text", "text": t} for t in "ab"]}
    assert left_out == ["system[0].cache_control"]


def test_what_means_nothing_there_is_left_out_and_named():
    out, left_out = translated(
        anthropic(
            user({"type": "text", "text": "x"}),
            service_tier="auto",
            cache_control={"type": "ephemeral"},
            metadata={"user_id": "u" * 65},
            thinking={"type": "adaptive", "display": "summarized"},
        )
    )
    assert out == LEAST
    assert left_out == ["thinking.display", "metadata.user_id", "cache_control", "service_tier"]


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"top_k": 5}, "top_k"),
        ({"stop_sequences": ["1", "2", "3", "4", "5"]}, "stop_sequences"),
        ({"stop_sequences": "END"}, "stop_sequences"),
        ({"inference_geo": "eu"}, "inference_geo"),
        ({"container": "c"}, "container"),
        ({"mcp_servers": [{"name": "a"}]}, "mcp_servers"),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "tools[0].type"),
        ({"tools": [{**TOOL, "input_examples": [{"a": 1}]}]}, "tools[0].input_examples"),
        ({"tools": [{**TOOL, "allowed_callers": ["code_execution_20250825"]}]}, "tools[0].allowed_callers"),
        ({"thinking": {"type": "between_tools"}}, "thinking.type"),
        ({"output_config": {"task_budget": {"type": "tokens", "total": 9}}}, "output_config.task_budget"),
        ({"output_config": {"effort": "lots"}}, "output_config.effort"),
        ({"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "It is"}]}, "messages"),
        ({"messages": [{"role": "user", "content": "x", "whisper": "y"}]}, "messages[0]"),
        ({"messages": {}}, "messages"),
        ({"messages": ["x"]}, "messages[0]"),
        ({"system": [{"type": "image"}]}, "system[0].type"),
        ({"an invented member": 1}, ""),
    ],
)
def test_what_cannot_be_said_is_refused_by_name(asked, field):
    with pytest.raises(Untranslatable) as refused:
        translated({**anthropic(), **asked})
    assert refused.value.field == field
    assert refused.value.code == "untranslatable"
    assert "invented" not in refused.value.message
