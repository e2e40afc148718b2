"""Requests whose provider speaks the other vendor's API: which surfaces can cross, and what a stream becomes.

``outpost/translation`` translates; here it meets the surfaces. What crosses is inspected twice on the way out, in
the words of its caller and in those that leave, and on the way back in the words that the caller reads.
"""

from collections.abc import AsyncIterator, Mapping
from typing import Final

from outpost.proxy import sse
from outpost.proxy.surfaces import anthropic_messages, openai_chat
from outpost.proxy.surfaces.surface import Surface
from outpost.translation.sent import Sent, StreamTranslator

_OTHER: Final[Mapping[str, Surface]] = {
    openai_chat.SURFACE.name: anthropic_messages.MESSAGES,
    anthropic_messages.MESSAGES.name: openai_chat.SURFACE,
}


def dialects(surface: Surface) -> tuple[str, ...]:
    """APIs in which requests of ``surface`` can be made, its own first."""
    other = _OTHER.get(surface.name)
    return (surface.dialect.name,) if other is None else (surface.dialect.name, other.dialect.name)


def spoken(surface: Surface, dialect: str) -> Surface:
    """The surface at a provider of ``dialect`` (one of ``dialects``) that serves requests of ``surface``."""
    return surface if surface.dialect.name == dialect else _OTHER[surface.name]


async def translated(events: AsyncIterator[sse.Event], translator: StreamTranslator) -> AsyncIterator[sse.Event]:
    """The events of a provider's stream as the client's API puts them.

    Raises:
        Rejected: One of them cannot be translated, or the stream ends before its answer does.
    """
    async for event in events:
        if event.data is None:
            yield event  # a comment, of which the bytes are ours
            continue
        for sent in translator.feed(event.data):
            yield _event(sent)
    for sent in translator.end():
        yield _event(sent)


def _event(sent: Sent) -> sse.Event:
    return sse.Event(sse.encode(sent.data, sent.name), sent.data, sent.name)
