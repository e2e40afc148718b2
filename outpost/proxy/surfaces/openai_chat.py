"""OpenAI chat completions: where text sits in requests, answers and streamed chunks.

Every string, object name and number of a body is inspected, whatever its name, so a field this version does
not know can hide nothing. Named here is only what is *not* text (``_VOCABULARY``, ``_ANSWER_METADATA``), what
cannot be read (images, audio, files), and which streamed fields come whole instead of in pieces.
Source: OpenAI API reference, /v1/chat/completions (request, chat completion object, chunk object).
"""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeGuard

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
# Metadata is one short value each, and counts under "usage"; anything longer or of another shape is inspected.
MAX_METADATA_CHARS: Final = 256
_USAGE_NAME: Final = re.compile(r"[a-z_]{1,64}")
MAX_INDEX: Final = 9_999  # OpenAI allows 128 choices; nothing can be written into so small a number
MAX_TOKENS: Final = 2**53 - 1  # RFC 8259 §6: JSON readers agree on integers up to here

# Fields of a delta that come whole in one chunk. Everything else may be a piece of a longer text.
_WHOLE_FIELDS: Final = frozenset({"role", "type", "id", "name"})

# Types of content parts, and members, whose content is not text: OpenAI's, and those of providers that speak its API.
_UNSCANNABLE_PARTS: Final = {
    "image": "unscannable.image",
    "image_url": "unscannable.image",
    "image_file": "unscannable.image",
    "input_image": "unscannable.image",
    "audio": "unscannable.audio",
    "audio_url": "unscannable.audio",
    "input_audio": "unscannable.audio",
    "video": "unscannable.video",
    "video_url": "unscannable.video",
    "input_video": "unscannable.video",
    "document": "unscannable.file",
    "file": "unscannable.file",
    "input_file": "unscannable.file",
}
_READABLE_PARTS: Final = frozenset({"text", "input_text", "output_text", "refusal", "thinking", "reasoning"})
UNKNOWN_PART: Final = "unscannable.unknown"
_DETECTOR: Final = "surface/openai_chat"


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
    unscannable: tuple[Finding, ...]
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
    segments = _segments(document, "messages", skip=lambda _: False)
    unscannable = [*_unscannable(messages, segments, "messages"), *_unscannable([body.get("prediction")], segments, "")]
    return ChatRequest(document, model, bool(stream), segments, tuple(unscannable))


def parse_answer(raw: bytes) -> ChatAnswer:
    """Read a provider's whole answer.

    Raises:
        Rejected: It is not a chat completion object.
    """
    document = parse_json(raw)
    if not isinstance(document.value, dict) or not isinstance(document.value.get("choices"), list):
        raise _invalid("the answer is not a chat completion")
    segments = _segments(document, "choices", skip=_is_metadata)
    prompt_tokens, completion_tokens = _usage(document.value)
    unscannable = tuple(_unscannable(document.value["choices"], segments, "choices"))
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
    if not all(isinstance(choice, dict) and _is_index(choice.get("index", 0)) for choice in choices):
        raise _invalid("a choice of the event is not an object with an index")
    texts = tuple(_chunk_texts(document, choices))
    finished = frozenset(choice.get("index", 0) for choice in choices if choice.get("finish_reason") is not None)
    has_logprobs = any(choice.get("logprobs") for choice in choices)
    unscannable = tuple(Finding(kind, 0, 0, 1.0, _DETECTOR) for choice in choices for kind in _unreadable(choice))
    return Chunk(document, texts, finished, has_logprobs, unscannable, *_usage(body))


def _chunk_texts(document: JsonDocument, choices: Sequence[dict[str, Any]]) -> Iterator[ChunkText]:
    for leaf in walk(document, embedded=False):
        path = leaf.path
        if _is_metadata(leaf):
            continue
        if leaf.is_name:
            if leaf.text not in _VOCABULARY:
                yield ChunkText((), leaf, whole=True)
        elif path[0] != "choices":
            yield ChunkText((), leaf, whole=True)
        elif leaf.is_number and path[-1] == "index":
            continue
        elif len(path) > 3 and path[2] == "delta":  # noqa: PLR2004 - choices, index, "delta", field
            whole = leaf.is_number or path[-1] in _WHOLE_FIELDS
            if not (whole and _is_vocabulary(leaf)):
                yield ChunkText(_channel(path, choices), leaf, whole)
        elif len(path) > 3 and path[2] == "logprobs":  # noqa: PLR2004 - choices, index, "logprobs", field
            yield from _logprob_texts(leaf, choices)
        else:
            yield ChunkText((), leaf, whole=True)


def _logprob_texts(leaf: Leaf, choices: Sequence[dict[str, Any]]) -> Iterator[ChunkText]:
    """The tokens once more, one after the other; numbers are probabilities, and bytes that repeat the tokens."""
    path = leaf.path
    if path[-1] == "token" and "top_logprobs" not in path:
        index = choices[int(path[1])].get("index", 0)
        yield ChunkText((index, "logprobs", path[3]), leaf, whole=False)
    elif not leaf.is_number:
        yield ChunkText((), leaf, whole=True)


def _channel(path: tuple[str | int, ...], choices: Sequence[dict[str, Any]]) -> tuple[str | int, ...]:
    """Name the text a leaf continues: list positions under a delta give way to the items' own ``index``."""
    value: Any = choices[int(path[1])]
    channel: list[str | int] = [value.get("index", 0)]
    for step in path[2:]:
        value = value[step]
        own = value.get("index") if isinstance(value, dict) and isinstance(step, int) else None
        channel.append(own if _is_index(own) else step)
    return tuple(channel)


def _segments(document: JsonDocument, units: str, skip: Callable[[Leaf], bool]) -> tuple[Segment, ...]:
    """One segment per item of the top-level array ``units``, one for the rest, one for each message's seams."""
    rest: list[Leaf] = []
    items: dict[int, list[Leaf]] = {}
    for leaf in walk(document, left_out=_VOCABULARY):
        path = leaf.path
        if skip(leaf) or _is_vocabulary(leaf):
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


def _is_metadata(leaf: Leaf) -> bool:
    path = leaf.path
    if path[0] not in _ANSWER_METADATA:
        return False
    if path[0] == "usage":
        return leaf.is_number or _USAGE_NAME.fullmatch(leaf.text) is not None
    return len(path) == 1 and len(leaf.text) <= MAX_METADATA_CHARS


def is_metadata_value(value: Any) -> bool:
    """Whether ``value`` is short and plain, so that a member of an answer's metadata need not be inspected."""
    return (isinstance(value, str) and len(value) <= MAX_METADATA_CHARS) or _tokens(value) is not None


def _is_index(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_INDEX


def _unscannable(units: Sequence[Any], segments: Sequence[Segment], name: str) -> Iterator[Located]:
    """Content of messages or choices that cannot be read, located in the segment of its message."""
    index_of = {segment.name: index for index, segment in enumerate(segments)}
    for position, unit in enumerate(units):
        for kind in _unreadable(unit):
            segment = index_of.get(f"{name}[{position}]", 0)
            yield Located(segment, Finding(kind, 0, 0, 1.0, _DETECTOR))


def _unreadable(value: Any) -> Iterator[str]:
    """Kinds of unreadable content in ``value``, however deep; a content part of unknown type counts as such."""
    if isinstance(value, list):
        for item in value:
            yield from _unreadable(item)
    elif isinstance(value, dict):
        kind = _unreadable_kind(value)
        if kind is not None:
            yield kind
            return
        for name, member in value.items():
            if name == "content" and isinstance(member, list):
                yield from (UNKNOWN_PART for part in member if not _is_known_part(part))
            yield from _unreadable(member)


def _unreadable_kind(part: dict[str, Any]) -> str | None:
    by_type = _UNSCANNABLE_PARTS.get(part["type"]) if isinstance(part.get("type"), str) else None
    return by_type or next((kind for name, kind in _UNSCANNABLE_PARTS.items() if part.get(name) is not None), None)


def _is_known_part(part: Any) -> bool:
    if not isinstance(part, dict):
        return isinstance(part, str)
    kind = part.get("type", "text")
    return (isinstance(kind, str) and kind in _READABLE_PARTS) or _unreadable_kind(part) is not None


def _usage(body: dict[str, Any]) -> tuple[int | None, int | None]:
    usage = body.get("usage")
    if not isinstance(usage, dict):
        return None, None
    return _tokens(usage.get("prompt_tokens")), _tokens(usage.get("completion_tokens"))


def _tokens(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_TOKENS else None


def without_logprobs(data: bytes) -> bytes:
    """An answer or chunk without its token probabilities, which would spell out once more what was redacted.

    Raises:
        Rejected: It has a number that cannot be written again.
    """
    body = json.loads(data)
    for choice in body["choices"]:
        if isinstance(choice, dict) and choice.get("logprobs"):
            choice["logprobs"] = None
    try:
        return json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except ValueError:
        raise _invalid("a number is larger than any number can be") from None


def _invalid(message: str) -> Rejected:
    return Rejected(ErrorCode.INVALID_REQUEST, message)
