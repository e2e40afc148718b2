"""Requests for chat completions as Anthropic's: each member's counterpart, and what is refused by name."""

import pytest

from outpost.errors import Untranslatable
from outpost.translation.request_to_anthropic import DEFAULT_MAX_TOKENS, request_to_anthropic
from tests.outpost.translation.conversation import ANTHROPIC, CHAT, asking, chat, user, valid

MESSAGES = [{"role": "user", "content": "x"}]
LEAST = {"model": "m", "messages": MESSAGES, "max_tokens": DEFAULT_MAX_TOKENS}
TOOL = {"type": "function", "function": {"name": "t"}}
MADE = [{"name": "t", "input_schema": {"type": "object", "properties": {}}}]


def translated(body):
    notes = asking()
    return request_to_anthropic(body, notes), notes.left_out


def test_a_conversation_is_the_same_in_both_apis():
    made, left_out = translated(valid("chat request", CHAT))
    assert valid("message request", made) == ANTHROPIC
    assert left_out == []


@pytest.mark.parametrize(
    ("asked", "made"),
    [
        ({}, {}),
        ({"max_tokens": 5}, {"max_tokens": 5}),
        ({"max_tokens": 5, "max_completion_tokens": 5}, {"max_tokens": 5}),
        ({"temperature": 0, "top_p": None}, {"temperature": 0}),
        ({"stop": "END"}, {"stop_sequences": ["END"]}),
        ({"stop": None, "n": 1, "logit_bias": {}, "presence_penalty": 0.0, "modalities": ["text"]}, {}),
        ({"stream": True, "stream_options": {"include_usage": True}}, {"stream": True}),
        ({"stream": False}, {}),
        ({"user": "u"}, {"metadata": {"user_id": "u"}}),
        ({"user": "u", "safety_identifier": "u"}, {"metadata": {"user_id": "u"}}),
        ({"tools": [TOOL]}, {"tools": MADE}),
        ({"tools": [TOOL], "tool_choice": "none"}, {"tools": MADE, "tool_choice": {"type": "none"}}),
        (
            {"tools": [TOOL], "parallel_tool_calls": False},
            {"tools": MADE, "tool_choice": {"type": "auto", "disable_parallel_tool_use": True}},
        ),
        ({"tools": [TOOL], "parallel_tool_calls": True}, {"tools": MADE}),
        (
            {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "t"}}},
            {"tools": MADE, "tool_choice": {"type": "tool", "name": "t"}},
        ),
        ({"tool_choice": "none", "tools": []}, {}),
        ({"reasoning_effort": "none"}, {"thinking": {"type": "disabled"}}),
        ({"reasoning_effort": "minimal"}, {"output_config": {"effort": "low"}}),
        ({"response_format": {"type": "text"}}, {}),
        (
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "n", "description": "d", "schema": {"type": "object"}},
                }
            },
            {
                "output_config": {
                    "format": {
                        "type": "json_schema",
                        "schema": {"type": "object", "title": "n", "description": "d"},
                    }
                }
            },
        ),
    ],
)
def test_each_member_has_its_counterpart(asked, made):
    assert translated(chat(**asked))[0] == LEAST | made


@pytest.mark.parametrize(
    ("messages", "system", "made"),
    [
        (["developer:a", "user:x"], "a", ["user:x"]),
        (
            ["system:a", "developer:b", "user:x"],
            [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
            ["user:x"],
        ),
        (["user:x", "developer:b", "user:y"], None, ["user:x", "system:b", "user:y"]),
        (["user:x", "assistant:", "user:y"], None, ["user:x", "user:y"]),
    ],
)
def test_system_prompts_stay_where_they_were(messages, system, made):
    def spoken(lines):
        return [{"role": role, "content": text} for role, _, text in (line.partition(":") for line in lines)]

    out, _ = translated(chat(*spoken(messages)))
    assert (out.get("system"), out["messages"]) == (system, spoken(made))


def test_what_means_nothing_there_is_left_out_and_named():
    body = chat(
        user({"type": "image_url", "image_url": {"url": "https://e.org/a", "detail": "low"}}),
        {"role": "assistant", "content": "a", "reasoning_content": "hm", "refusal": None, "tool_calls": None},
        user({"type": "text", "text": "x", "prompt_cache_breakpoint": {"mode": "explicit"}}),
        seed=1,
        store=True,
        metadata={"a": "b"},
        user="u",
        safety_identifier="s",
        response_format={"type": "json_schema", "json_schema": {"name": "n", "schema": {"title": "t"}}},
    )
    out, left_out = translated(body)
    assert out["metadata"] == {"user_id": "s"}
    assert left_out == [
        "messages[0].content[0].image_url.detail",
        "messages[1].reasoning_content",
        "messages[2].content[0].prompt_cache_breakpoint",
        "response_format.json_schema.name",
        "user",
        "metadata",
        "seed",
        "store",
    ]


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"temperature": 1.5}, "temperature"),
        ({"temperature": True}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"n": 2}, "n"),
        ({"n": True}, "n"),
        ({"logprobs": True}, "logprobs"),
        ({"logit_bias": {"5": 1}}, "logit_bias"),
        ({"frequency_penalty": 0.1}, "frequency_penalty"),
        ({"functions": [{"name": "f"}]}, "functions"),
        ({"verbosity": "low"}, "verbosity"),
        ({"stop": 5}, "stop"),
        ({"stop": [5]}, "stop"),
        ({"max_tokens": 5, "max_completion_tokens": 6}, "max_tokens"),
        ({"max_tokens": -5}, "max_tokens"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tool_choice": {"type": "allowed_tools", "allowed_tools": {}}}, "tool_choice.type"),
        ({"tools": [{"type": "custom", "custom": {"name": "c"}}]}, "tools[0].type"),
        ({"tools": [{"type": "function"}]}, "tools[0].function"),
        ({"tools": "all"}, "tools"),
        ({"response_format": {"type": "json_object"}}, "response_format.type"),
        (
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "n", "description": "a", "schema": {"description": "b"}},
                }
            },
            "response_format.json_schema.description",
        ),
        ({"stream": "yes"}, "stream"),
        ({"model": 5}, "model"),
        ({"messages": [{"role": "user", "content": "x", "name": "Bob"}]}, "messages[0].name"),
        ({"messages": [{"role": "function", "content": "x"}]}, "messages[0].role"),
        ({"messages": [*MESSAGES, {"role": "assistant", "content": "The answer is"}]}, "messages"),
        ({"messages": [{"role": "user", "content": "x", "whisper": "y"}]}, "messages[0]"),
        ({"an invented member": 1}, ""),
    ],
)
def test_what_cannot_be_said_is_refused_by_name(asked, field):
    with pytest.raises(Untranslatable) as refused:
        translated({**chat(), **asked})
    assert refused.value.field == field
    assert refused.value.code == "untranslatable"
    assert "invented" not in refused.value.message
    assert "whisper" not in refused.value.message
