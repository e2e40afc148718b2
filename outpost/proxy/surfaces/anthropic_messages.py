"""Anthropic messages and the counting of their tokens: where text sits in requests, answers and streamed events.

A stream is a message, its content blocks by index, and their deltas; a block's text, thinking or tool input is one
text in pieces that ends with the block. Deltas of a kind this version does not know are read as pieces too.
Source: Anthropic API reference, /v1/messages, /v1/messages/count_tokens, "Streaming messages".
"""

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from outpost.errors import Rejected
from outpost.protocol.codes import ErrorCode
from outpost.protocol.decisions import Decision
from outpost.protocol.findings import Finding
from outpost.proxy import sse
from outpost.proxy.json_document import JsonDocument, Leaf, parse_json, walk
from outpost.proxy.surfaces import unscannable
from outpost.proxy.surfaces.dialects import ANTHROPIC
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
    tokens,
)
from outpost.proxy.surfaces.surface import (
    DETECTOR,
    Answer,
    Attachment,
    Piece,
    Request,
    StreamEvent,
    Surface,
    invalid,
    policy_note,
)
from outpost.proxy.surfaces.untrusted import marked, units

_REQUEST: Final = Layout(items=frozenset({"messages"}), whole=frozenset({"system"}))
_ANSWER: Final = Layout(items=frozenset(), whole=frozenset({"content"}))
_ERROR_TYPE: Final = re.compile(r"[a-z]{1,32}(?:_[a-z]{1,32}){0,4}")
# Of a delta, what comes whole. Everything else may be a piece of a longer text.
_WHOLE_MEMBERS: Final = frozenset({"type", "citation"})


def parse_request(raw: bytes) -> Request:
    """Read a request body.

    Raises:
        Rejected: ``invalid_request``, naming the field that is wrong.
    """
    document = read_object(raw)
    body = document.value
    model, stream = read_model(body), read_stream(body)
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages or not all(isinstance(item, dict) for item in messages):
        raise invalid("'messages' must be a non-empty array of objects")
    parts = marked(segments(document, _REQUEST, nothing), units("messages", messages))
    files: list[Attachment] = []
    unreadable = [
        *unscannable.located(messages, parts, "messages", files),
        *unscannable.located([{"content": body.get("system")}], parts, "system", files),
    ]
    return Request(document, model, stream, parts, tuple(unreadable), tuple(files))


def parse_answer(raw: bytes) -> Answer:
    """Read a provider's whole answer.

    Raises:
        Rejected: It is not a message.
    """
    document = read_object(raw)
    body = document.value
    if body.get("type") != "message" or not isinstance(body.get("content"), list):
        raise invalid("the answer is not a message")
    parts = segments(document, _ANSWER, _is_usage)
    unreadable = tuple(unscannable.located([{"content": body["content"]}], parts, "content"))
    return Answer(document, parts, unreadable, *_usage(body.get("usage")))


def parse_count(raw: bytes) -> Answer:
    """Read an answer that counts tokens.

    Raises:
        Rejected: It is none.
    """
    document = read_object(raw)
    counted = tokens(document.value.get("input_tokens"))
    if counted is None:
        raise invalid("the answer is not a count of tokens")
    parts = segments(document, _ANSWER, lambda leaf: is_count(leaf, {"input_tokens", "context_management"}))
    return Answer(document, parts, (), counted)


class MessageStream:
    """A streamed message: which blocks the client has seen begin and not end."""

    def __init__(self) -> None:
        self._open: set[int] = set()
        self._completion_tokens = 0

    def read(self, event: sse.Event) -> StreamEvent:
        """Read an event with data.

        Raises:
            Rejected: It is not an event of a message, or the provider's own error.
        """
        document = parse_json(event.data or b"")
        body = document.value
        kind = body.get("type") if isinstance(body, dict) else None
        if not isinstance(kind, str):
            raise invalid("the event is not an object with a type")
        if event.name is not None and event.name != kind.encode():
            raise invalid("the event is named otherwise than its data")
        if kind == "error":
            raise _failure(body)
        if kind.startswith("content_block_") and not is_index(body.get("index")):
            raise invalid("the event of a content block has no index")
        unreadable = unscannable.unreadable({"content": [body["content_block"]]} if "content_block" in body else [])
        prompt, completion = _usage(_member(body, "message", "usage") or body.get("usage"))
        return StreamEvent(
            document,
            tuple(_texts(document, kind)),
            frozenset({body["index"]} if kind == "content_block_stop" else ()),
            tuple(Finding(found, 0, 0, 1.0, DETECTOR) for found in unreadable),
            prompt,
            completion,
            ends=kind == "message_stop",
            ends_run=kind == "message_delta" or _member(body, "content_block", "type") not in {None, "text"},
        )

    def released(self, event: StreamEvent, *, as_received: bool) -> None:  # noqa: ARG002 - part of the interface
        """Note which blocks are open at the client."""
        body = event.document.value
        if body["type"] == "content_block_start":
            self._open.add(body["index"])
        self._open -= {index for index in event.finished if isinstance(index, int)}
        self._completion_tokens = event.completion_tokens or self._completion_tokens

    def closing_events(self, refusal: Decision | None) -> list[bytes]:
        """Every open block stops, and the message with ``refusal`` as its reason."""
        end: dict[str, Any] = {
            "type": "message_delta",
            "delta": {"stop_reason": "refusal", "stop_sequence": None},
            "usage": {"output_tokens": self._completion_tokens},
        }
        if refusal is not None:
            end["policy"] = policy_note(refusal)
        stops = [{"type": "content_block_stop", "index": index} for index in sorted(self._open)]
        return [_encode(event) for event in [*stops, end, {"type": "message_stop"}]]


def _texts(document: JsonDocument, kind: str) -> Iterator[Piece]:
    body = document.value
    inside = {"content_block_start": "content_block", "content_block_delta": "delta"}.get(kind)
    for leaf in walk(document, embedded=False):
        path = leaf.path
        if is_vocabulary(leaf) or (leaf.is_number and path == ("index",)) or _is_event_usage(leaf):
            continue
        # A block begins with the first piece of the member that its deltas continue.
        is_piece = not leaf.is_name and not leaf.is_number and inside is not None and path[0] == inside
        if is_piece and len(path) == 2 and path[1] not in _WHOLE_MEMBERS and _continues(kind, path[1]):  # noqa: PLR2004 - the member itself
            yield Piece((body["index"], path[1]), leaf, whole=False, run="text" if path[1] == "text" else None)
        else:
            yield Piece((), leaf, whole=True)


def _continues(kind: str, member: str | int) -> bool:
    return kind == "content_block_delta" or member in {"text", "thinking"}


def _is_usage(leaf: Leaf) -> bool:
    return is_count(leaf, {"usage"})


def _is_event_usage(leaf: Leaf) -> bool:
    path = leaf.path
    if path[:2] == ("message", "usage"):
        return is_count(leaf._replace(path=path[1:]), {"usage"})
    return _is_usage(leaf)


def _usage(usage: Any) -> tuple[int | None, int | None]:
    """Tokens of the prompt, those read from or written to the cache included, and of the answer."""
    if not isinstance(usage, dict):
        return None, None
    read = [tokens(usage.get(f"{kind}input_tokens")) for kind in ("", "cache_creation_", "cache_read_")]
    prompt = None if read[0] is None else tokens(sum(count or 0 for count in read))
    return prompt, tokens(usage.get("output_tokens"))


def _member(body: dict[str, Any], *names: str) -> Any:
    value: Any = body
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _failure(body: dict[str, Any]) -> Rejected:
    """The provider broke off; of its words only the type goes on."""
    kind = _member(body, "error", "type")
    said = f" (type {kind})" if isinstance(kind, str) and _ERROR_TYPE.fullmatch(kind) else ""
    return Rejected(ErrorCode.PROVIDER_ERROR, f"the provider ended its answer with an error{said}")


def _encode(event: dict[str, Any]) -> bytes:
    return sse.encode(json.dumps(event, ensure_ascii=False).encode(), event["type"].encode())


MESSAGES: Final = Surface(
    name="anthropic.messages",
    path="/v1/messages",
    forward_path="/messages",
    dialect=ANTHROPIC,
    parse_request=parse_request,
    parse_answer=parse_answer,
    noun="a message",
    stream=MessageStream,
    named_events=True,
)
COUNT_TOKENS: Final = Surface(
    name="anthropic.count_tokens",
    path="/v1/messages/count_tokens",
    forward_path="/messages/count_tokens",
    dialect=ANTHROPIC,
    parse_request=parse_request,
    parse_answer=parse_count,
    noun="a count of tokens",
)
