"""What the proxy asks of a surface: how to read its bodies and its stream, and how to say no in its words.

A surface is one file that says where text sits; the order of inspecting, deciding, auditing and releasing is the
same for all (``outpost/proxy/pipeline.py``). Everything here is a value or a pure function of received bytes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from outpost.errors import Rejected
from outpost.protocol.codes import ErrorCode
from outpost.protocol.decisions import Decision
from outpost.protocol.findings import Finding
from outpost.proxy import sse
from outpost.proxy.json_document import JsonDocument, Leaf
from outpost.proxy.segments import Located, Segment

DETECTOR = "surface"
"""The detector named by findings of content that cannot be read."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file whose bytes stand in a request, and the unit in which it stands."""

    unit: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Reference:
    """A file that a request names by id, the unit in which it does, and what that counts as while it is unknown."""

    unit: str
    file_id: str
    unread: Located


@dataclass(frozen=True, slots=True)
class Request:
    """A parsed request: what routing needs, every text of it, files that are still to be read, and files elsewhere.

    ``unscannable`` has what each of ``references`` counts as unless it becomes known.
    """

    document: JsonDocument
    model: str
    stream: bool
    segments: tuple[Segment, ...]
    unscannable: tuple[Located, ...]
    attachments: tuple[Attachment, ...] = ()
    references: tuple[Reference, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """A parsed answer that did not stream.

    Attributes:
        scrub: What else is taken out of the bytes of an answer in which something was redacted.
    """

    document: JsonDocument
    segments: tuple[Segment, ...]
    unscannable: tuple[Located, ...]
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    scrub: Callable[[bytes], bytes] | None = None


class Piece(NamedTuple):
    """One text in one event of a stream. A tuple, because an event makes several of them.

    Attributes:
        channel: The text it continues. The first element is the group that ends it (``StreamEvent.finished``).
        leaf: Where it stands in the event.
        whole: It is complete by itself.
        run: Texts that clients join one after the other, though each ends by itself (blocks of one message).
    """

    channel: tuple[str | int, ...]
    leaf: Leaf
    whole: bool
    run: str | None = None


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """One event of a stream, read.

    Attributes:
        finished: Groups of channels that end with this event.
        ends: It is the last event; whatever comes after it is not read.
        ends_run: No text joins those before it.
        says_twice: The whole text comes again later, so what lies across two texts cannot be redacted.
        scrub: As ``Answer.scrub``.
    """

    document: JsonDocument
    texts: tuple[Piece, ...] = ()
    finished: frozenset[str | int] = frozenset()
    unscannable: tuple[Finding, ...] = ()
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    scrub: Callable[[bytes], bytes] | None = None
    ends: bool = False
    ends_run: bool = False
    says_twice: bool = False


class Stream(Protocol):
    """State of one streamed answer: what a well-formed end of it would be."""

    def read(self, event: sse.Event) -> StreamEvent:
        """Read an event with data.

        Raises:
            Rejected: It is not an event of this surface, or says that the provider failed.
        """

    def released(self, event: StreamEvent, *, as_received: bool) -> None:
        """``event`` goes out to the client; ``as_received`` unless something in it was redacted."""

    def closing_events(self, refusal: Decision | None) -> list[bytes]:
        """A well-formed end for a stream that is cut here, naming the rule that cut it."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """What all surfaces of one vendor have in common.

    Attributes:
        name: ``surface`` of the providers that speak it (``routing.json``).
        envelope: ``(code, message, status, param)`` to the body of an error.
        error_event: ``(code, message, status)`` to the event that ends a stream which broke off.
        credentials: A provider's key to the headers that carry it.
        request_headers: Headers of a request that the provider needs; each value is inspected before it goes on.
        answer_headers: Names of a provider's headers that go on to the client, if they are dates, numbers or names.
        id_header: Where clients look for the id of a request, beside ``X-Request-Id``.
    """

    name: str
    envelope: Callable[[str, str, int, str | None], bytes]
    error_event: Callable[[str, str, int], bytes]
    credentials: Callable[[str], Mapping[str, str]]
    request_headers: Callable[[Mapping[str, str]], Mapping[str, str]] = lambda _: {}
    answer_headers: Sequence[str] = ()
    id_header: str | None = None


@dataclass(frozen=True, slots=True)
class Surface:
    """One path that clients may call.

    Attributes:
        name: As rules, metrics and the audit log call it.
        path: On the outpost.
        forward_path: At the provider, below its base URL.
        stream: State for a streamed answer; ``None`` where the API has no streams.
        noun: What the provider answers, for messages.
        parse_form: For a surface that takes a form instead of JSON: ``(content type, body)`` to a request. Such bodies
            may be as large as documents.
        repeatable: Doing a request twice does no harm, so that another provider may be asked when one fails.
        named_events: Events of its stream carry their type as their name too.
    """

    name: str
    path: str
    forward_path: str
    dialect: Dialect
    parse_request: Callable[[bytes], Request]
    parse_answer: Callable[[bytes], Answer]
    noun: str
    stream: Callable[[], Stream] | None = None
    named_events: bool = False
    parse_form: Callable[[str, bytes], Request] | None = None
    repeatable: bool = True


def invalid(message: str) -> Rejected:
    """The refusal of a body that is not what its surface takes."""
    return Rejected(ErrorCode.INVALID_REQUEST, message)


def policy_note(refusal: Decision) -> dict[str, str]:
    """What the last event of a stream that was cut says of the decision. Clients ignore members they do not know."""
    return {"action": str(refusal.action), "rule_id": refusal.rule_id, "reason": refusal.message or refusal.reason}
