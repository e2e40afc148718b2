"""A request for an Anthropic message as one for a chat completion.

Left out is what only steers caches, accounts and costs; what steers the answer is translated or refused.
Source: Anthropic API reference, /v1/messages; OpenAI API reference, /v1/chat/completions. Table: docs/translation.md.
"""

import re
from typing import Any, Final

from outpost.translation.content_to_chat import assistant_message, plain, text_parts, user_messages
from outpost.translation.reading import Members, Notes

MAX_STOPS: Final = 4  # OpenAI API reference, StopConfiguration
MAX_IDENTIFIER: Final = 64  # likewise, safety_identifier
_LEFT_OUT: Final = ("cache_control", "service_tier")
_NO_COUNTERPART: Final[dict[str, tuple[Any, ...]]] = {
    "container": (),
    "context_management": (),
    "diagnostics": (),
    "fallback_credit_token": (),
    "fallbacks": (),
    "inference_geo": (),
    "mcp_servers": (),
    "output_format": (),
    "speed": ("standard",),
    "top_k": (),
    "user_profile_id": (),
    "workspace_id": (),
}
_CHOICES: Final = {"auto": "auto", "none": "none", "any": "required"}
_EFFORTS: Final = ("low", "medium", "high", "xhigh", "max")
_SCHEMA_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")  # OpenAI API reference, response_format.json_schema.name
_UNNAMED: Final = "answer"
# Tokens of thought that a budget is at least, to the effort that stands for it: a convention of this translation, in
# steps of four from 1,024, the least that Anthropic's API takes.
_BUDGETS: Final = ((16_384, "high"), (4_096, "medium"), (0, "low"))


def request_to_chat(body: Any, notes: Notes) -> dict[str, Any]:
    """The request for a chat completion; a streamed one asks for the usage, which Anthropic's clients expect.

    Raises:
        Untranslatable: Something in it has no counterpart.
    """
    request = Members(body, "", notes)
    out: dict[str, Any] = {"model": request.text("model"), "messages": _messages(request)}
    limit = request.whole("max_tokens")
    out |= {} if limit is None else {"max_completion_tokens": limit}
    out |= _sampling(request) | _tools(request) | _output(request)
    metadata = request.object("metadata")
    if metadata:
        user = metadata.text_or_none("user_id")
        metadata.close()
        if user and len(user) <= MAX_IDENTIFIER:
            out["safety_identifier"] = user
        elif user:
            notes.left_out.append("metadata.user_id")
    if request.flag("stream"):
        out |= {"stream": True, "stream_options": {"include_usage": True}}
    request.leave_out(*_LEFT_OUT)
    for name, harmless in _NO_COUNTERPART.items():
        request.only(name, *harmless, why="has no counterpart in chat completions")
    request.close()
    return out


def _messages(request: Members) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = []
    system = text_parts(request, "system")
    if system:
        messages.append({"role": "system", "content": plain(system)})
    role = ""
    for message in request.objects("messages"):
        role = message.word("role", ("user", "assistant", "system"))
        if role == "user":
            messages += user_messages(message)
        elif role == "assistant":
            made = assistant_message(message)
            messages += [made] if made else []
        else:
            messages.append({"role": "system", "content": plain(text_parts(message))})
        message.close()
    if role == "assistant":
        request.refuse("messages", "must not end with the assistant: chat completions would not continue its words")
    return messages


def _sampling(request: Members) -> dict[str, Any]:
    stops = request.any("stop_sequences")
    if stops is not None and not (isinstance(stops, list) and all(isinstance(item, str) for item in stops)):
        request.refuse("stop_sequences", "must be an array of strings")
    if stops and len(stops) > MAX_STOPS:
        request.refuse("stop_sequences", f"must be {MAX_STOPS} at most in chat completions")
    out = {"temperature": request.number("temperature"), "top_p": request.number("top_p"), "stop": stops or None}
    return {name: value for name, value in out.items() if value is not None}


def _tools(request: Members) -> dict[str, Any]:
    tools = [_tool(tool) for tool in request.objects("tools")]
    choice = request.object("tool_choice")
    out: dict[str, Any] = {"tools": tools} if tools else {}
    if choice is None:
        return out
    kind = choice.word("type", (*_CHOICES, "tool"))
    if kind == "tool":
        out["tool_choice"] = {"type": "function", "function": {"name": choice.text("name")}}
    elif tools:
        out["tool_choice"] = _CHOICES[kind]
    if choice.flag("disable_parallel_tool_use") and tools:
        out["parallel_tool_calls"] = False
    choice.close()
    return out


def _tool(tool: Members) -> dict[str, Any]:
    tool.only("type", "custom", why="is a tool of the provider's own")
    tool.only("allowed_callers", ["direct"], why="must be 'direct'")
    tool.only("defer_loading", False, why="has no counterpart in chat completions")
    tool.only("input_examples", why="has no counterpart in chat completions")
    tool.leave_out("cache_control", "eager_input_streaming")
    function: dict[str, Any] = {"name": tool.text("name")}
    description = tool.text_or_none("description")
    function |= {"description": description} if description else {}
    function["parameters"] = tool.mapping("input_schema")
    function |= {"strict": True} if tool.flag("strict") else {}
    tool.close()
    return {"type": "function", "function": function}


def _output(request: Members) -> dict[str, Any]:
    """How hard to think, and the shape of the answer. A stated effort weighs more than a budget."""
    out: dict[str, Any] = {}
    thinking = request.object("thinking")
    if thinking:
        kind = thinking.word("type", ("adaptive", "disabled", "enabled"))
        budget = thinking.whole("budget_tokens")
        thinking.leave_out("display")
        thinking.close()
        if kind == "enabled" and budget is not None:
            out["reasoning_effort"] = next(effort for least, effort in _BUDGETS if budget >= least)
    config = request.object("output_config")
    if config is None:
        return out
    if config.any("effort") is not None:
        out["reasoning_effort"] = config.word("effort", _EFFORTS)
    shape = config.object("format")
    if shape:
        shape.word("type", ("json_schema",))
        schema = shape.mapping("schema")
        title = schema.get("title")
        name = title if isinstance(title, str) and _SCHEMA_NAME.fullmatch(title) else _UNNAMED
        wanted = {"name": name, "schema": schema, "strict": True}
        out["response_format"] = {"type": "json_schema", "json_schema": wanted}
        shape.close()
    config.only("task_budget", why="has no counterpart in chat completions")
    config.close()
    return out
