"""OpenAI chat completions: where text sits in requests, answers and streamed chunks.

Every string, object name and number of a body is inspected, whatever its name, so a field this version does
not know can hide nothing. Named here is only what is *not* text (``_VOCABULARY``, ``_ANSWER_METADATA``), what
cannot be read (images, audio, files), and which streamed fields come whole instead of in pieces.
Source: OpenAI API reference, /v1/chat/completions (request, chat completion object, chunk object).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from outpost.errors import Rejected
from outpost.protocol.codes import ErrorCode
from outpost.protocol.findings import Finding
from outpost.proxy.json_document import JsonDocument, Leaf, parse_json, walk
from outpost.proxy.segments import Located, Segment, join

NAME: Final = "openai.chat_completions"

MAX_MODEL_CHARS: Final = 256  # providers' longest fine-tune names are below 128

# Names and enumerated values of the published schema. They carry no text of anybody's, and leaving them out
# spares the scanner half of a short request. A value counts only under "role" and "type".
_VOCABULARY: Final = frozenset(
    """
    messages role content type text model stream tools function name description parameters properties required
    tool_choice tool_calls tool_call_id arguments user assistant system developer tool image_url url detail
    temperature top_p n max_tokens max_completion_tokens stop seed logprobs top_logprobs response_format
    json_schema schema strict stream_options include_usage metadata store frequency_penalty presence_penalty
    logit_bias parallel_tool_calls reasoning_effort service_tier object string number integer boolean array
    items enum index choices message delta finish_reason refusal annotations
    """.split()  # noqa: SIM905 - sixty quoted words read worse
)
_ENUMERATED: Final = frozenset({"role", "type"})

# Top-level members of an answer that the provider makes and that hold no text of a conversation.
_ANSWER_METADATA: Final = frozenset(
    {"id", "object", "created", "model", "usage", "system_fingerprint", "service_tier", "obfuscation"}
)
# Fields of a delta that come whole in one chunk. Everything else may be a piece of a longer text.
_WHOLE_FIELDS: Final = frozenset({"role", "type", "id", "name"})

_UNSCANNABLE_PARTS: Final = {
    "image_url": "unscannable.image",
    "input_image": "unscannable.image",
    "input_audio": "unscannable.audio",
    "file": "unscannable.file",
    "input_file": "unscannable.file",
}


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """A parsed request: what routing needs, and every text of it."""

    document: JsonDocument
    model: str
    stream: bool
    segments: tuple[Segment, ...]
    unscannable: tuple[Located, ...]


@dataclass(frozen=True, slots=True)
class ChatAnswer:
    """A parsed answer that did not stream."""

    document: JsonDocument
    segments: tuple[Segment, ...]
    unscannable: tuple[Located, ...]
    prompt_tokens: int | None
    completion_tokens: int | None


@dataclass(frozen=True, slots=True)
class ChunkText:
    """One text in one streamed chunk.

    Attributes:
        channel: The text it continues: choice index, then the path in the delta with tool calls by their index.
        leaf: Where it stands in the chunk.
        whole: It is complete by itself.
    """

    channel: tuple[str | int, ...]
    leaf: Leaf
    whole: bool


@dataclass(frozen=True, slots=True)
class Chunk:
    """A parsed streamed chunk."""

    document: JsonDocument
    texts: tuple[ChunkText, ...]
    finished: frozenset[int]
    """Indices of the choices that end with this chunk."""
    has_logprobs: bool
    prompt_tokens: int | None
    completion_tokens: int | None


def parse_request(raw: bytes) -> ChatRequest:
    """Read a request body.

    Raises:
        Rejected: ``invalid_request``, naming the field that is wrong.
    """
    document = parse_json(raw)
    body = document.value
    if not isinstance(body, dict):
        raise _invalid("the body must be a JSON object")
    model = body.get("model")
    if not isinstance(model, str) or not 0 < len(model) <= MAX_MODEL_CHARS:
        raise _invalid(f"'model' must be a string of 1 to {MAX_MODEL_CHARS} characters")
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages or not all(isinstance(item, dict) for item in messages):
        raise _invalid("'messages' must be a non-empty array of objects")
    stream = body.get("stream")
    if stream is not None and not isinstance(stream, bool):
        raise _invalid("'stream' must be a boolean")
    segments = _segments(document, "messages", skip_top=frozenset())
    return ChatRequest(document, model, bool(stream), segments, tuple(_unscannable(messages, segments, "messages")))


def parse_answer(raw: bytes) -> ChatAnswer:
    """Read a provider's whole answer.

    Raises:
        Rejected: It is not a chat completion object.
    """
    document = parse_json(raw)
    if not isinstance(document.value, dict) or not isinstance(document.value.get("choices"), list):
        raise _invalid("the answer is not a chat completion")
    segments = _segments(document, "choices", skip_top=_ANSWER_METADATA)
    prompt_tokens, completion_tokens = _usage(document.value)
    unscannable = tuple(_unscannable_audio(document.value["choices"], segments))
    return ChatAnswer(document, segments, unscannable, prompt_tokens, completion_tokens)


def parse_chunk(raw: bytes) -> Chunk:
    """Read the data of one server-sent event.

    Raises:
        Rejected: It is not a chat completion chunk.
    """
    document = parse_json(raw)
    body = document.value
    if not isinstance(body, dict) or not isinstance(body.get("choices"), list):
        raise _invalid("the event is not a chat completion chunk")
    choices = body["choices"]
    if not all(isinstance(choice, dict) and isinstance(choice.get("index", 0), int) for choice in choices):
        raise _invalid("a choice of the event is not an object with an index")
    texts = tuple(_chunk_texts(document, choices))
    finished = frozenset(choice.get("index", 0) for choice in choices if choice.get("finish_reason") is not None)
    has_logprobs = any(choice.get("logprobs") for choice in choices)
    return Chunk(document, texts, finished, has_logprobs, *_usage(body))


def _chunk_texts(document: JsonDocument, choices: Sequence[dict[str, Any]]) -> Iterator[ChunkText]:
    for leaf in walk(document):
        path = leaf.path
        if leaf.is_name:
            if leaf.text not in _VOCABULARY and path[0] == "choices":
                yield ChunkText((), leaf, whole=True)
        elif path[0] != "choices":
            if path[0] not in _ANSWER_METADATA:
                yield ChunkText((), leaf, whole=True)
        elif len(path) > 3 and path[2] == "delta":  # noqa: PLR2004 - choices, index, "delta", field
            whole = leaf.is_number or path[-1] in _WHOLE_FIELDS
            if path[-1] != "index" and not (whole and _is_vocabulary(leaf)):
                yield ChunkText(_channel(path, choices), leaf, whole)
        elif path[-1] not in {"index", "finish_reason"} and "logprobs" not in path:
            yield ChunkText((), leaf, whole=True)


def _channel(path: tuple[str | int, ...], choices: Sequence[dict[str, Any]]) -> tuple[str | int, ...]:
    """Name the text a leaf continues: list positions under a delta give way to the items' own ``index``."""
    value: Any = choices[int(path[1])]
    channel: list[str | int] = [value.get("index", 0)]
    for step in path[2:]:
        inside = isinstance(value, dict | list)  # else the step leads into a document embedded in a string
        value = value[step] if inside else None
        own = value.get("index") if isinstance(value, dict) and isinstance(step, int) else None
        channel.append(own if isinstance(own, int) else step)
    return tuple(channel)


def _segments(document: JsonDocument, units: str, skip_top: frozenset[str]) -> tuple[Segment, ...]:
    """One segment per item of the top-level array ``units``, one for the rest, one for each message's seams."""
    rest: list[Leaf] = []
    items: dict[int, list[Leaf]] = {}
    for leaf in walk(document):
        path = leaf.path
        if path[0] in skip_top or _is_vocabulary(leaf):
            continue
        if path[0] == units and len(path) > 1 and isinstance(path[1], int):
            items.setdefault(path[1], []).append(leaf)
        else:
            rest.append(leaf)
    segments = [join(f"{units}[{index}]", leaves) for index, leaves in items.items()]
    for index, leaves in items.items():
        parts = [leaf for leaf in leaves if leaf.path[-1] == "text" and not leaf.is_name]
        if len(parts) > 1:
            segments.append(join(f"{units}[{index}].content", parts, "", seams_only=True))
    if rest:
        segments.append(join("body", rest))
    return tuple(segments)


def _is_vocabulary(leaf: Leaf) -> bool:
    return leaf.text in _VOCABULARY and (leaf.is_name or leaf.path[-1] in _ENUMERATED)


def _unscannable(messages: Sequence[dict[str, Any]], segments: Sequence[Segment], units: str) -> Iterator[Located]:
    index_of = {segment.name: index for index, segment in enumerate(segments)}
    for position, message in enumerate(messages):
        content = message.get("content")
        for part in content if isinstance(content, list) else ():
            kind = _unscannable_kind(part)
            if kind is not None:
                segment = index_of.get(f"{units}[{position}]", 0)
                yield Located(segment, Finding(kind, 0, 0, 1.0, "surface/openai_chat"))


def _unscannable_kind(part: Any) -> str | None:
    """What a content part holds that cannot be read; a part of unknown type may only hold text."""
    if not isinstance(part, dict):
        return None
    by_type = _UNSCANNABLE_PARTS.get(part["type"]) if isinstance(part.get("type"), str) else None
    return by_type or next((kind for name, kind in _UNSCANNABLE_PARTS.items() if name in part), None)


def _unscannable_audio(choices: Iterable[Any], segments: Sequence[Segment]) -> Iterator[Located]:
    index_of = {segment.name: index for index, segment in enumerate(segments)}
    for position, choice in enumerate(choices):
        message = choice.get("message") if isinstance(choice, dict) else None
        if isinstance(message, dict) and message.get("audio"):
            finding = Finding("unscannable.audio", 0, 0, 1.0, "surface/openai_chat")
            yield Located(index_of.get(f"choices[{position}]", 0), finding)


def _usage(body: dict[str, Any]) -> tuple[int | None, int | None]:
    usage = body.get("usage")
    if not isinstance(usage, dict):
        return None, None
    prompt, completion = usage.get("prompt_tokens"), usage.get("completion_tokens")
    return (prompt if isinstance(prompt, int) else None), (completion if isinstance(completion, int) else None)


def _invalid(message: str) -> Rejected:
    return Rejected(ErrorCode.INVALID_REQUEST, message)
