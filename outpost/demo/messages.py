"""What the stand-in provider says to a client of Anthropic's API: a request's bytes in, Anthropic-shaped answers out.

The same echoes as ``answers.py``: ``SAY:<text>`` is answered with the text, ``use the tool`` with a call of the first
tool and what follows ``ARGS:`` as its arguments, ``THINK:<text>`` with a block of thinking before the answer.
Shapes: https://docs.anthropic.com/en/api/messages, "Streaming messages" and "Errors". Pure.
"""

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from outpost.demo import answers
from outpost.demo.answers import ARGS, CHARACTERS_PER_TOKEN, DELTA_CHARACTERS, SAY, USE_THE_TOOL, InvalidChat, Json

THINK = "THINK:"
OVERLOADED_MODEL = "standin-overloaded"
"""Answered with 529, as Anthropic does when it has too much to do."""
SLOW_MODEL = "standin-slow"
"""Answered late."""
BREAKS_MODEL = "standin-error-event"
"""Its stream ends in an ``error`` event."""


@dataclass(frozen=True, slots=True)
class MessagesRequest:
    """The parts of a request that shape the answer."""

    model: str
    messages: tuple[Mapping[str, Any], ...]
    system: Any = None
    stream: bool = False
    tools: tuple[Mapping[str, Any], ...] = ()
    max_tokens: int | None = None


def parse_messages(body: bytes) -> MessagesRequest:
    """Read a request body.

    Raises:
        InvalidChat: It is not JSON, or one of the fields read here has the wrong type.
    """
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError) as err:
        raise InvalidChat("The request body is not valid JSON.") from err
    if not isinstance(fields, dict):
        raise InvalidChat("The body must be a JSON object.")
    model, messages, tools = fields.get("model"), fields.get("messages"), fields.get("tools") or []
    if not isinstance(model, str) or not model:
        raise InvalidChat("model: Field required")
    if not isinstance(messages, list) or not messages or not all(isinstance(one, dict) for one in messages):
        raise InvalidChat("messages: Field required")
    if not isinstance(tools, list) or not all(isinstance(one, dict) for one in tools):
        raise InvalidChat("tools: Input should be a valid list")
    limit = fields.get("max_tokens")
    return MessagesRequest(
        model,
        tuple(messages),
        fields.get("system"),
        fields.get("stream") is True,
        tuple(tools),
        limit if isinstance(limit, int) and not isinstance(limit, bool) else None,
    )


def blocks(request: MessagesRequest) -> tuple[list[Json], str]:
    """The content blocks of the answer to ``request``, and why it stops."""
    last = request.messages[-1]
    said = _text_of(last)
    results = [part for part in _parts(last) if part.get("type") == "tool_result"]
    if results:
        return [_text(f"The tool said: {''.join(_text_of(part) for part in results)}")], "end_turn"
    if request.tools and USE_THE_TOOL in said:
        return [_text("Let me look. "), _tool_use(request.tools[0], said)], "tool_use"
    made: list[Json] = []
    if said.startswith(THINK):
        thought, _, said = said.removeprefix(THINK).partition(SAY)
        signature = base64.b64encode(hashlib.sha256(thought.encode("utf-8", "replace")).digest()).decode()
        made.append({"type": "thinking", "thinking": thought, "signature": signature})
    said = said.removeprefix(SAY) if said.startswith(SAY) or made else f"You said: {said}"
    limit = len(said) if request.max_tokens is None else request.max_tokens * CHARACTERS_PER_TOKEN
    return [*made, _text(said[:limit])], "max_tokens" if len(said) > limit else "end_turn"


def message(request: MessagesRequest, body: bytes) -> Json:
    """The ``message`` object; ids depend on ``body`` alone."""
    content, stop_reason = blocks(request)
    return {
        "id": message_id(body),
        "type": "message",
        "role": "assistant",
        "model": request.model,
        "content": content,
        "stop_reason": stop_reason,
        "stop_sequence": None,
        "usage": usage(request, content),
    }


def events(request: MessagesRequest, body: bytes) -> Iterator[Json]:
    """The events of a streamed message in order, with small deltas and a ``ping`` among them."""
    whole = message(request, body)
    begin = {**whole, "content": [], "stop_reason": None, "usage": {**whole["usage"], "output_tokens": 1}}
    yield {"type": "message_start", "message": begin}
    yield {"type": "ping"}
    for index, block in enumerate(whole["content"]):
        yield from _block_events(index, block)
    if request.model == BREAKS_MODEL:
        yield error_body("overloaded_error", "Overloaded by sk-ant-key")
        return
    ended = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    yield {"type": "message_delta", "delta": ended, "usage": {"output_tokens": whole["usage"]["output_tokens"]}}
    yield {"type": "message_stop"}


def frame(event: Json) -> bytes:
    """One server-sent event, framed as Anthropic frames it."""
    return b"event: " + str(event["type"]).encode() + b"\ndata: " + answers.encode(event) + b"\n\n"


def usage(request: MessagesRequest, content: list[Json]) -> Json:
    """Token counts estimated from lengths."""
    spoken = sum(len(answers.encode(block)) for block in content) // CHARACTERS_PER_TOKEN
    return {"input_tokens": input_tokens(request), "output_tokens": spoken}


def input_tokens(request: MessagesRequest) -> int:
    """How long the prompt is, in tokens."""
    characters = sum(len(_text_of(one)) for one in request.messages) + len(_text_of({"content": request.system}))
    return -(-characters // CHARACTERS_PER_TOKEN)


def message_id(body: bytes) -> str:
    return f"msg_01{hashlib.sha256(body).hexdigest()[:22]}"


def error_body(kind: str, text: str) -> Json:
    """Anthropic's error envelope."""
    return {"type": "error", "error": {"type": kind, "message": text}}


def _block_events(index: int, block: Json) -> Iterator[Json]:
    empty = {
        "text": {"type": "text", "text": ""},
        "thinking": {"type": "thinking", "thinking": "", "signature": ""},
        "tool_use": {**block, "input": {}},
    }[block["type"]]
    yield {"type": "content_block_start", "index": index, "content_block": empty}
    for delta in _deltas(block):
        yield {"type": "content_block_delta", "index": index, "delta": delta}
    yield {"type": "content_block_stop", "index": index}


def _deltas(block: Json) -> Iterator[Json]:
    if block["type"] == "tool_use":
        said = json.dumps(block["input"], ensure_ascii=False)
        for piece in ("", *_pieces(said)):
            yield {"type": "input_json_delta", "partial_json": piece}
        return
    kind = block["type"]
    for piece in _pieces(block[kind]):
        yield {"type": f"{kind}_delta", kind: piece}
    if kind == "thinking":
        yield {"type": "signature_delta", "signature": block["signature"]}


def _pieces(text: str) -> Iterator[str]:
    for start in range(0, len(text), DELTA_CHARACTERS):
        yield text[start : start + DELTA_CHARACTERS]


def _tool_use(tool: Mapping[str, Any], said: str) -> Json:
    try:
        arguments = json.loads(said.split(ARGS, 1)[1]) if ARGS in said else {"city": "standin"}
    except ValueError:
        arguments = {"said": said.split(ARGS, 1)[1]}
    digest = hashlib.sha256(said.encode("utf-8", "replace")).hexdigest()
    return {"type": "tool_use", "id": f"toolu_01{digest[:22]}", "name": str(tool.get("name")), "input": arguments}


def _text(said: str) -> Json:
    return {"type": "text", "text": said}


def _parts(one: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    content = one.get("content")
    return [part for part in content if isinstance(part, dict)] if isinstance(content, list) else []


def _text_of(one: Mapping[str, Any]) -> str:
    content = one.get("content")
    if isinstance(content, str):
        return content
    return "".join(part["text"] for part in _parts(one) if isinstance(part.get("text"), str))


def model(name: str) -> Json:
    """The model object of ``name``."""
    title = name.replace("-", " ").title()
    made = {"type": "model", "id": name, "display_name": title, "created_at": "2023-11-14T22:13:20Z"}
    return made | {"lifecycle": "active"}
