"""One exchange across two vendors' APIs: the translated request, and what translates its answer.

A client of chat completions meets an Anthropic provider, or the other way round; nothing here knows which model, key
or address. ``Exchange.left_out`` names what the provider is not told because it means nothing there.
Source: design §3; the table is docs/translation.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from outpost.protocol.codes import ErrorCode
from outpost.translation.answer_to_anthropic import answer_to_anthropic
from outpost.translation.answer_to_chat import answer_to_chat
from outpost.translation.reading import Notes, read, write
from outpost.translation.request_to_anthropic import DEFAULT_MAX_TOKENS, request_to_anthropic
from outpost.translation.request_to_chat import request_to_chat
from outpost.translation.sent import StreamTranslator
from outpost.translation.stream_to_anthropic import ChatToAnthropic
from outpost.translation.stream_to_chat import AnthropicToChat


class Api(StrEnum):
    """The API a client speaks; its provider speaks the other. Values are the names of dialects (``routing.json``)."""

    OPENAI = "openai"
    ANTHROPIC = "anthropic"


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request on its way, and what becomes of its answer.

    Attributes:
        client: The API of the client.
        request: The body for the provider.
        left_out: Places in the client's request that the provider is not told of, for the audit and the client.
        at: When an answer is created that must say so.
        wants_usage: The client asked for the usage at the end of a stream.
        wants_thoughts: The client asked for the model's thoughts.
    """

    client: Api
    request: bytes
    left_out: tuple[str, ...]
    at: datetime
    wants_usage: bool
    wants_thoughts: bool

    def answer(self, raw: bytes) -> bytes:
        """A provider's whole answer, as the client's API puts it.

        Raises:
            Rejected: ``provider_invalid_response``: it is no answer of the provider's API, or cannot be translated.
        """
        code = ErrorCode.PROVIDER_INVALID_RESPONSE
        body, notes = read(raw, code), Notes(code, strict=False)
        if self.client is Api.OPENAI:
            return write(answer_to_chat(body, notes, self.at), code)
        return write(answer_to_anthropic(body, notes, thoughts=self.wants_thoughts), code)

    def stream(self) -> StreamTranslator:
        """State for a streamed answer."""
        if self.client is Api.OPENAI:
            return AnthropicToChat(self.at, include_usage=self.wants_usage)
        return ChatToAnthropic(thoughts=self.wants_thoughts)


def open_exchange(raw: bytes, client: Api, *, at: datetime, default_max_tokens: int = DEFAULT_MAX_TOKENS) -> Exchange:
    """Translate a request: ``raw`` is a body of ``client``'s API, inspected and redacted already.

    ``default_max_tokens`` bounds the answer where Anthropic's API wants a bound and the client gave none.

    Raises:
        Untranslatable: ``untranslatable``: something in it cannot be said in the other API; ``field`` says what.
        Rejected: ``invalid_request``: it is no JSON object.
    """
    body, notes = read(raw, ErrorCode.INVALID_REQUEST), Notes(ErrorCode.UNTRANSLATABLE)
    if client is Api.OPENAI:
        request = request_to_anthropic(body, notes, default_max_tokens)
    else:
        request = request_to_chat(body, notes)
    return Exchange(
        client=client,
        request=write(request, ErrorCode.INVALID_REQUEST),
        left_out=tuple(notes.left_out),
        at=at,
        wants_usage=bool(_member(body, "stream_options", "include_usage")),
        wants_thoughts=_member(body, "thinking", "type") in {"adaptive", "enabled"}
        and _member(body, "thinking", "display") != "omitted",
    )


def _member(body: Mapping[str, Any], *names: str) -> Any:
    value: Any = body
    for name in names:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value
