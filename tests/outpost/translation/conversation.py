"""The same conversation in both APIs, with everything that both can say, and how to compare and validate bodies."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import get_args, is_typeddict

from anthropic.types import Message, RawMessageStreamEvent
from anthropic.types.message_create_params import MessageCreateParams
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.chat.completion_create_params import CompletionCreateParams
from pydantic import TypeAdapter
from pydantic_core import SchemaValidator

from outpost.protocol.codes import ErrorCode
from outpost.translation.reading import Notes

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
CREATED = 1767323045
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
PDF = "JVBERi0xLjQK"
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}

CHAT = {
    "model": "m",
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Where?"}, {"type": "text", "text": "And why?"}]},
        {
            "role": "assistant",
            "content": "I look.",
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Ulm"}'}},
                {"id": "c2", "type": "function", "function": {"name": "weather", "arguments": "{}"}},
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "rain"},
        {"role": "tool", "tool_call_id": "c2", "content": "sun"},
        {
            "role": "user",
            "content": [
                {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}},
                {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}},
                {"type": "file", "file": {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PDF}"}},
            ],
        },
        {"role": "system", "content": "Now be long."},
        {"role": "user", "content": "Go on."},
    ],
    "max_completion_tokens": 99,
    "temperature": 0.5,
    "top_p": 0.9,
    "stop": ["END"],
    "tools": [
        {
            "type": "function",
            "function": {"name": "weather", "description": "looks", "parameters": SCHEMA, "strict": True},
        }
    ],
    "tool_choice": "required",
    "parallel_tool_calls": False,
    "reasoning_effort": "high",
    "response_format": {
        "type": "json_schema",
        "json_schema": {"name": "city", "schema": {"title": "city", **SCHEMA}, "strict": True},
    },
    "safety_identifier": "u-1",
}
ANTHROPIC = {
    "model": "m",
    "max_tokens": 99,
    "system": "Be brief.",
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "Where?"}, {"type": "text", "text": "And why?"}]},
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "I look."},
                {"type": "tool_use", "id": "c1", "name": "weather", "input": {"city": "Ulm"}},
                {"type": "tool_use", "id": "c2", "name": "weather", "input": {}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "c1", "content": "rain"},
                {"type": "tool_result", "tool_use_id": "c2", "content": "sun"},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}},
                {"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}},
                {
                    "type": "document",
                    "source": {"type": "base64", "media_type": "application/pdf", "data": PDF},
                    "title": "a.pdf",
                },
            ],
        },
        {"role": "system", "content": "Now be long."},
        {"role": "user", "content": "Go on."},
    ],
    "temperature": 0.5,
    "top_p": 0.9,
    "stop_sequences": ["END"],
    "tools": [{"name": "weather", "description": "looks", "input_schema": SCHEMA, "strict": True}],
    "tool_choice": {"type": "any", "disable_parallel_tool_use": True},
    "output_config": {"effort": "high", "format": {"type": "json_schema", "schema": {"title": "city", **SCHEMA}}},
    "metadata": {"user_id": "u-1"},
}
COMPLETION = {
    "id": "x1",
    "object": "chat.completion",
    "created": CREATED,
    "model": "m",
    "choices": [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": "I look.",
                "refusal": None,
                "tool_calls": CHAT["messages"][2]["tool_calls"],
            },
            "logprobs": None,
            "finish_reason": "tool_calls",
        }
    ],
    "usage": {
        "prompt_tokens": 12,
        "completion_tokens": 7,
        "total_tokens": 19,
        "prompt_tokens_details": {"cached_tokens": 5, "cache_write_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 2},
    },
}
MESSAGE = {
    "id": "x1",
    "type": "message",
    "role": "assistant",
    "model": "m",
    "content": ANTHROPIC["messages"][1]["content"],
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "usage": {
        "input_tokens": 3,
        "cache_creation_input_tokens": 4,
        "cache_read_input_tokens": 5,
        "output_tokens": 7,
        "output_tokens_details": {"thinking_tokens": 2},
    },
}

_TYPES = {
    "completion": ChatCompletion,
    "chunk": ChatCompletionChunk,
    "message": Message,
    "event": RawMessageStreamEvent,
    "chat request": CompletionCreateParams,
    "message request": MessageCreateParams,
}


def valid(kind, body):
    """``body``, after the official SDK's type of this kind took it."""
    _VALIDATORS[kind].validate_json(json.dumps(body))
    return body


def _strict(schema):
    """A schema that looks at the items of an ``Iterable`` at once, not when they are asked for."""
    if isinstance(schema, Mapping):
        kind = {"type": "list"} if schema.get("type") == "generator" else {}
        return {name: _strict(value) for name, value in schema.items()} | kind
    if isinstance(schema, list | tuple):
        return type(schema)(_strict(item) for item in schema)
    return schema


def _validator(made):
    adapter = TypeAdapter(made)
    if is_typeddict(get_args(made)[0] if get_args(made) else made):
        return SchemaValidator(_strict(adapter.core_schema))
    return adapter


_VALIDATORS = {kind: _validator(made) for kind, made in _TYPES.items()}


def asking():
    return Notes(ErrorCode.UNTRANSLATABLE)


def answering():
    return Notes(ErrorCode.PROVIDER_INVALID_RESPONSE, strict=False)


def chat(*messages, **more):
    return {"model": "m", "messages": [*messages] or [{"role": "user", "content": "x"}], **more}


def anthropic(*messages, **more):
    return {"max_tokens": 9, **chat(*messages, **more)}


def user(*content):
    return {"role": "user", "content": [*content]}


def assistant(*content):
    return {"role": "assistant", "content": [*content]}
