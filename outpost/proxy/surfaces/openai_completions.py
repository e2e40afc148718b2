"""OpenAI completions, the older API: where text sits in requests, answers and streamed chunks.

A prompt of token numbers is no text that anything here can read, so it is a finding of kind ``unscannable.tokens``.
Source: OpenAI API reference, /v1/completions (request, completion object).
"""

from collections.abc import Iterator
from typing import Any, Final

from outpost.documents.kinds import TOKENS
from outpost.protocol.findings import Finding
from outpost.proxy.json_document import JsonDocument, parse_json, walk
from outpost.proxy.segments import Located
from outpost.proxy.surfaces.dialects import OPENAI
from outpost.proxy.surfaces.openai_chat import COUNTS, ChatStream, usage, without_logprobs
from outpost.proxy.surfaces.reading import (
    Layout,
    is_count,
    is_index,
    is_vocabulary,
    nothing,
    read_model,
    read_object,
    read_stream,
    segments,
)
from outpost.proxy.surfaces.surface import DETECTOR, Answer, Piece, Request, StreamEvent, Surface, invalid

_REQUEST: Final = Layout(items=frozenset({"prompt"}))
_ANSWER: Final = Layout(items=frozenset({"choices"}))


def parse_request(raw: bytes) -> Request:
    """Read a request body.

    Raises:
        Rejected: ``invalid_request``, naming the field that is wrong.
    """
    document = read_object(raw)
    body = document.value
    model, stream = read_model(body), read_stream(body)
    parts = segments(document, _REQUEST, nothing)
    unreadable = [Located(0, finding) for finding in token_findings(body.get("prompt"))]
    return Request(document, model, stream, parts, tuple(unreadable))


def parse_answer(raw: bytes) -> Answer:
    """Read a provider's whole answer.

    Raises:
        Rejected: It is not a completion object.
    """
    document = read_object(raw)
    choices = document.value.get("choices")
    if not isinstance(choices, list):
        raise invalid("the answer is not a completion")
    parts = segments(document, _ANSWER, lambda leaf: is_count(leaf, COUNTS))
    has_logprobs = any(isinstance(choice, dict) and choice.get("logprobs") for choice in choices)
    return Answer(document, parts, (), *usage(document.value), without_logprobs if has_logprobs else None)


def parse_chunk(raw: bytes) -> StreamEvent:
    """Read the data of one server-sent event.

    Raises:
        Rejected: It is not a completion chunk.
    """
    document = parse_json(raw)
    body = document.value
    if not isinstance(body, dict) or not isinstance(body.get("choices"), list):
        raise invalid("the event is not a completion chunk")
    choices = body["choices"]
    if not all(isinstance(choice, dict) and is_index(choice.get("index", 0)) for choice in choices):
        raise invalid("a choice of the event is not an object with an index")
    return StreamEvent(
        document,
        tuple(_texts(document, choices)),
        frozenset(choice.get("index", 0) for choice in choices if choice.get("finish_reason") is not None),
        (),
        *usage(body),
        without_logprobs if any(choice.get("logprobs") for choice in choices) else None,
    )


def token_findings(value: Any) -> list[Finding]:
    """A finding if a prompt, or one of a list of prompts, is given as token numbers."""
    items = value if isinstance(value, list) else []
    numbers = any(not isinstance(part, str) for item in items for part in (item if isinstance(item, list) else [item]))
    return [Finding(TOKENS, 0, 0, 1.0, DETECTOR)] if numbers else []


def _texts(document: JsonDocument, choices: list[dict[str, Any]]) -> Iterator[Piece]:
    for leaf in walk(document, embedded=False):
        path = leaf.path
        if is_vocabulary(leaf) or is_count(leaf, COUNTS) or (leaf.is_number and path[-1] == "index"):
            continue
        own = choices[int(path[1])].get("index", 0) if path[0] == "choices" and len(path) > 1 else None
        if own is not None and path[2:] == ("text",) and not leaf.is_name:
            yield Piece((own, "text"), leaf, whole=False)
        elif own is not None and path[2:4] == ("logprobs", "tokens") and not leaf.is_name:
            yield Piece((own, "tokens"), leaf, whole=False)
        elif not (leaf.is_number and "logprobs" in path):
            yield Piece((), leaf, whole=True)


def _stream() -> ChatStream:
    return ChatStream(parse_chunk, {"text": "", "logprobs": None})


SURFACE: Final = Surface(
    name="openai.completions",
    path="/v1/completions",
    forward_path="/completions",
    dialect=OPENAI,
    parse_request=parse_request,
    parse_answer=parse_answer,
    noun="a completion",
    stream=_stream,
)
