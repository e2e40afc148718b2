"""A request for a chat completion as one for an Anthropic message.

Left out is what only steers caches, accounts and costs; what steers the answer is translated or refused.
Source: OpenAI API reference, /v1/chat/completions; Anthropic API reference, /v1/messages. Table: docs/translation.md.
"""

from typing import Any, Final

from outpost.translation.content_to_anthropic import Blocks, assistant_blocks, text_blocks, tool_result, user_blocks
from outpost.translation.reading import Members, Notes

DEFAULT_MAX_TOKENS: Final = 4096  # the least of all models' longest answers (Claude 3): every model takes it

_LEFT_OUT: Final = (
    "metadata",
    "prediction",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "seed",
    "service_tier",
    "store",
)
# Members that steer the answer and have no counterpart, with the values that ask for what happens anyway.
_NO_COUNTERPART: Final[dict[str, tuple[Any, ...]]] = {
    "audio": (),
    "frequency_penalty": (0, 0.0),
    "function_call": (),
    "functions": (),
    "logit_bias": (),
    "logprobs": (False,),
    "modalities": (["text"],),
    "moderation": (),
    "n": (1,),
    "presence_penalty": (0, 0.0),
    "top_logprobs": (0,),
    "verbosity": ("medium",),
    "web_search_options": (),
}
_EFFORTS: Final = {"minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "xhigh", "max": "max"}
_CHOICES: Final = {"auto": "auto", "none": "none", "required": "any"}


def request_to_anthropic(body: Any, notes: Notes, default_max_tokens: int = DEFAULT_MAX_TOKENS) -> dict[str, Any]:
    """The request for a message; ``default_max_tokens`` bounds the answer if the client does not.

    Raises:
        Untranslatable: Something in it has no counterpart.
    """
    request = Members(body, "", notes)
    out: dict[str, Any] = {"model": request.text("model"), "max_tokens": _max_tokens(request, default_max_tokens)}
    system, out["messages"] = _messages(request)
    if system:
        out["system"] = system
    out |= _sampling(request) | _tools(request) | _output(request)
    user, safety = request.text_or_none("user"), request.text_or_none("safety_identifier")
    if user or safety:
        out["metadata"] = {"user_id": safety or user}
    if user and safety and user != safety:
        notes.left_out.append("user")
    options = request.object("stream_options")
    if options:
        options.flag("include_usage")
        options.leave_out("include_obfuscation")
        options.close()
    if request.flag("stream"):
        out["stream"] = True
    request.leave_out(*_LEFT_OUT)
    for name, harmless in _NO_COUNTERPART.items():
        request.only(name, *harmless, why="has no counterpart in Anthropic's API")
    request.close()
    return out


def _max_tokens(request: Members, default: int) -> int:
    old, new = request.whole("max_tokens"), request.whole("max_completion_tokens")
    if old is not None and new is not None and old != new:
        request.refuse("max_tokens", "contradicts 'max_completion_tokens'")
    given = old if new is None else new
    return default if given is None else given


def _messages(request: Members) -> tuple[str | Blocks, list[dict[str, Any]]]:
    """What comes before the conversation, and the conversation."""
    system: list[str | Blocks] = []
    messages: list[dict[str, Any]] = []
    role = ""
    for message in request.objects("messages"):
        previous, role = role, message.word("role", ("system", "developer", "user", "assistant", "tool"))
        message.only("name", why="has no counterpart in Anthropic's API")
        if role in {"system", "developer"}:
            content = message.any("content")
            said = content if isinstance(content, str) else text_blocks(message)
            if messages and said:
                messages.append({"role": "system", "content": said})
            elif said:
                system.append(said)
        elif role == "assistant":
            blocks = assistant_blocks(message)
            messages += [{"role": "assistant", "content": blocks}] if blocks else []
        elif role == "tool":
            result = tool_result(message)
            if previous == "tool":  # Anthropic wants all results of one turn in one message
                messages[-1]["content"].append(result)
            else:
                messages.append({"role": "user", "content": [result]})
        else:
            messages.append({"role": "user", "content": user_blocks(message)})
        message.close()
    if role == "assistant":
        request.refuse("messages", "must not end with the assistant: Anthropic's API would continue its words")
    return system[0] if len(system) == 1 else _joined(system), messages


def _joined(parts: list[str | Blocks]) -> Blocks:
    blocks: Blocks = []
    for part in parts:
        blocks += [{"type": "text", "text": part}] if isinstance(part, str) else part
    return blocks


def _sampling(request: Members) -> dict[str, Any]:
    temperature, top_p = request.number("temperature"), request.number("top_p")
    if temperature is not None and not 0 <= temperature <= 1:
        request.refuse("temperature", "must be from 0 to 1 in Anthropic's API")
    stop = request.any("stop")
    sequences = [stop] if isinstance(stop, str) else stop
    if sequences is not None and not (isinstance(sequences, list) and all(isinstance(item, str) for item in sequences)):
        request.refuse("stop", "must be a string or an array of strings")
    out = {"temperature": temperature, "top_p": top_p, "stop_sequences": sequences or None}
    return {name: value for name, value in out.items() if value is not None}


def _tools(request: Members) -> dict[str, Any]:
    tools = [_tool(tool) for tool in request.objects("tools")]
    choice = _tool_choice(request)
    if request.flag("parallel_tool_calls") is False and choice.get("type") != "none":
        choice = {"type": "auto", **choice, "disable_parallel_tool_use": True}
    if not tools:
        if choice.get("type") in {"any", "tool"}:
            request.refuse("tool_choice", "asks for a tool, and there is none")
        return {}
    return {"tools": tools} | ({"tool_choice": choice} if choice else {})


def _tool(tool: Members) -> dict[str, Any]:
    tool.word("type", ("function",))
    function = tool.object("function") or tool.refuse("function", "must be an object")
    parameters = function.any("parameters")
    out: dict[str, Any] = {"name": function.text("name")}
    description, strict = function.text_or_none("description"), function.flag("strict")
    out |= {"description": description} if description else {}
    out["input_schema"] = function.mapping("parameters") if parameters else {"type": "object", "properties": {}}
    out |= {"strict": True} if strict else {}
    function.close()
    tool.close()
    return out


def _tool_choice(request: Members) -> dict[str, Any]:
    choice = request.any("tool_choice")
    if choice is None:
        return {}
    if not isinstance(choice, dict):
        return {"type": _CHOICES[request.word("tool_choice", _CHOICES)]}
    named = Members(choice, "tool_choice", request.notes)
    named.word("type", ("function",))
    function = named.object("function") or named.refuse("function", "must be an object")
    out = {"type": "tool", "name": function.text("name")}
    function.close()
    named.close()
    return out


def _output(request: Members) -> dict[str, Any]:
    out: dict[str, Any] = {}
    config: dict[str, Any] = {}
    if request.any("reasoning_effort") is not None:
        effort = request.word("reasoning_effort", (*_EFFORTS, "none"))
        if effort == "none":
            out["thinking"] = {"type": "disabled"}
        else:
            config["effort"] = _EFFORTS[effort]
    shape = request.object("response_format")
    if shape and shape.word("type", ("text", "json_schema")) == "json_schema":
        config["format"] = _json_schema(shape.object("json_schema") or shape.refuse("json_schema", "must be an object"))
    if shape:
        shape.close()
    return out | ({"output_config": config} if config else {})


def _json_schema(wanted: Members) -> dict[str, Any]:
    """The schema; its name and description go into it, where the model reads them."""
    schema = dict(wanted.mapping("schema"))
    for theirs, ours in (("name", "title"), ("description", "description")):
        said = wanted.text_or_none(theirs)
        if said and schema.setdefault(ours, said) != said:
            if theirs == "description":
                wanted.refuse(theirs, "differs from the schema's own description")
            wanted.notes.left_out.append(wanted.at(theirs))
    wanted.flag("strict")
    wanted.close()
    return {"type": "json_schema", "schema": schema}
