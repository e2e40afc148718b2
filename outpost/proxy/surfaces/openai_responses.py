"""OpenAI responses: where text sits in requests, answers and streamed events.

A stream says every text twice: in deltas, which are one text in pieces until the ``done`` event of the same kind and
place, and whole, in that event, in the item and in the last response. Both are inspected, and a scan of the pieces
finds what a scan of the whole does, so they stay equal when something is redacted.
Source: OpenAI API reference, /v1/responses (request, response object, streaming events).
"""

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from outpost.documents.kinds import AUDIO, IMAGE
from outpost.errors import Rejected
from outpost.protocol.codes import ErrorCode
from outpost.protocol.decisions import Decision
from outpost.protocol.findings import Finding
from outpost.proxy import sse
from outpost.proxy.json_document import JsonDocument, Leaf, parse_json, walk
from outpost.proxy.surfaces import unscannable
from outpost.proxy.surfaces.dialects import OPENAI
from outpost.proxy.surfaces.reading import (
    END,
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

_REQUEST: Final = Layout(items=frozenset({"input"}), whole=frozenset({"instructions"}))
_ANSWER: Final = Layout(items=frozenset({"output"}))
# Members of a response that are numbers the provider counts.
_COUNTS: Final = frozenset({"created_at", "completed_at", "usage"})
# Members of an event that say which text of which item it is about.
_PLACES: Final = ("output_index", "content_index", "summary_index", "command_index")
_POSITIONS: Final = frozenset({*_PLACES, "sequence_number", "annotation_index", "partial_image_index"})
_LAST: Final = frozenset({"response.completed", "response.incomplete"})
_FAILED: Final = frozenset({"error", "response.failed"})
_UNREADABLE: Final = {
    "response.audio.delta": AUDIO,
    "response.image_generation_call.partial_image": IMAGE,
}
_ERROR_CODE: Final = re.compile(r"[a-z]{1,32}(?:_[a-z]{1,32}){0,5}")


def parse_request(raw: bytes) -> Request:
    """Read a request body.

    Raises:
        Rejected: ``invalid_request``, naming the field that is wrong.
    """
    document = read_object(raw)
    body = document.value
    model, stream = read_model(body), read_stream(body)
    given = body.get("input")
    if given is not None and not isinstance(given, str | list):
        raise invalid("'input' must be a string or an array")
    items = given if isinstance(given, list) else []
    parts = marked(segments(document, _REQUEST, nothing), units("input", items))
    files: list[Attachment] = []
    named: list[Reference] = []
    unreadable = [
        *unscannable.located(items, parts, "input", files, named),
        *unscannable.located([body.get("prompt")], parts, "body", files),
    ]
    return Request(document, model, stream, parts, tuple(unreadable), tuple(files), tuple(named))


def parse_answer(raw: bytes) -> Answer:
    """Read a provider's whole answer.

    Raises:
        Rejected: It is not a response object.
    """
    document = read_object(raw)
    body = document.value
    if body.get("object") != "response" or not isinstance(body.get("output"), list):
        raise invalid("the answer is not a response")
    parts = segments(document, _ANSWER, lambda leaf: is_count(leaf, _COUNTS))
    unreadable = tuple(unscannable.located(body["output"], parts, "output"))
    return Answer(document, parts, unreadable, *_usage(body), without_logprobs)


class ResponseStream:
    """A streamed response: its object as the client knows it, and the number of the next event."""

    def __init__(self) -> None:
        self._response: dict[str, Any] = {"object": "response", "output": []}
        self._next = 0

    def read(self, event: sse.Event) -> StreamEvent:
        """Read an event with data.

        Raises:
            Rejected: It is not an event of a response, or the provider's own error.
        """
        if event.data is None or event.data == sse.DONE:
            return END
        document = parse_json(event.data)
        body = document.value
        kind = body.get("type") if isinstance(body, dict) else None
        if not isinstance(kind, str):
            raise invalid("the event is not an object with a type")
        if event.name is not None and event.name != kind.encode():
            raise invalid("the event is named otherwise than its data")
        if kind in _FAILED:
            raise _failure(body)
        kinds = [*unscannable.unreadable([body.get("item"), body.get("response"), {"content": [*_parts(body)]}])]
        if kind in _UNREADABLE:
            kinds.append(_UNREADABLE[kind])
        group = _group(kind, body)
        return StreamEvent(
            document,
            tuple(_texts(document, kind, group)),
            frozenset({group} if kind.endswith(".done") else ()),
            tuple(Finding(found, 0, 0, 1.0, DETECTOR) for found in kinds),
            *_usage(body.get("response")),
            without_logprobs,
            ends=kind in _LAST,
            ends_run=kind.startswith("response.output_item."),
            says_twice=True,
        )

    def released(self, event: StreamEvent, *, as_received: bool) -> None:
        """Note what the client knows of the response."""
        body = event.document.value
        if event is END:
            return
        number = body.get("sequence_number")
        if is_index(number):
            self._next = number + 1
        if as_received and isinstance(body.get("response"), dict):
            self._response = {**self._response, **json.loads(event.document.raw)["response"]}

    def closing_events(self, refusal: Decision | None) -> list[bytes]:
        """The response ends incomplete, for its content."""
        ended = {"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}
        event: dict[str, Any] = {"type": "response.incomplete", "sequence_number": self._next}
        event["response"] = {**self._response, **ended}
        if refusal is not None:
            event["policy"] = policy_note(refusal)
        return [sse.encode(json.dumps(event, ensure_ascii=False).encode(), b"response.incomplete")]


def without_logprobs(data: bytes) -> bytes:
    """An answer or event without its token probabilities, which would spell out once more what was redacted.

    Raises:
        Rejected: It has a number that cannot be written again.
    """
    if b'"logprobs"' not in data:
        return data
    body = json.loads(data)
    _empty_logprobs(body)
    try:
        return json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except ValueError:
        raise invalid("a number is larger than any number can be") from None


def _empty_logprobs(value: Any) -> None:
    if isinstance(value, dict):
        for name, member in value.items():
            if name == "logprobs" and isinstance(member, list):
                value[name] = []
            else:
                _empty_logprobs(member)
    elif isinstance(value, list):
        for item in value:
            _empty_logprobs(item)


def _group(kind: str, body: dict[str, Any]) -> str:
    """The name of the text that an event continues or ends: its kind without the last word, and its place."""
    places = [body.get(name) for name in _PLACES]
    return "/".join([kind.rpartition(".")[0], *(str(place) if is_index(place) else "-" for place in places)])


def _texts(document: JsonDocument, kind: str, group: str) -> Iterator[Piece]:
    for leaf in walk(document, embedded=False):
        path = leaf.path
        if is_vocabulary(leaf) or _is_position(leaf):
            continue
        if path[0] == "delta" and not leaf.is_name and not leaf.is_number and kind.endswith(".delta"):
            run = f"{document.value.get('output_index')}" if kind == "response.output_text.delta" else None
            yield Piece((group, *path[1:]), leaf, whole=False, run=run)
        elif path == ("command",) and kind.endswith(".added") and not leaf.is_name:
            yield Piece((group,), leaf, whole=False)
        elif path[0] == "logprobs" and path[-1] == "token" and "top_logprobs" not in path and kind.endswith(".delta"):
            yield Piece((group, "logprobs"), leaf, whole=False)
        elif not (leaf.is_number and "logprobs" in path):
            yield Piece((), leaf, whole=True)


def _is_position(leaf: Leaf) -> bool:
    path = leaf.path
    if path[0] in _POSITIONS:
        return len(path) == 1 and (leaf.is_name or (leaf.is_number and len(leaf.text) <= 9))  # noqa: PLR2004 - no stream has 10^9 events
    return path[0] == "response" and len(path) > 1 and is_count(leaf._replace(path=path[1:]), _COUNTS)


def _parts(body: dict[str, Any]) -> Iterator[Any]:
    if "part" in body:
        yield body["part"]


def _usage(response: Any) -> tuple[int | None, int | None]:
    usage = response.get("usage") if isinstance(response, dict) else None
    if not isinstance(usage, dict):
        return None, None
    return tokens(usage.get("input_tokens")), tokens(usage.get("output_tokens"))


def _failure(body: dict[str, Any]) -> Rejected:
    """The provider broke off; of its words only the code goes on."""
    response = body.get("response")
    error = response.get("error") if isinstance(response, dict) else body
    code = error.get("code") if isinstance(error, dict) else None
    said = f" (code {code})" if isinstance(code, str) and _ERROR_CODE.fullmatch(code) else ""
    return Rejected(ErrorCode.PROVIDER_ERROR, f"the provider ended its answer with an error{said}")


SURFACE: Final = Surface(
    name="openai.responses",
    path="/v1/responses",
    forward_path="/responses",
    dialect=OPENAI,
    parse_request=parse_request,
    parse_answer=parse_answer,
    noun="a response",
    stream=ResponseStream,
    named_events=True,
)
