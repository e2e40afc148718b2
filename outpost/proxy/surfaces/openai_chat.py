"""OpenAI chat completions: where text sits in requests, answers and streamed chunks.

Named here is only what is *not* text (``COUNTS``), and which streamed fields come whole instead of in
pieces; everything else is inspected, whatever its name (``reading.py``).
Source: OpenAI API reference, /v1/chat/completions (request, chat completion object, chunk object).
"""

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from outpost.protocol.decisions import Decision
from outpost.protocol.findings import Finding
from outpost.proxy import sse
from outpost.proxy.json_document import JsonDocument, Leaf, parse_json, walk
from outpost.proxy.surfaces import unscannable
from outpost.proxy.surfaces.dialects import OPENAI
from outpost.proxy.surfaces.reading import (
    END,
    VOCABULARY,
    Layout,
    is_count,
    is_index,
    is_vocabulary,
    nothing,
    read_model,
    read_object,
    read_stream,
    segments,
    tokens,
)
from outpost.proxy.surfaces.surface import (
    DETECTOR,
    Answer,
    Attachment,
    Piece,
    Reference,
    Request,
    StreamEvent,
    Surface,
    invalid,
    policy_note,
)
from outpost.proxy.surfaces.untrusted import marked, units

NAME: Final = "openai.chat_completions"

_REQUEST: Final = Layout(items=frozenset({"messages"}))
_ANSWER: Final = Layout(items=frozenset({"choices"}))
# Top-level members of an answer that hold numbers the provider counts.
COUNTS: Final = frozenset({"created", "usage"})
# Members that name an answer; the end of a stream that was cut repeats them.
_NAMES: Final = ("id", "object", "created", "model")
# Fields of a delta that come whole in one chunk. Everything else may be a piece of a longer text.
_WHOLE_FIELDS: Final = frozenset({"role", "type", "id", "name"})
_EMPTY: Final[dict[str, Any]] = {"delta": {}}


def parse_request(raw: bytes) -> Request:
    """Read a request body.

    Raises:
        Rejected: ``invalid_request``, naming the field that is wrong.
    """
    document = read_object(raw)
    body = document.value
    model = read_model(body)
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages or not all(isinstance(item, dict) for item in messages):
        raise invalid("'messages' must be a non-empty array of objects")
    stream = read_stream(body)
    parts = marked(segments(document, _REQUEST, nothing), units("messages", messages))
    files: list[Attachment] = []
    named: list[Reference] = []
    unreadable = [
        *unscannable.located(messages, parts, "messages", files, named),
        *unscannable.located([body.get("prediction")], parts, "", files),
    ]
    return Request(document, model, stream, parts, tuple(unreadable), tuple(files), tuple(named))


def parse_answer(raw: bytes) -> Answer:
    """Read a provider's whole answer.

    Raises:
        Rejected: It is not a chat completion object.
    """
    document = read_object(raw)
    choices = document.value.get("choices")
    if not isinstance(choices, list):
        raise invalid("the answer is not a chat completion")
    parts = segments(document, _ANSWER, _is_metadata)
    unreadable = tuple(unscannable.located(choices, parts, "choices"))
    has_logprobs = any(isinstance(choice, dict) and choice.get("logprobs") for choice in choices)
    return Answer(document, parts, unreadable, *usage(document.value), without_logprobs if has_logprobs else None)


def parse_chunk(raw: bytes) -> StreamEvent:
    """Read the data of one server-sent event.

    Raises:
        Rejected: It is not a chat completion chunk.
    """
    document = parse_json(raw)
    body = document.value
    if not isinstance(body, dict) or not isinstance(body.get("choices"), list):
        raise invalid("the event is not a chat completion chunk")
    choices = body["choices"]
    if not all(isinstance(choice, dict) and is_index(choice.get("index", 0)) for choice in choices):
        raise invalid("a choice of the event is not an object with an index")
    texts = tuple(_chunk_texts(document, choices))
    finished = frozenset(choice.get("index", 0) for choice in choices if choice.get("finish_reason") is not None)
    scrub = without_logprobs if any(choice.get("logprobs") for choice in choices) else None
    unreadable = tuple(
        Finding(kind, 0, 0, 1.0, DETECTOR) for choice in choices for kind in unscannable.unreadable(choice)
    )
    return StreamEvent(document, texts, finished, unreadable, *usage(body), scrub)


class ChatStream:
    """A streamed completion: which choices have begun and not finished, and what the answer is called."""

    def __init__(self, parse: Callable[[bytes], StreamEvent] = parse_chunk, empty: dict[str, Any] = _EMPTY) -> None:
        """``parse`` reads a chunk; ``empty`` is what a choice without text has beside its index."""
        self._parse, self._empty = parse, empty
        self._open: set[int] = set()
        self._finished: set[str | int] = set()
        self._names: dict[str, Any] = {}

    def read(self, event: sse.Event) -> StreamEvent:
        """Read an event with data: a chunk or ``[DONE]``.

        Raises:
            Rejected: It is neither.
        """
        if event.data is None or event.data == sse.DONE:
            return END
        chunk = self._parse(event.data)
        self._open |= {choice.get("index", 0) for choice in chunk.document.value["choices"]} - self._finished
        self._finished |= chunk.finished
        return chunk

    def released(self, event: StreamEvent, *, as_received: bool) -> None:
        """Note which choices have finished, and what a chunk without findings calls the answer."""
        if event.ends:
            return
        self._open -= {index for index in event.finished if isinstance(index, int)}
        if as_received:
            body = event.document.value
            self._names = {name: body[name] for name in _NAMES if isinstance(body.get(name), str | int)}

    def closing_events(self, refusal: Decision | None) -> list[bytes]:
        """Every open choice finishes with ``content_filter``; then the usual last event."""
        choices = [{"index": index, **self._empty, "finish_reason": "content_filter"} for index in sorted(self._open)]
        chunk: dict[str, Any] = {**self._names, "choices": choices}
        if refusal is not None:
            chunk["policy"] = policy_note(refusal)
        return [sse.encode(json.dumps(chunk, ensure_ascii=False).encode()), sse.encode(sse.DONE)]


def _chunk_texts(document: JsonDocument, choices: Sequence[dict[str, Any]]) -> Iterator[Piece]:
    for leaf in walk(document, embedded=False, left_out=VOCABULARY):
        path = leaf.path
        if path[0] in COUNTS and _is_metadata(leaf):
            continue
        if leaf.is_name or path[0] != "choices":
            yield Piece((), leaf, whole=True)
        elif leaf.is_number and path[-1] == "index":
            continue
        elif len(path) > 3 and path[2] == "delta":  # noqa: PLR2004 - choices, index, "delta", field
            whole = leaf.is_number or path[-1] in _WHOLE_FIELDS
            if not (whole and is_vocabulary(leaf)):
                yield Piece(_channel(path, choices), leaf, whole)
        elif len(path) > 3 and path[2] == "logprobs":  # noqa: PLR2004 - choices, index, "logprobs", field
            yield from _logprob_texts(leaf, choices)
        else:
            yield Piece((), leaf, whole=True)


def _logprob_texts(leaf: Leaf, choices: Sequence[dict[str, Any]]) -> Iterator[Piece]:
    """The tokens once more, one after the other; numbers are probabilities, and bytes that repeat the tokens."""
    path = leaf.path
    if path[-1] == "token" and "top_logprobs" not in path:
        index = choices[int(path[1])].get("index", 0)
        yield Piece((index, "logprobs", path[3]), leaf, whole=False)
    elif not leaf.is_number:
        yield Piece((), leaf, whole=True)


def _channel(path: tuple[str | int, ...], choices: Sequence[dict[str, Any]]) -> tuple[str | int, ...]:
    """Name the text a leaf continues: list positions under a delta give way to the items' own ``index``."""
    value: Any = choices[int(path[1])]
    channel: list[str | int] = [value.get("index", 0)]
    for step in path[2:]:
        value = value[step]
        own = value.get("index") if isinstance(value, dict) and isinstance(step, int) else None
        channel.append(own if is_index(own) else step)
    return tuple(channel)


def _is_metadata(leaf: Leaf) -> bool:
    return is_count(leaf, COUNTS)


def usage(body: dict[str, Any]) -> tuple[int | None, int | None]:
    """Tokens of the prompt and of the answer, as far as an answer tells."""
    counted = body.get("usage")
    if not isinstance(counted, dict):
        return None, None
    return tokens(counted.get("prompt_tokens")), tokens(counted.get("completion_tokens"))


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
        raise invalid("a number is larger than any number can be") from None


SURFACE: Final = Surface(
    name=NAME,
    path="/v1/chat/completions",
    forward_path="/chat/completions",
    dialect=OPENAI,
    parse_request=parse_request,
    parse_answer=parse_answer,
    noun="a chat completion",
    stream=ChatStream,
)
