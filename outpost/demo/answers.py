"""What the stand-in provider says: a chat request's bytes in, OpenAI-shaped answers out. Pure.

Answers are echoes, so that a test can plant any text in a completion:
``SAY:<text>`` as the last user message is answered with exactly ``<text>``; with ``tools`` given, a last user
message that contains ``use the tool`` is answered with a call of the tool, whose arguments are exactly what
follows ``ARGS:`` if that is there. Everything else is answered with ``You said: ...``.

Shapes: https://platform.openai.com/docs/api-reference/chat (object, streaming).
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from outpost.errors import Rejected
from outpost.protocol.codes import ErrorCode

SAY = "SAY:"
USE_THE_TOOL = "use the tool"
ARGS = "ARGS:"

DELTA_CHARACTERS = 5  # a token is about four characters; five cuts a card number, a key or a word in several places
CHARACTERS_PER_TOKEN = 4  # OpenAI's own rule of thumb for English text
MAX_CHOICES = 128  # the API's own limit of ``n``
SYSTEM_FINGERPRINT = "fp_standin0001"
DONE = b"data: [DONE]\n\n"

Json = dict[str, Any]


class InvalidChat(Rejected):
    """The request is not a chat completion request. ``param`` names the wrong field, as OpenAI's errors do."""

    def __init__(self, message: str, param: str | None = None) -> None:
        super().__init__(ErrorCode.INVALID_REQUEST, message)
        self.param = param


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """The parts of a chat completion request that shape the answer."""

    model: str
    messages: tuple[Mapping[str, Any], ...]
    stream: bool = False
    include_usage: bool = False
    n: int = 1
    tools: tuple[Mapping[str, Any], ...] = ()
    chosen_tool: str | None = None
    max_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call of a function tool; ``arguments`` is the exact text, usually but not necessarily JSON."""

    id: str
    name: str
    arguments: str

    def as_json(self) -> Json:
        return {"id": self.id, "type": "function", "function": {"name": self.name, "arguments": self.arguments}}


@dataclass(frozen=True, slots=True)
class Answer:
    """What every choice of the completion says."""

    text: str | None
    finish_reason: str
    tool_calls: tuple[ToolCall, ...] = ()


@dataclass(frozen=True, slots=True)
class Stamp:
    """What differs between two answers to the same request. ``created`` is in Unix seconds."""

    completion_id: str
    request_id: str
    created: int
    service_tier: str = "default"


def parse_chat(body: bytes) -> ChatRequest:
    """Read a request body.

    Raises:
        InvalidChat: It is not JSON, or one of the fields read here has the wrong type.
    """
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError) as err:
        raise InvalidChat("We could not parse the JSON body of your request.") from err
    if not isinstance(fields, dict):
        raise InvalidChat("The body must be a JSON object.")
    model = fields.get("model")
    if not isinstance(model, str) or not model:
        raise InvalidChat("you must provide a model parameter", "model")
    options = fields.get("stream_options")
    return ChatRequest(
        model=model,
        messages=_objects(fields, "messages", required=True),
        stream=fields.get("stream") is True,
        include_usage=isinstance(options, dict) and options.get("include_usage") is True,
        n=_whole(fields, "n", 1, MAX_CHOICES) or 1,
        tools=_objects(fields, "tools", required=False),
        chosen_tool=_chosen_tool(fields.get("tool_choice")),
        max_tokens=_whole(fields, "max_completion_tokens", 1, 1 << 31) or _whole(fields, "max_tokens", 1, 1 << 31),
    )


def answer(request: ChatRequest) -> Answer:
    """The answer to ``request``; the same for the same request."""
    last = request.messages[-1]
    said = text_of(last)
    if last.get("role") == "tool":
        return _limited(f"The tool said: {said}", request.max_tokens)
    if request.tools and last.get("role") == "user" and USE_THE_TOOL in said:
        return Answer(None, "tool_calls", (_tool_call(request, said),))
    user = next((message for message in reversed(request.messages) if message.get("role") == "user"), last)
    said = text_of(user)
    if said.startswith(SAY):
        return _limited(said.removeprefix(SAY), request.max_tokens)
    images = _image_count(user)
    seen = f" [{images} image{'s' if images > 1 else ''}]" if images else ""
    return _limited(f"You said: {said}{seen}", request.max_tokens)


def text_of(message: Mapping[str, Any]) -> str:
    """The text of a message: its string content, or its text parts joined without anything between them."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    return "".join(part["text"] for part in content if isinstance(part, dict) and isinstance(part.get("text"), str))


def completion(request: ChatRequest, said: Answer, stamp: Stamp) -> Json:
    """The ``chat.completion`` object."""
    message: Json = {"role": "assistant", "content": said.text, "refusal": None, "annotations": []}
    if said.tool_calls:
        message["tool_calls"] = [call.as_json() for call in said.tool_calls]
    return {
        "id": stamp.completion_id,
        "object": "chat.completion",
        "created": stamp.created,
        "model": request.model,
        "choices": [
            {"index": index, "message": message, "logprobs": None, "finish_reason": said.finish_reason}
            for index in range(request.n)
        ],
        "usage": usage(request, said),
        "service_tier": stamp.service_tier,
        "system_fingerprint": SYSTEM_FINGERPRINT,
    }


def chunks(request: ChatRequest, said: Answer, stamp: Stamp) -> Iterator[Json]:
    """The ``chat.completion.chunk`` objects in order: role first, small deltas, finish reason, usage if asked for."""

    def chunk(choices: list[Json]) -> Json:
        made: Json = {
            "id": stamp.completion_id,
            "object": "chat.completion.chunk",
            "created": stamp.created,
            "model": request.model,
            "service_tier": stamp.service_tier,
            "system_fingerprint": SYSTEM_FINGERPRINT,
            "choices": choices,
        }
        if request.include_usage:
            made["usage"] = None
        return made

    for index in range(request.n):
        for delta in _deltas(said):
            yield chunk([{"index": index, "delta": delta, "logprobs": None, "finish_reason": None}])
        yield chunk([{"index": index, "delta": {}, "logprobs": None, "finish_reason": said.finish_reason}])
    if request.include_usage:
        yield chunk([]) | {"usage": usage(request, said)}


def frame(chunk: Json) -> bytes:
    """One server-sent event, framed as OpenAI frames it."""
    return b"data: " + encode(chunk) + b"\n\n"


def encode(value: Json, indent: int | None = None) -> bytes:
    """JSON in UTF-8; a lone surrogate, which has no UTF-8 form, becomes ``?``."""
    separators = (",", ":") if indent is None else None
    return json.dumps(value, ensure_ascii=False, indent=indent, separators=separators).encode("utf-8", "replace")


def usage(request: ChatRequest, said: Answer) -> Json:
    """Token counts estimated from lengths; stable, so that equality can be tested."""
    prompt = sum(_tokens(text_of(message)) for message in request.messages)
    spoken = _tokens(said.text or "") + sum(_tokens(call.arguments) for call in said.tool_calls)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": spoken * request.n,
        "total_tokens": prompt + spoken * request.n,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    }


def deterministic_stamp(body: bytes) -> Stamp:
    """A stamp that depends on nothing but the request's bytes."""
    digest = hashlib.sha256(body).hexdigest()
    return Stamp(f"chatcmpl-{digest[:29]}", f"req_{digest[:32]}", 1_700_000_000)


def error_body(message: str, kind: str, code: str | None = None, param: str | None = None) -> Json:
    """OpenAI's error envelope."""
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def _deltas(said: Answer) -> Iterator[Json]:
    if said.text is not None:
        yield {"role": "assistant", "content": "", "refusal": None}
        for piece in _pieces(said.text):
            yield {"content": piece}
        return
    for index, call in enumerate(said.tool_calls):
        opening: Json = {"index": index, **call.as_json()}
        opening["function"]["arguments"] = ""
        yield ({"role": "assistant", "content": None} if index == 0 else {}) | {"tool_calls": [opening]}
        for piece in _pieces(call.arguments):
            yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}


def _pieces(text: str) -> Iterator[str]:
    for start in range(0, len(text), DELTA_CHARACTERS):
        yield text[start : start + DELTA_CHARACTERS]


def _tokens(text: str) -> int:
    return -(-len(text) // CHARACTERS_PER_TOKEN)


def _limited(text: str, max_tokens: int | None) -> Answer:
    limit = len(text) if max_tokens is None else max_tokens * CHARACTERS_PER_TOKEN
    return Answer(text[:limit], "length" if len(text) > limit else "stop")


def _tool_call(request: ChatRequest, said: str) -> ToolCall:
    functions = [tool["function"] for tool in request.tools if isinstance(tool.get("function"), dict)]
    chosen = next((one for one in functions if one.get("name") == request.chosen_tool), None)
    function = chosen or (functions[0] if functions else {})
    name = str(function.get("name", "unnamed"))
    arguments = said.split(ARGS, 1)[1] if ARGS in said else json.dumps(_example(function.get("parameters")))
    digest = hashlib.sha256(f"{name}\n{arguments}".encode("utf-8", "replace")).hexdigest()
    return ToolCall(f"call_{digest[:24]}", name, arguments)


def _example(schema: object) -> Json:
    """Some arguments of the schema's own shape: every top-level property gets a value of its type."""
    properties = schema.get("properties") if isinstance(schema, dict) else None
    if not isinstance(properties, dict):
        return {}
    values = {"string": "standin", "number": 1.5, "integer": 1, "boolean": True, "array": [], "object": {}}
    return {
        name: values.get(str(prop.get("type"))) if isinstance(prop, dict) else None for name, prop in properties.items()
    }


def _image_count(message: Mapping[str, Any]) -> int:
    content = message.get("content")
    parts = content if isinstance(content, list) else []
    return sum(isinstance(part, dict) and part.get("type") == "image_url" for part in parts)


def _chosen_tool(choice: object) -> str | None:
    function = choice.get("function") if isinstance(choice, dict) else None
    name = function.get("name") if isinstance(function, dict) else None
    return name if isinstance(name, str) else None


def _objects(fields: Json, name: str, *, required: bool) -> tuple[Mapping[str, Any], ...]:
    value = fields.get(name)
    if value is None and not required:
        return ()
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise InvalidChat(f"Invalid type for '{name}': expected an array of objects.", name)
    if required and not value:
        raise InvalidChat(f"Invalid '{name}': empty array.", name)
    return tuple(value)


def _whole(fields: Json, name: str, least: int, most: int) -> int | None:
    value = fields.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise InvalidChat(f"Invalid '{name}': expected an integer from {least} to {most}.", name)
    return value
