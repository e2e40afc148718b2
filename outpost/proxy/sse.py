"""Server-sent events as a provider streams them: bytes in, whole events out, whatever the chunking.

Source: WHATWG HTML, "Server-sent events", §9.2.5-9.2.6 (stream format). Only ``data`` counts, and ``event`` where
it is one word of an API; comments and other fields are not handed on, because nobody inspects them.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from outpost.errors import Rejected
from outpost.protocol.codes import ErrorCode

MAX_EVENT_BYTES: Final = 1_048_576  # one chunk holds a few tokens; the largest seen carry a usage object
DONE: Final = b"[DONE]"
KEEP_ALIVE: Final = b": keep-alive\n\n"

# Two line ends, each of any kind. Atomic, so that one CR LF is never taken for two.
_END_OF_EVENT = re.compile(rb"(?>\r\n|\n|\r){2}")
_LONGEST_END: Final = 3  # bytes of an end of event that may stand at the end of what was searched
_END_OF_LINE = re.compile(rb"\r\n|\n|\r")
_NAME = re.compile(rb"[a-z_]{1,32}(?:\.[a-z_]{1,48}){0,3}")  # content_block_delta, response.output_text.delta


@dataclass(frozen=True, slots=True)
class Event:
    """One event: its bytes as received with the blank line, and its data (``None`` for a comment).

    ``name`` is what ``event`` says, in an API that names its events; a surface compares it with the data.
    """

    raw: bytes
    data: bytes | None
    name: bytes | None = None


class EventReader:
    """Cuts a byte stream into events. Memory is bounded by ``MAX_EVENT_BYTES`` plus one read."""

    def __init__(self, *, named: bool = False) -> None:
        """``named``: the API names its events, so the names stay in ``Event.raw``."""
        self._named = named
        self._buffer = bytearray()
        self._searched = 0  # no blank line ends before this, so a long event is searched once, not at every read

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """Events that are complete now.

        Raises:
            Rejected: An event is larger than ``MAX_EVENT_BYTES``.
        """
        self._buffer += chunk
        while (blank := _END_OF_EVENT.search(self._buffer, self._searched)) is not None:
            _, end = blank.span()
            at_the_end = blank.group().endswith(b"\r") and end == len(self._buffer)
            del blank  # holds the buffer's memory, which must be free to shrink
            if at_the_end:
                break  # the next byte may be the line feed of a CR LF
            raw = bytes(self._buffer[:end])
            del self._buffer[:end]
            self._searched = 0
            yield _event(raw, named=self._named)
        self._searched = max(0, len(self._buffer) - _LONGEST_END)
        if len(self._buffer) > MAX_EVENT_BYTES:
            message = f"the provider sent an event of more than {MAX_EVENT_BYTES} bytes"
            raise Rejected(ErrorCode.PROVIDER_INVALID_RESPONSE, message)

    def rest(self) -> bytes:
        """Bytes after the last blank line; a well-formed stream leaves none."""
        return bytes(self._buffer.strip())


def encode(data: bytes, name: bytes | None = None) -> bytes:
    """One event with ``data``, framed as OpenAI frames it, and as Anthropic does if it has a ``name``."""
    begin = b"" if name is None else b"event: " + name + b"\n"
    return begin + b"data: " + data.replace(b"\n", b"\ndata: ") + b"\n\n"


def _event(raw: bytes, *, named: bool) -> Event:
    lines = _END_OF_LINE.split(raw.rstrip(b"\r\n"))
    data = [line[5:].removeprefix(b" ") for line in lines if line.startswith(b"data:")]
    if not data:
        return Event(KEEP_ALIVE, None)
    if len(lines) > 1 or raw.endswith(b"\r"):  # after a CR a reader waits for what may be its LF
        joined = b"\n".join(data)
        names = [line[6:].removeprefix(b" ") for line in lines if line.startswith(b"event:")] if named else []
        name = names[-1] if names and _NAME.fullmatch(names[-1]) else None
        return Event(encode(joined, name), joined, name)
    return Event(raw, data[0])
