"""OpenAI realtime: where text sits in the events of a WebSocket, of clients and of the provider.

A provider says every text twice, in deltas and whole, as on ``/v1/responses``; texts end with their own event or
with their response. Sound is unreadable: bytes of it are reported, a transcript without them is text. Of a
provider's error nothing goes on but identifiers.
Source: OpenAI API reference, Realtime client events and server events (released and beta shapes).
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

from outpost.documents.kinds import AUDIO
from outpost.protocol.codes import ErrorCode
from outpost.protocol.decisions import Decision
from outpost.protocol.findings import Finding
from outpost.proxy import sse
from outpost.proxy.errors import STATUS, blocked_code, blocked_message, openai_type
from outpost.proxy.json_document import JsonDocument, Leaf, parse_json, walk
from outpost.proxy.segments import Located, Segment
from outpost.proxy.surfaces import unscannable
from outpost.proxy.surfaces.openai_responses import without_logprobs
from outpost.proxy.surfaces.reading import (
    Layout,
    is_count,
    is_index,
    is_vocabulary,
    nothing,
    read_model,
    read_object,
    segments,
    tokens,
)
from outpost.proxy.surfaces.surface import DETECTOR, Piece, StreamEvent, invalid, policy_note
from outpost.proxy.surfaces.untrusted import is_untrusted, marked

NAME: Final = "openai.realtime"
PATH: Final = "/v1/realtime"
FORWARD_PATH: Final = "/realtime"
PROTOCOL: Final = "realtime"
KEY_PROTOCOL: Final = "openai-insecure-api-key."
BETA_PROTOCOL: Final = "openai-beta.realtime-v1"
BETA: Final = "realtime=v1"

MAX_OPEN: Final = 64  # responses at once; the API has one in a conversation and few beside it
MAX_TEXTS: Final = 65_536  # of one connection; OpenAI ends one after 60 minutes, at a few texts a second
# RFC 6455 §7.4.1
NORMAL: Final = 1000
GOING_AWAY: Final = 1001
NO_BINARY: Final = 1003
_CLOSE_CODES: Final = {ErrorCode.INVALID_REQUEST: 1007, ErrorCode.REQUEST_TOO_LARGE: 1009}
_POLICY_VIOLATION: Final = 1008
_INTERNAL_ERROR: Final = 1011

_LAYOUT: Final = Layout(items=frozenset(), whole=frozenset({"item", "session", "response", "instructions"}))
# Members of a session or response that say how to speak, and hold no sound.
_SETTINGS: Final = frozenset({"audio"})
_SOUND: Final = frozenset({"audio", "input_audio", "output_audio"})
_OF_SOUND: Final = frozenset({"id", "object", "type", "status", "transcript", "format"})
_AUDIO_DELTAS: Final = frozenset(
    {"response.output_audio.delta", "response.audio.delta", "session.output_audio.delta"},
)
_PLACES: Final = ("response_id", "item_id", "output_index", "content_index", "summary_index")
_SPOKEN: Final = ("item_id", "content_index")
_POSITIONS: Final = frozenset(
    {"output_index", "content_index", "summary_index", "audio_start_ms", "audio_end_ms", "start", "end"}
)
_COUNTS: Final = frozenset({"usage", "rate_limits", "expires_at", "created_at", "max_output_tokens"})
_ENDS: Final = (".done", ".completed", ".failed")
_RESPONSE_ENDS: Final = "response.done"
_SEGMENT: Final = "conversation.item.input_audio_transcription.segment"
_TRANSCRIPTION: Final = "conversation.item.input_audio_transcription"
_WORD: Final = re.compile(r"[a-z]{1,32}(?:_[a-z]{1,32}){0,7}")
_PARAM: Final = re.compile(r"[a-z_]{1,32}(?:\[[0-9]{1,4}\]|\.[a-z_]{1,32}){0,8}")
_EVENT_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class RealtimeLimits:
    """Bounds of one connection; all but ``tick_s``, which is a promise, are settings.

    Attributes:
        max_event_bytes: Of one event, in either direction.
        ping_s: How often either side is asked for a sign of life; half of it later it is gone.
        idle_s: How long a connection may stay open without an event.
        stall_s: How long one side may refuse to take what is written to it.
        tick_s: How often the caller's standing is looked at while nothing happens.
    """

    max_event_bytes: int = sse.MAX_EVENT_BYTES
    ping_s: float = 30.0
    idle_s: float = 900.0
    stall_s: float = 60.0
    tick_s: float = 1.0


@dataclass(frozen=True, slots=True)
class ClientEvent:
    """An event of a client, read.

    Attributes:
        event_id: By which the client knows it, if that is an id.
        model: The model it asks for, if any.
    """

    document: JsonDocument
    segments: tuple[Segment, ...]
    unscannable: tuple[Located, ...]
    event_id: str | None = None
    model: str | None = None


@dataclass(frozen=True, slots=True)
class Offer:
    """What a client offers as subprotocols (RFC 6455 §11.3.4): browsers can send nothing else.

    Attributes:
        keys: API keys among them.
        accepts: The protocol to answer with; ``None`` if none was offered.
        beta: It speaks the shapes before the released ones.
    """

    keys: frozenset[str] = field(repr=False)
    accepts: str | None
    beta: bool


def read_offer(headers: Sequence[str]) -> Offer:
    """Read all ``Sec-WebSocket-Protocol`` headers of a request.

    Raises:
        Rejected: ``invalid_request``: protocols are offered, and ``realtime`` is not among them.
    """
    offered = [name.strip() for header in headers for name in header.split(",") if name.strip()]
    if offered and PROTOCOL not in offered:
        raise invalid("the subprotocol 'realtime' must be among those offered")
    keys = frozenset(name.removeprefix(KEY_PROTOCOL) for name in offered if name.startswith(KEY_PROTOCOL))
    return Offer(keys, PROTOCOL if offered else None, BETA_PROTOCOL in offered)


def read_query(query: Sequence[tuple[str, str]]) -> str:
    """The model that a connection is opened for.

    Raises:
        Rejected: ``invalid_request``: there is none, or something else that would go on uninspected.
    """
    if [name for name, _ in query] != ["model"]:
        raise invalid("a connection is opened with the query 'model' and nothing else")
    return read_model(dict(query))


def opening(model: str) -> bytes:
    """What a connection for ``model`` is opened with, as ``read_opening`` reads it."""
    return json.dumps({"model": model}).encode()


def read_opening(raw: bytes) -> ClientEvent:
    """What a connection is opened with, ``{"model": …}``, as something that can be inspected.

    Raises:
        Rejected: ``invalid_request``.
    """
    document = read_object(raw)
    return ClientEvent(document, segments(document, _LAYOUT, nothing), ())


def read_client_event(raw: bytes) -> ClientEvent:
    """Read an event of a client, also of a type that this version does not know.

    Raises:
        Rejected: ``invalid_request``.
    """
    document = read_object(raw)
    body = document.value
    if not isinstance(body.get("type"), str):
        raise invalid("an event must have a 'type'")
    holders = {name for name in ("item", "response") if _is_others(body.get(name))}
    parts = marked(segments(document, _LAYOUT, nothing), holders)
    found = tuple(Located(0, Finding(kind, 0, 0, 1.0, DETECTOR)) for kind in _unreadable(body))
    session = body.get("session")
    model = session.get("model") if isinstance(session, dict) else None
    if model is not None and not isinstance(model, str):
        raise invalid("'session.model' must be a string")
    return ClientEvent(document, parts, found, _matching(_EVENT_ID, body.get("event_id")), model)


class RealtimeStream:
    """What a provider says in one connection: which responses and texts are open."""

    def __init__(self) -> None:
        self._responses: set[str] = set()
        self._groups: dict[str, set[str]] = {}
        self._made = 0
        self.ended = 0
        """How many responses have ended, as far as read."""

    @property
    def answering(self) -> bool:
        """A response has begun at the client and not ended."""
        return bool(self._responses)

    def read(self, event: sse.Event) -> StreamEvent:
        """Read an event.

        Raises:
            Rejected: It is not an event of this API.
        """
        document = parse_json(event.data or b"")
        body = document.value
        kind = body.get("type") if isinstance(body, dict) else None
        if not isinstance(kind, str):
            raise invalid("the event is not an object with a type")
        group = _group(kind, body)
        usage = body["response"].get("usage") if isinstance(body.get("response"), dict) else None
        counted = usage if isinstance(usage, dict) else {}
        return StreamEvent(
            document,
            tuple(self._texts(document, kind, group)),
            frozenset(self._finished(kind, body, group)),
            tuple(Finding(found, 0, 0, 1.0, DETECTOR) for found in _unreadable(body, kind)),
            tokens(counted.get("input_tokens")),
            tokens(counted.get("output_tokens")),
            without_logprobs,
            ends_run=kind == _RESPONSE_ENDS or kind.startswith("response.output_item."),
            says_twice=True,
        )

    def released(self, event: StreamEvent, *, as_received: bool) -> None:
        """Note what the client knows of the responses."""
        body = event.document.value
        response = body.get("response")
        name = response.get("id") if isinstance(response, dict) else None
        if body["type"] == _RESPONSE_ENDS:
            self._responses.discard(str(name))
        elif body["type"] == "response.created" and as_received and _matching(_EVENT_ID, name):
            self._responses.add(str(name))
            if len(self._responses) > MAX_OPEN:
                raise invalid(f"more than {MAX_OPEN} responses are open at once")

    def closing_events(self, refusal: Decision | None) -> list[bytes]:
        """Every response that has begun ends incomplete, for its content; then the rule that says so."""
        ended = {"status": "incomplete", "status_details": {"type": "incomplete", "reason": "content_filter"}}
        ended |= {"object": "realtime.response", "output": []}
        made = []
        for name in sorted(self._responses):
            event = {"type": _RESPONSE_ENDS, "event_id": self._event_id(), "response": {"id": name, **ended}}
            made.append(json.dumps(event).encode())
        self._responses.clear()
        if refusal is not None:
            code = blocked_code(refusal)
            note = policy_note(refusal)
            made.append(self.error(code, blocked_message(refusal, "answer"), policy=note))
        return made

    def error(
        self,
        code: str,
        message: str,
        *,
        event_id: str | None = None,
        policy: Mapping[str, str] | None = None,
    ) -> bytes:
        """An error event. ``event_id`` is that of the client's event it is about."""
        kind = openai_type(STATUS[ErrorCode(code)])
        error = {"type": kind, "code": str(code), "message": message, "param": None, "event_id": event_id}
        event: dict[str, Any] = {"type": "error", "event_id": self._event_id(), "error": error}
        if policy is not None:
            event["policy"] = dict(policy)
        return json.dumps(event, ensure_ascii=False).encode()

    def _event_id(self) -> str:
        self._made += 1
        return f"event_outpost_{self._made}"

    def _finished(self, kind: str, body: dict[str, Any], group: str) -> set[str]:
        if kind == _RESPONSE_ENDS:
            self.ended += 1
            response = body.get("response")
            name = response.get("id") if isinstance(response, dict) else None
            return self._groups.pop(name, set()) if isinstance(name, str) else set()
        if not kind.endswith(_ENDS):
            return set()
        ended = {group}
        if kind.startswith(_TRANSCRIPTION):
            ended.add(_group(_SEGMENT, body))
        response_id = str(body.get("response_id"))
        if response_id in self._groups:
            self._groups[response_id] -= ended
            if not self._groups[response_id]:
                del self._groups[response_id]
        return ended

    def _texts(self, document: JsonDocument, kind: str, group: str) -> Iterator[Piece]:
        body = document.value
        continued = "delta" if kind.endswith(".delta") and kind not in _AUDIO_DELTAS else None
        if kind == _SEGMENT:
            continued = "text"
        if continued is not None and isinstance(body.get("response_id"), str):
            self._groups.setdefault(body["response_id"], set()).add(group)
        run = None
        if kind in {"response.output_text.delta", "response.text.delta"}:
            run = f"{body.get('response_id')}/{body.get('output_index')}"
        for leaf in walk(document, embedded=False):
            path = leaf.path
            if is_vocabulary(leaf) or _is_position(leaf):
                continue
            if path[0] == continued and not leaf.is_name and not leaf.is_number:
                yield Piece((group, *path[1:]), leaf, whole=False, run=run if len(path) == 1 else None)
            elif path[0] == "logprobs" and path[-1] == "token" and "top_logprobs" not in path and continued:
                yield Piece((group, "logprobs"), leaf, whole=False)
            elif not (leaf.is_number and "logprobs" in path):
                yield Piece((), leaf, whole=True)


def own_words(raw: bytes) -> bytes:
    """An event of the provider without its words about an error: identifiers stay, the message becomes ours.

    Raises:
        Rejected: It is not JSON.
    """
    if b'"error"' not in raw and b"\\u" not in raw:  # a name can be written in escapes
        return raw
    body = parse_json(raw).value  # strictly; what follows is its own text written again
    if not isinstance(body, dict):
        return raw
    body = json.loads(raw)
    response = body.get("response")
    details = response.get("status_details") if isinstance(response, dict) else None
    holders = [holder for holder in (body, details) if isinstance(holder, dict) and holder.get("error") is not None]
    if not holders:
        return raw
    for holder in holders:
        holder["error"] = _identified(holder["error"])
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def close_code(code: ErrorCode) -> int:
    """With what a connection is closed that is refused for ``code``."""
    if code in _CLOSE_CODES:
        return _CLOSE_CODES[code]
    return _POLICY_VIOLATION if STATUS[code] < HTTPStatus.INTERNAL_SERVER_ERROR else _INTERNAL_ERROR


def _identified(error: Any) -> dict[str, Any]:
    said = error if isinstance(error, dict) else {}
    code = _matching(_WORD, said.get("code"))
    return {
        "type": _matching(_WORD, said.get("type")) or "server_error",
        "code": code,
        "message": "the provider reported an error" + (f" (code {code})" if code else ""),
        "param": _matching(_PARAM, said.get("param")),
        "event_id": _matching(_EVENT_ID, said.get("event_id")),
    }


def _group(kind: str, body: dict[str, Any]) -> str:
    """The name of the text that an event continues or ends: its kind without the last word, and its place."""
    prefix = kind if kind == _SEGMENT else kind.rpartition(".")[0]
    # Not all events of a transcription say the same of its place.
    places = [body.get(name) for name in (_SPOKEN if kind.startswith(_TRANSCRIPTION) else _PLACES)]
    return "\n".join([prefix, *(str(place) if isinstance(place, str) or is_index(place) else "-" for place in places)])


def _is_position(leaf: Leaf) -> bool:
    path = leaf.path
    if path[0] in _POSITIONS:
        return len(path) == 1 and (leaf.is_name or (leaf.is_number and len(leaf.text) <= 9))  # noqa: PLR2004 - no session has 10^9 events or ms
    if is_count(leaf, _COUNTS):
        return True
    within = path[0] in {"response", "session"} and len(path) > 1
    return within and is_count(leaf._replace(path=path[1:]), _COUNTS)


def _unreadable(body: dict[str, Any], kind: str = "") -> list[str]:
    """Kinds of content in an event that is no text."""
    found = [AUDIO] if kind in _AUDIO_DELTAS else []
    rest = dict(body)
    for name in ("session", "response"):
        if isinstance(rest.get(name), dict):
            rest[name] = {key: value for key, value in rest[name].items() if key not in _SETTINGS}
    return [*found, *unscannable.unreadable(_without_transcripts(rest))]


def _is_others(value: Any) -> bool:
    """Whether an item, or the input of a response, holds what nobody at this end has said."""
    return is_untrusted(value) or (isinstance(value, dict) and is_untrusted(value.get("input")))


def _without_transcripts(value: Any) -> Any:
    """``value`` with parts that are words of spoken text, without the sound, as the text they are."""
    if isinstance(value, list):
        return [_without_transcripts(item) for item in value]
    if not isinstance(value, dict):
        return value
    kind = value.get("type")
    if isinstance(kind, str) and kind in _SOUND and not {name for name in value if value[name]} - _OF_SOUND:
        return {"type": "text"}
    # The schemas of listed tools name properties of the caller's own.
    return {name: _without_transcripts(member) for name, member in value.items() if name != "tools"}


def _matching(pattern: re.Pattern[str], value: object) -> str | None:
    return value if isinstance(value, str) and pattern.fullmatch(value) else None
